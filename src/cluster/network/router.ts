import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { type Clock, errorMessage, type Logger } from '#lib'
import { Context, defaultLimits, type RouterLimits } from './context.ts'
import { Downstream } from './downstream.ts'
import { Service } from './endpoints.ts'
import { Matcher } from './matcher.ts'
import { AccessLog, type AccessLogEntry, RouteMetrics, type RouterMetrics } from './metrics.ts'
import type { Upstream } from './upstream.ts'
import type { RouteView } from './view.ts'

export interface RouterOptions {
  /** @default 127.0.0.1, and ::1 where it can be had */
  host?: string
  /** 0: any free one. */
  port: number
  clock: Clock
  log: Logger
  signal?: AbortSignal
  limits?: Partial<RouterLimits>
  /** How many requests the access log remembers. @default 0, none */
  accessLog?: number
}

export interface Router {
  readonly port: number
  /** Takes a new view at once; what did not change keeps its connections. */
  update(view: RouteView): void
  metrics(): RouterMetrics
  /** The last requests, oldest first. */
  accessLog(): AccessLogEntry[]
  /** Stops listening; requests under way may finish for `drainMs` (default 0), then all connections close. */
  close(options?: { drainMs?: number }): Promise<void>
}

/** Starts the HTTP/1.1 router. Rejects when the port cannot be had. */
export async function startRouter(options: RouterOptions): Promise<Router> {
  const { clock, log } = options
  const services = new Map<string, Service<Upstream>>()
  const connections = new Set<Downstream>()
  let metrics = new Map<string, RouteMetrics>()
  const context = new Context({
    clock,
    log,
    limits: { ...defaultLimits, ...options.limits },
    matcher: new Matcher(new Map(), () => new Service('')),
    accessLog: options.accessLog ? new AccessLog(options.accessLog) : undefined,
    id: randomBytes(9).toString('base64url'),
  })

  let cancelSweep: (() => void) | undefined
  const sweep = () => {
    context.tick++
    for (const connection of connections) connection.sweep()
    for (const service of services.values()) service.sweep(context.tick)
    cancelSweep = connections.size > 0 || context.upstreamConnections > 0 ? clock.after(1000, sweep) : undefined
  }
  const accept = (server: Server) => {
    server.on('connection', (socket) => {
      if (context.draining) return socket.destroy()
      const connection = new Downstream(context, socket, (closed) => connections.delete(closed))
      connections.add(connection)
      cancelSweep ??= clock.after(1000, sweep)
    })
    server.on('error', (error) => log.warn({ error: errorMessage(error) }, 'router listener failed'))
  }

  const first = await listen(options.host ?? '127.0.0.1', options.port)
  const { port } = first.address() as { port: number }
  const servers = [first]
  if (options.host === undefined) {
    // Browsers may resolve *.localhost to ::1 first; without IPv6 there is nothing to miss.
    const second = await listen('::1', port).catch(() => undefined)
    if (second) servers.push(second)
  }
  for (const server of servers) accept(server)

  const router: Router = {
    port,
    update(view) {
      const kept = new Map<string, RouteMetrics>()
      const wanted = new Set<Service<Upstream>>()
      const serviceOf = (key: string): Service<Upstream> => {
        let service = services.get(key)
        if (!service) services.set(key, (service = new Service(key)))
        wanted.add(service)
        return service
      }
      for (const [key, { endpoints, drainSeconds }] of view.services)
        serviceOf(key).update(endpoints, drainSeconds === undefined ? undefined : context.tick + drainSeconds)
      context.matcher = new Matcher(view.hosts, serviceOf, (host, path, service) => {
        const id = JSON.stringify([host, path, service])
        const counters = metrics.get(id) ?? new RouteMetrics(host, path, service)
        kept.set(id, counters)
        return counters
      })
      metrics = kept
      for (const [key, service] of services) {
        if (wanted.has(service)) continue
        // Who waits does so at this very object: it stays until the service comes back or they have given up.
        if (service.waiters.size === 0) services.delete(key)
        service.update([])
      }
    },
    metrics: () => ({
      routes: [...metrics.values()],
      unrouted: context.unrouted,
      connections: connections.size,
      upstreamConnections: context.upstreamConnections,
      waiting: context.waiting,
    }),
    accessLog: () => context.accessLog?.entries() ?? [],
    async close({ drainMs = 0 } = {}) {
      if (context.draining) return
      context.draining = true
      options.signal?.removeEventListener('abort', stop)
      const closed = Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
      for (const connection of connections) connection.drain()
      const cut = () => {
        for (const connection of connections) connection.destroy()
      }
      const cancel = drainMs > 0 ? clock.after(drainMs, cut) : cut()
      await closed
      cancel?.()
      for (const service of services.values()) service.update([])
      cancelSweep?.()
    },
  }
  const stop = () => void router.close()
  if (options.signal?.aborted) stop()
  else options.signal?.addEventListener('abort', stop, { once: true })
  return router
}

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
  server.listen({ host, port, backlog: 1024 })
  await once(server, 'listening')
  return server
}
