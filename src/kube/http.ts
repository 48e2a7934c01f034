import { type Clock, isObject, readLines } from '#lib'
import { ApiError, apiError } from './errors.ts'
import type { Transport, TransportResponse } from './types.ts'

export interface SendOptions {
  body?: unknown
  contentType?: string | undefined
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** Wait and try again when the server says 429 or 503 with Retry-After. @default true */
  retry?: boolean
}

export interface HttpOptions {
  transport: Transport
  clock: Clock
  userAgent: string
  /** An exchange that has not ended after this many ms is aborted; streams are exempt. */
  timeoutMs: number
}

/** client-go retries so often as well (rest.Request maxRetries). */
const maxRetries = 10
const maxRetryAfterMs = 30_000

/** JSON in, JSON out; failures become ApiError; 429 and 503 with Retry-After are tried again. */
export function sendJson(options: HttpOptions, method: string, path: string, send: SendOptions = {}): Promise<any> {
  return exchange(options, method, path, send, async (response) => parseBody(await text(response)))
}

/** As sendJson, for what is read otherwise. */
export async function exchange<R>(
  options: HttpOptions,
  method: string,
  path: string,
  send: SendOptions,
  read: (response: TransportResponse) => Promise<R>,
): Promise<R> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await withTimeout(options, `${method} ${path}`, send.signal, async (signal) =>
        read(await open(options, method, path, { ...send, signal })),
      )
    } catch (error) {
      const wait = send.retry === false || attempt >= maxRetries ? undefined : retryAfterMs(error)
      if (wait === undefined || send.signal?.aborted) throw error
      await options.clock.sleep(wait, send.signal)
      if (send.signal?.aborted) throw error
    }
  }
}

/** The response of a stream, its head read; an HTTP failure is thrown as ApiError. */
export async function open(
  { transport, userAgent }: HttpOptions,
  method: string,
  path: string,
  { body, contentType = 'application/json', headers, signal }: SendOptions,
): Promise<TransportResponse> {
  const response = await transport.request({
    method,
    path,
    headers: {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(body !== undefined && { 'content-type': contentType }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal && { signal }),
  })
  if (response.status < 400) return response
  const retryAfter = response.headers['retry-after']
  throw apiError(response.status, parseBody(await text(response)), {
    request: `${method} ${path}`,
    retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
  })
}

/** Lines of a streaming response; ends quietly when the signal aborts or the consumer stops. */
export async function* lines(
  options: HttpOptions,
  path: string,
  send: SendOptions,
): AsyncGenerator<string, void, undefined> {
  try {
    const response = await open(options, 'GET', path, send)
    yield* readLines(response.body)
  } catch (error) {
    if (!send.signal?.aborted) throw error
  }
}

async function text(response: TransportResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function parseBody(body: string): unknown {
  if (body === '') return undefined
  try {
    const value: unknown = JSON.parse(body)
    return isObject(value) || Array.isArray(value) ? value : body
  } catch {
    return body
  }
}

function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof ApiError) || (error.code !== 429 && error.code !== 503)) return undefined
  return error.retryAfterSeconds === undefined ? undefined : Math.min(error.retryAfterSeconds * 1000, maxRetryAfterMs)
}

async function withTimeout<T>(
  { clock, timeoutMs }: HttpOptions,
  what: string,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted()
  const controller = new AbortController()
  const abort = () => controller.abort(outer?.reason)
  outer?.addEventListener('abort', abort, { once: true })
  let expired = false
  const cancel = clock.after(timeoutMs, () => {
    expired = true
    controller.abort()
  })
  try {
    return await work(controller.signal)
  } catch (error) {
    throw expired ? new Error(`${what}: no answer within ${timeoutMs} ms`, { cause: error }) : error
  } finally {
    cancel()
    outer?.removeEventListener('abort', abort)
  }
}
