import type { RouteEndpoint } from './view.ts'

/** A pooled connection, as far as the pool cares. */
export interface Pooled {
  destroy(): void
  /** Tick (seconds) from which on it may no longer be used. */
  idleUntil: number
  idleSince: number
}

/** Something long-lived that goes through an endpoint and can be asked to end. */
export interface Tunnel {
  /** Ends it in good order; may be called again. */
  leave(): void
}

/** Tunnels of a leaving pod are ended over at most so many seconds, so that their clients do not all come back at once. */
const spreadSeconds = 5

/** One address of a service, with the connections that rest there. */
export class Endpoint<C extends Pooled = Pooled> {
  readonly address: string
  readonly port: number
  pod = ''
  /** Requests under way. */
  outstanding = 0
  /** Most recently used last. */
  readonly idle: C[] = []
  /** No new requests: it left the view, or is not ready any more. */
  retired = false
  /** Passed over while others are there: the monotonic time, ms, until which a refused connection counts. */
  shunnedUntil = 0
  /** Websockets. */
  readonly tunnels = new Set<Tunnel>()
  /** Tick at which the last tunnel is ended. */
  #leaveAt: number | undefined

  constructor(address: string, port: number) {
    this.address = address
    this.port = port
  }

  retire(): void {
    this.retired = true
    for (const connection of [...this.idle]) connection.destroy()
  }

  /** The pod terminates: its tunnels end by `tick`. Only the first word counts. */
  leaveAt(tick: number): void {
    this.#leaveAt ??= tick
  }

  /** Once a second. */
  sweep(tick: number): void {
    if (this.#leaveAt === undefined || this.tunnels.size === 0) return
    const left = Math.max(0, this.#leaveAt - tick)
    if (left >= spreadSeconds) return
    let count = Math.ceil(this.tunnels.size / (left + 1))
    for (const tunnel of [...this.tunnels]) {
      if (count-- === 0) return
      this.tunnels.delete(tunnel)
      tunnel.leave()
    }
  }
}

/** The endpoints of one service port and who waits for one. */
export class Service<C extends Pooled = Pooled> {
  readonly key: string
  readonly #known = new Map<string, Endpoint<C>>()
  /** Out of use, but with tunnels that are open still. */
  readonly #retired = new Map<string, Endpoint<C>>()
  #usable: Endpoint<C>[] = []
  #cursor = 0
  /** Called once each when an endpoint becomes usable. */
  readonly waiters = new Set<() => void>()

  constructor(key: string) {
    this.key = key
  }

  get usable(): readonly Endpoint<C>[] {
    return this.#usable
  }

  /**
   * Takes a new list. Ready endpoints are used; when there is none, those that terminate but still serve are, as
   * kube-proxy does (KEP-1669). Endpoints that fall out are retired: requests under way finish, idle connections close.
   * @param leaveAt tick by which the tunnels of pods that terminate now are ended; without one they end by themselves
   */
  update(endpoints: readonly RouteEndpoint[], leaveAt?: number): void {
    const ready = endpoints.filter((endpoint) => endpoint.ready)
    const chosen = ready.length > 0 ? ready : endpoints.filter(({ serving, terminating }) => serving && terminating)
    const keys = new Set<string>()
    const usable: Endpoint<C>[] = []
    let fresh = false
    for (const { address, port, pod = '' } of chosen) {
      const key = `${address}:${port}:${pod}`
      if (keys.has(key)) continue
      keys.add(key)
      let endpoint = this.#known.get(key)
      if (!endpoint) {
        endpoint = new Endpoint(address, port)
        endpoint.pod = pod
        this.#known.set(key, endpoint)
        fresh = true
      }
      usable.push(endpoint)
    }
    for (const [key, endpoint] of this.#known) {
      if (keys.has(key)) continue
      this.#known.delete(key)
      endpoint.retire()
      if (endpoint.tunnels.size > 0) this.#retired.set(key, endpoint)
    }
    for (const { address, port, pod = '', terminating } of leaveAt === undefined ? [] : endpoints) {
      const key = `${address}:${port}:${pod}`
      if (!terminating) continue
      this.#known.get(key)?.leaveAt(leaveAt!)
      this.#retired.get(key)?.leaveAt(leaveAt!)
    }
    this.#usable = usable
    if (!fresh) return
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const wake of waiters) wake()
  }

  /**
   * The endpoint with the fewest requests under way, ties in turn; of many endpoints two are compared (power of two
   * choices). `avoid` are those that this request was refused by already.
   */
  pick(now: number, avoid?: ReadonlySet<Endpoint<C>>): Endpoint<C> | undefined {
    const usable = this.#usable
    const count = usable.length
    if (count === 0) return undefined
    if (count === 1) return avoid?.has(usable[0]) ? undefined : usable[0]
    const start = this.#cursor++ % count
    const looked = count <= 8 ? count : 2
    let best: Endpoint<C> | undefined
    for (let step = 0; step < looked; step++) {
      const endpoint = usable[(start + (looked === count ? step : step * (1 + (this.#cursor % (count - 1))))) % count]
      if (endpoint.shunnedUntil > now || avoid?.has(endpoint)) continue
      if (!best || endpoint.outstanding < best.outstanding) best = endpoint
    }
    return best ?? usable.find((endpoint) => !avoid?.has(endpoint))
  }

  /** Closes connections that rested for too long, and tunnels of pods that leave. */
  sweep(tick: number): void {
    for (const endpoint of this.#usable) {
      for (const connection of [...endpoint.idle]) if (connection.idleUntil <= tick) connection.destroy()
      endpoint.sweep(tick)
    }
    for (const [key, endpoint] of this.#retired) {
      endpoint.sweep(tick)
      if (endpoint.tunnels.size === 0) this.#retired.delete(key)
    }
  }
}
