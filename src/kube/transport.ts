import { readFileSync } from 'node:fs'
import { type Clock, nodeHttp, nodeHttps, systemClock } from '#lib'
import { chunksOf } from './chunks.ts'
import type { ClusterConfig } from './config.ts'
import type { Transport, TransportRequest, TransportResponse } from './types.ts'

/** A rotated token is noticed within this time, as client-go's cachingTokenSource does; a 401 makes it notice at once. */
const tokenLifetimeMs = 60_000
const resendable = new Set(['GET', 'HEAD', 'PUT', 'DELETE'])

/**
 * HTTP/1.1 to an API server through `node:http`/`node:https`, with kept-alive connections (a watch holds one of its own).
 * Network failures reject as they come (`error.code` such as ECONNRESET); every HTTP status is a resolved response.
 */
export function httpTransport(config: ClusterConfig, options: { clock?: Clock } = {}): Transport {
  const clock = options.clock ?? systemClock
  const url = new URL(config.server)
  const secure = url.protocol === 'https:'
  const prefix = url.pathname.replace(/\/+$/, '')
  const agentOptions = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 16, scheduling: 'lifo' as const }
  const tls = {
    ...(config.ca && { ca: config.ca }),
    ...(config.cert && { cert: config.cert }),
    ...(config.key && { key: config.key }),
    ...(config.tlsServerName && { servername: config.tlsServerName }),
    ...(config.insecureSkipTlsVerify && { rejectUnauthorized: false }),
  }
  const { Agent, request: sendRequest } = secure ? nodeHttps() : nodeHttp()
  const agent = new Agent({ ...agentOptions, ...(secure && tls) })
  const token = tokenSource(config, clock)
  const basic =
    config.username !== undefined
      ? `Basic ${Buffer.from(`${config.username}:${config.password ?? ''}`).toString('base64')}`
      : undefined

  function send(request: TransportRequest, resends: number): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const bearer = token.current()
      const authorization = bearer ? `Bearer ${bearer}` : basic
      const outgoing = sendRequest({
        agent,
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || (secure ? 443 : 80),
        method: request.method,
        path: prefix + request.path,
        headers: {
          ...(authorization && { authorization }),
          ...request.headers,
          ...(request.body !== undefined && { 'content-length': Buffer.byteLength(request.body) }),
        },
        ...(request.signal && { signal: request.signal }),
      })
      let answered = false
      outgoing.once('response', (incoming) => {
        answered = true
        if (incoming.statusCode === 401) token.expire()
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: chunksOf(incoming) })
      })
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        // the server closed an idle connection just as we used it: nothing was done, so the same again is safe
        const stale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        const idempotent = resendable.has(request.method) || request.headers['content-type']?.includes('apply-patch')
        if (stale && idempotent && !answered && resends < 3 && !request.signal?.aborted)
          resolve(send(request, resends + 1))
        else reject(error)
      })
      outgoing.end(request.body)
    })
  }
  /** On a connection of its own, which goes with its socket. */
  function upgrade(request: TransportRequest): ReturnType<NonNullable<Transport['upgrade']>> {
    return new Promise((resolve, reject) => {
      const bearer = token.current()
      const authorization = bearer ? `Bearer ${bearer}` : basic
      const outgoing = sendRequest({
        ...(secure && tls),
        agent: false,
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || (secure ? 443 : 80),
        method: request.method,
        path: prefix + request.path,
        headers: { ...(authorization && { authorization }), ...request.headers },
        ...(request.signal && { signal: request.signal }),
      })
      outgoing.once('upgrade', (incoming, socket, head) => {
        socket.setNoDelay(true)
        if (head.length > 0) socket.unshift(head)
        resolve({ status: 101, headers: incoming.headers, body: chunksOf(incoming), socket })
      })
      outgoing.once('response', (incoming) => {
        if (incoming.statusCode === 401) token.expire()
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: chunksOf(incoming) })
      })
      outgoing.once('error', reject)
      outgoing.end()
    })
  }

  return { request: (request) => send(request, 0), upgrade, close: () => agent.destroy() }
}

function tokenSource(config: ClusterConfig, clock: Clock): { current(): string | undefined; expire(): void } {
  const file = config.tokenFile
  if (!file) return { current: () => config.token, expire() {} }
  let token = config.token
  let readAt: number | undefined
  return {
    current() {
      if (readAt === undefined || clock.monotonic() - readAt > tokenLifetimeMs) {
        // while the file is being replaced the last token may still do
        try {
          token = readFileSync(file, 'utf8').trim()
        } catch (error) {
          if (token === undefined) throw error
        }
        readAt = clock.monotonic()
      }
      return token
    },
    expire() {
      readAt = undefined
    },
  }
}
