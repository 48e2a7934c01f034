import { constants } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { createSecureServer, SecureServerOptions } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Transport } from '#kube'
import { type Clock, CuddleError, errorMessage, type Logger, silentLogger, systemClock } from '#lib'
import type { Pki } from '../pki/index.ts'
import type { Store } from '../store/index.ts'
import { admissionChain } from './admission/index.ts'
import { followApiServices, startAggregation } from './aggregation/index.ts'
import { anonymous, certificateUser, tokenUser } from './authentication.ts'
import { bootstrap } from './bootstrap.ts'
import { startCrdCleanup } from './crd-cleanup.ts'
import { handle } from './handler.ts'
import { ListCache } from './list-cache.ts'
import { Registry } from './registry.ts'
import type { Api, ApiRequest, ApiResponse, Lazy, User } from './request.ts'
import { type Request, type Response, send } from './send.ts'
import { badRequest, StatusError, tooLarge } from './status.ts'
import { localTransport } from './transport.ts'

export interface ApiServerOptions {
  pki: Pki
  store: Store
  /** 0 = any free one. */
  port: number
  /** @default 127.0.0.1 */
  host?: string
  clock?: Clock
  log?: Logger
  /** Closes the server when it aborts. */
  signal?: AbortSignal
  /** A bearer token that is the administrator's. */
  adminToken?: string
}

export interface ApiServer {
  /** https://127.0.0.1:PORT */
  readonly url: string
  readonly port: number
  /** The API without TLS and HTTP, for controllers in the same process; as system:kube-controller-manager unless told. */
  transport(user?: User): Transport
  close(): Promise<void>
}

const controlUser: User = {
  name: 'system:kube-controller-manager',
  groups: ['system:masters', 'system:authenticated'],
}
/** Made once: an abort without a reason builds a DOMException for every request. */
const clientGone = new Error('the client has gone')

function lazy<T extends { close(): void }>(start: () => Promise<T>): Lazy<T> {
  let loading: Promise<T> | undefined
  const part: Lazy<T> = {
    current: undefined,
    load() {
      loading ??= start().then((started) => (part.current = started))
      loading.catch(() => {
        loading = undefined
      })
      return loading
    },
  }
  return part
}

const streamPath =
  /^\/api\/v1\/(namespaces\/[^/]+\/pods\/[^/]+\/(exec|attach|portforward)\/?(\?|$)|(namespaces\/[^/]+\/(pods|services)|nodes)\/[^/]+\/proxy([/?]|$))/

/** Starts the API server: HTTPS with HTTP/1.1 and h2. CuddleError `port-taken` when the port is in use. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { pki, store } = options
  const host = options.host ?? '127.0.0.1'
  const clock = options.clock ?? systemClock
  const api: Api = {
    store,
    registry: new Registry(store),
    clock,
    log: options.log ?? silentLogger,
    pki,
    counters: { requests: new Map(), watches: 0 },
    lists: new ListCache(clock),
    admission: admissionChain(),
    rbac: lazy(async () => (await import('./rbac/index.ts')).startRbac(api)),
    limits: lazy(async () => (await import('./limits/index.ts')).startLimits(api)),
    aggregation: lazy(async () => startAggregation(api)),
  }
  // An import of the module would load undici with it (see #lib nodeHttp).
  const server = process.getBuiltinModule('node:http2').createSecureServer(
    {
      allowHTTP1: true,
      cert: pki.server.cert,
      key: pki.server.key,
      ca: pki.ca.cert,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      // As Go's servers prefer: OpenSSL itself would take AES-256, which costs more and protects nobody better.
      ciphers: `TLS_AES_128_GCM_SHA256:${constants.defaultCoreCipherList}`,
      honorCipherOrder: true,
      // Clients keep connections; a short idle limit would race with their next request.
      keepAliveTimeout: 180_000,
      headersTimeout: 30_000,
      requestTimeout: 60_000,
      maxHeaderSize: 64 * 1024,
    } as SecureServerOptions,
    (request, response) => void respond(api, options.adminToken, request, response),
  )
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  // Streams take over their connection; their code is loaded with the first of them. Any other Upgrade is passed over.
  Object.assign(server, { shouldUpgradeCallback: ({ url }: { url?: string }) => streamPath.test(url ?? '') })
  server.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const ask = (signal: AbortSignal) =>
      answer(api, options.adminToken, request as unknown as Request, signal, { upgrade: true })
    import('./upgrade.ts').then(
      ({ upgrade }) => upgrade(api, ask, request, socket, head),
      () => socket.destroy(),
    )
  })
  server.on('sessionError', () => {})
  server.on('tlsClientError', () => {})
  if (store.count('core/resourcequotas') + store.count('core/limitranges') > 0) await api.limits.load()
  await listen(server, options.port, host)
  const { port } = server.address() as AddressInfo
  await bootstrap(api, port)
  const stopCleanup = startCrdCleanup(api)
  const stopFollowing = followApiServices(api)
  const transports: Transport[] = []
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= new Promise<void>((resolve) => {
      stopCleanup()
      stopFollowing()
      api.rbac.current?.close()
      api.limits.current?.close()
      api.lists.close()
      for (const transport of transports) transport.close()
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
    return closing
  }
  if (options.signal?.aborted) await close()
  else options.signal?.addEventListener('abort', () => void close(), { once: true })
  return {
    url: `https://${host}:${port}`,
    port,
    transport(user = controlUser) {
      const transport = localTransport(api, user)
      transports.push(transport)
      return transport
    },
    close,
  }
}

function listen(server: ReturnType<typeof createSecureServer>, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') reject(error)
      else {
        reject(
          new CuddleError('port-taken', `the API server cannot listen on ${host}:${port}: the port is in use`, {
            hint: `find who has it: ss -ltnp 'sport = :${port}', or choose another port`,
            cause: error,
          }),
        )
      }
    })
    server.listen(port, host, () => resolve())
  })
}

async function respond(api: Api, adminToken: string | undefined, request: Request, response: Response): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort(clientGone))
  request.on('error', () => gone.abort(clientGone))
  response.on('error', () => gone.abort(clientGone))
  const reply = await answer(api, adminToken, request, gone.signal)
  if (gone.signal.aborted || response.destroyed) return
  try {
    await send(request, response, reply, gone.signal)
  } catch (error) {
    api.log.debug({ error: errorMessage(error) }, 'a response could not be sent')
    // Whoever waits for an answer is not left waiting.
    ;(response.stream ?? request.socket).destroy()
  }
}

async function answer(
  api: Api,
  adminToken: string | undefined,
  request: Request,
  signal: AbortSignal,
  more: Pick<ApiRequest, 'upgrade'> = {},
): Promise<ApiResponse> {
  try {
    const user = authenticate(api, adminToken, request)
    return await handle(api, { ...apiRequest(request, user, signal), ...more })
  } catch (error) {
    const status = error instanceof StatusError ? error : badRequest(errorMessage(error))
    return {
      status: status.code,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-cache, private' },
      body: Buffer.from(JSON.stringify(status.status)),
    }
  }
}

function authenticate(api: Api, adminToken: string | undefined, request: Request): User {
  const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket
  return tokenUser(api, request.headers.authorization, adminToken) ?? certificateUser(socket) ?? anonymous
}

function apiRequest(request: Request, user: User, signal: AbortSignal): ApiRequest {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  let body: Promise<Buffer> | undefined
  return {
    method: request.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
    headers: request.headers as Record<string, string | undefined>,
    user,
    body: (limit) => (body ??= readBody(request, limit)),
    signal,
  }
}

function readBody(request: Request, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length']) > limit) {
      reject(tooLarge(limit))
      return
    }
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) reject(tooLarge(limit))
      else chunks.push(chunk)
    })
    let whole = false
    request.on('end', () => {
      whole = true
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    })
    request.on('close', () => {
      if (!whole) reject(badRequest('the request ended before its body did'))
    })
    request.on('error', reject)
  })
}
