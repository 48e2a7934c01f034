import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Clock, errorMessage, type Logger } from '#lib'
import { type Endpoint, Service } from './endpoints.ts'
import type { RouteView } from './view.ts'

export interface ServiceProxyOptions {
  clock: Clock
  log: Logger
}

interface Listener {
  service: Service
  server: Server
  sockets: Set<Socket>
}

/**
 * What kube-proxy does for cluster IPs: listens on each clusterIP:port and carries the bytes of TCP connections to a
 * ready endpoint. Connections outlive their endpoint's readiness, as kube-proxy's do.
 */
export class ServiceProxy {
  readonly #options: ServiceProxyOptions
  readonly #listeners = new Map<string, Listener>()
  /** Addresses that could not be bound, told of once. */
  readonly #failed = new Set<string>()

  constructor(options: ServiceProxyOptions) {
    this.#options = options
  }

  /** `clusterIP:port` of everything that is listened on. */
  get addresses(): string[] {
    return [...this.#listeners].filter(([, { server }]) => server.listening).map(([address]) => address)
  }

  update(view: RouteView): void {
    const wanted = new Set<string>()
    for (const [key, { clusterIP, port, endpoints }] of view.services) {
      if (clusterIP === undefined || port === undefined) continue
      const address = `${clusterIP}:${port}`
      wanted.add(address)
      let listener = this.#listeners.get(address)
      if (!listener && !this.#failed.has(address)) listener = this.#listen(key, clusterIP, port)
      listener?.service.update(endpoints)
    }
    for (const [address, listener] of this.#listeners) {
      if (wanted.has(address)) continue
      this.#listeners.delete(address)
      listener.server.close()
    }
    for (const address of this.#failed) if (!wanted.has(address)) this.#failed.delete(address)
  }

  close(): void {
    for (const { server, sockets } of this.#listeners.values()) {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
    this.#listeners.clear()
  }

  #listen(key: string, host: string, port: number): Listener {
    const address = `${host}:${port}`
    const service = new Service(key)
    const sockets = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
      sockets.add(client)
      client.on('close', () => sockets.delete(client))
      client.on('error', () => client.destroy())
      this.#connect(service, client, new Set())
    })
    server.on('error', (error) => {
      this.#listeners.delete(address)
      this.#failed.add(address)
      this.#options.log.warn({ service: key, address }, `service proxy cannot listen: ${errorMessage(error)}`)
    })
    server.listen({ host, port })
    const listener = { service, server, sockets }
    this.#listeners.set(address, listener)
    return listener
  }

  #connect(service: Service, client: Socket, tried: Set<Endpoint>): void {
    const now = this.#options.clock.monotonic()
    const endpoint = service.pick(now, tried)
    if (!endpoint) {
      client.resetAndDestroy()
      return
    }
    endpoint.outstanding++
    const upstream = connect({ host: endpoint.address, port: endpoint.port, allowHalfOpen: true, noDelay: true })
    let open = false
    const gone = () => upstream.destroy()
    client.once('close', gone)
    upstream.on('connect', () => {
      open = true
      client.pipe(upstream)
      upstream.pipe(client)
    })
    upstream.on('error', () => {})
    upstream.on('close', (failed) => {
      endpoint.outstanding--
      client.removeListener('close', gone)
      if (open || client.destroyed) {
        if (failed) client.destroy()
        return
      }
      endpoint.shunnedUntil = now + 1000
      this.#connect(service, client, tried.add(endpoint))
    })
  }
}
