/** Upper bounds of the latency buckets, milliseconds; one more bucket holds what took longer. */
export const latencyBounds = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const

/** Counters of one route. Plain numbers: a request costs a few additions. */
export class RouteMetrics {
  readonly host: string
  readonly path: string
  readonly service: string
  requests = 0
  /** Responses by class: index 1 = 1xx (101 only) … 5 = 5xx, whether the app's or the router's own. */
  readonly statuses = [0, 0, 0, 0, 0, 0]
  /** Time from the request's head to the end of the response, per latencyBounds. */
  readonly latency: number[] = new Array(latencyBounds.length + 1).fill(0)
  latencySumMs = 0
  /** Bytes of responses sent to clients, heads included. */
  bytesOut = 0
  /** Bytes of request bodies. */
  bytesIn = 0
  retries = 0
  /** Responses cut off half-way, by either side. */
  aborted = 0
  active = 0

  constructor(host: string, path: string, service: string) {
    this.host = host
    this.path = path
    this.service = service
  }

  finish(status: number, ms: number): void {
    this.statuses[(status / 100) | 0]++
    this.latencySumMs += ms
    let bucket = 0
    while (bucket < latencyBounds.length && ms > latencyBounds[bucket]) bucket++
    this.latency[bucket]++
  }
}

export interface RouterMetrics {
  routes: RouteMetrics[]
  /** Requests that no route took: unknown hosts, malformed ones. */
  unrouted: number
  connections: number
  upstreamConnections: number
  /** Requests that wait for a ready endpoint. */
  waiting: number
}

export interface AccessLogEntry {
  /** Wall clock, ms since the epoch, when the response ended. */
  time: number
  method: string
  host: string
  path: string
  status: number
  ms: number
  bytes: number
  service: string
  pod: string
  requestId: string
  remote: string
}

/** The last `size` entries. */
export class AccessLog {
  readonly #entries: AccessLogEntry[] = []
  readonly #size: number
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  add(entry: AccessLogEntry): void {
    this.#entries[this.#next] = entry
    this.#next = (this.#next + 1) % this.#size
  }

  /** Oldest first. */
  entries(): AccessLogEntry[] {
    return [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)]
  }
}
