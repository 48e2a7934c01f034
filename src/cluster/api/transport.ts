import type { Transport, TransportRequest, TransportResponse } from '#kube'
import { handle } from './handler.ts'
import type { Api, ApiRequest, Sink, User } from './request.ts'
import { tooLarge } from './status.ts'

/** The API within its own process: the same handlers, without TLS, HTTP and a socket. */
export function localTransport(api: Api, user: User): Transport {
  const closed = new AbortController()
  return {
    async request(request: TransportRequest): Promise<TransportResponse> {
      const signals = request.signal ? [request.signal, closed.signal] : [closed.signal]
      for (const signal of signals) signal.throwIfAborted()
      const gone = new AbortController()
      const abort = () => gone.abort()
      for (const signal of signals) signal.addEventListener('abort', abort, { once: true })
      const finish = () => {
        for (const signal of signals) signal.removeEventListener('abort', abort)
      }
      const { status, headers, body } = await handle(api, apiRequest(request, user, gone.signal))
      if (typeof body !== 'function') {
        finish()
        return { status, headers, body: fixed(body instanceof Buffer ? [body] : (body as Buffer[])) }
      }
      const pipe = new Pipe(gone, finish)
      body(pipe)
      return { status, headers, body: pipe }
    },
    async upgrade(request) {
      const signal = request.signal ? AbortSignal.any([request.signal, closed.signal]) : closed.signal
      signal.throwIfAborted()
      const asked = { ...apiRequest(request, user, signal), upgrade: true }
      const { status, headers, body, upstream } = await handle(api, asked)
      if (!upstream)
        return { status, headers, body: fixed(body instanceof Buffer ? [body] : (body as readonly Buffer[])) }
      const { openUpstream } = await import('./upgrade.ts')
      const far = await openUpstream(api, upstream, request.method, asked.headers, signal)
      signal.throwIfAborted()
      if ('socket' in far) {
        signal.addEventListener('abort', () => far.socket.destroy(), { once: true })
        return { status: 101, headers: far.response.headers, body: far.response, socket: far.socket }
      }
      return { status: far.code, headers: {}, body: fixed([Buffer.from(JSON.stringify(far.status))]) }
    },
    close: () => closed.abort(),
  }
}

function apiRequest(request: TransportRequest, user: User, signal: AbortSignal): ApiRequest {
  const mark = request.path.indexOf('?')
  const headers: Record<string, string> = {}
  for (const name in request.headers) headers[name.toLowerCase()] = request.headers[name]
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : Buffer.from(request.body ?? '')
  return {
    method: request.method,
    path: mark < 0 ? request.path : request.path.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : request.path.slice(mark + 1)),
    headers,
    user,
    body: async (limit) => {
      if (body.length > limit) throw tooLarge(limit)
      return body
    },
    signal,
  }
}

async function* fixed(chunks: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

/** A stream from handler to reader; what is not read yet is counted, so that the handler can cut a slow reader off. */
class Pipe implements Sink, AsyncIterable<Uint8Array> {
  readonly #gone: AbortController
  readonly #finish: () => void
  #chunks: Uint8Array[] = []
  #ended = false
  #broken = false
  #wake: (() => void) | undefined
  #drained: (() => void) | undefined
  buffered = 0

  constructor(gone: AbortController, finish: () => void) {
    this.#gone = gone
    this.#finish = finish
    gone.signal.addEventListener('abort', () => this.#stop(), { once: true })
  }

  get signal(): AbortSignal {
    return this.#gone.signal
  }

  onDrain(fn: () => void): void {
    this.#drained = fn
  }

  write(chunk: Uint8Array): void {
    if (this.#ended) return
    this.#chunks.push(chunk)
    this.buffered += chunk.length
    this.#wake?.()
  }

  end(): void {
    this.#stop()
  }

  destroy(): void {
    this.#broken = true
    this.#stop()
  }

  #stop(): void {
    this.#ended = true
    this.#finish()
    this.#wake?.()
    this.#gone.abort()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#broken) throw new Error('the server cut the stream off')
        if (this.#chunks.length > 0) {
          const chunks = this.#chunks
          this.#chunks = []
          this.buffered = 0
          this.#drained?.()
          yield chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
          continue
        }
        if (this.#ended) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    } finally {
      this.#stop()
    }
  }
}
