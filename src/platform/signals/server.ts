import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ApiError, type Kube } from '#kube'
import { type Clock, CuddleError, errorMessage, type Logger, nodeHttps, retry, x509 } from '#lib'
import { answer, failure } from './answer.ts'
import { Callers } from './callers.ts'
import { isReached, register, serverName, unregister } from './register.ts'
import type { SignalStore } from './store.ts'

export interface SignalServerOptions {
  kube: Kube
  store: SignalStore
  clock: Clock
  log: Logger
  /** Where it listens, and where the API server reaches it. */
  host: string
  /** 0 = any free one: the port is told in the registration. */
  port: number
  /** Take the registration back when the API server does not reach us: on clusters of others it would be in their way. */
  withdraw?: boolean
  signal: AbortSignal
}

export interface SignalServer {
  port: number
  close(): Promise<void>
}

/**
 * The extension API server of custom.metrics.k8s.io: TLS with an authority made anew at each start, which the registration
 * carries to the API server; no key is ever on disk.
 */
export async function startSignalServer(options: SignalServerOptions): Promise<SignalServer> {
  const { kube, store, clock, log, host, signal } = options
  const { issue, issueAuthority } = await x509()
  const now = clock.now()
  const authority = issueAuthority(now, 'cuddle-signals-ca')
  const names = [serverName, 'localhost', host]
  const leaf = issue(authority, { commonName: serverName, server: true, names }, now, 'cuddle-signals-ca')
  const callers = new Callers(kube, clock)
  let trusted = await callers.authority().catch(() => undefined)
  const identity = () => ({ cert: leaf.cert, key: leaf.key, ...(trusted && { ca: trusted }) })
  const server = nodeHttps().createServer({ ...identity(), requestCert: true, rejectUnauthorized: false })

  /** Takes over a new front-proxy authority, for the connections to come. */
  const refresh = async () => {
    const current = await callers.authority()
    if (current === trusted) return
    trusted = current
    server.setSecureContext(identity())
  }

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = request.url ?? '/'
    const mark = url.indexOf('?')
    const caller = await callers.identify(request)
    if (!caller) await refresh()
    const { code, type, body } = await answer(
      {
        method: request.method ?? 'GET',
        path: mark < 0 ? url : url.slice(0, mark),
        query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
        table: /(^|,)[^,]*;as=Table;v=v1;/.test(request.headers.accept ?? ''),
        caller,
      },
      { store, kube, clock, allowed: (who, attempt) => callers.allowed(who, attempt) },
    )
    response.writeHead(code, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
  }

  server.on('request', (request, response) => {
    request.resume()
    respond(request, response).catch((error) => {
      log.warn({ path: request.url, error: errorMessage(error) }, 'a metrics request failed')
      const known = error instanceof ApiError ? error.code : 500
      const { code, type, body } = failure(known, 'InternalError', errorMessage(error))
      if (!response.headersSent) response.writeHead(code, { 'content-type': type }).end(body)
    })
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  const place = { host, port, caBundle: authority.cert }
  await retry(() => register(kube, place), {
    clock,
    signal,
    initial: 250,
    max: 30_000,
    retryable: (error) => !(error instanceof CuddleError && error.code === 'metrics-taken'),
  }).catch((error) => {
    if (!signal.aborted) log.error({ error: errorMessage(error) }, 'the metrics server cannot be registered')
  })
  const reached = options.withdraw ? withdrawUnreached() : undefined
  async function withdrawUnreached(): Promise<void> {
    if (await isReached(kube, clock, signal)) return
    await unregister(kube)
    log.error({ host, port }, 'the API server does not reach the metrics server, which is registered no more')
  }
  reached?.catch((error) =>
    log.warn({ error: errorMessage(error) }, 'whether the metrics server is reached is not known'),
  )
  return {
    port,
    async close() {
      await reached?.catch(() => {})
      await unregister(kube).catch((error) => log.warn({ error: errorMessage(error) }, 'the registration stays'))
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}
