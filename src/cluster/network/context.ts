import type { Clock, Logger } from '#lib'
import type { Endpoint, Service } from './endpoints.ts'
import { Head } from './head.ts'
import type { Matcher } from './matcher.ts'
import type { AccessLog } from './metrics.ts'

/** How long things may take and how much is kept; every value has a default. */
export interface RouterLimits {
  /** A request waits so long for a ready endpoint before it is answered 503. @default 5000 */
  holdMs: number
  /** Requests that may wait at once; further ones are answered 503 at once. @default 1024 */
  maxWaiting: number
  /** From the request sent to the head of the response; then 504. @default 60_000 */
  responseMs: number
  /** To set up a connection to an endpoint; then the next one is tried. @default 3000 */
  connectMs: number
  /** A response or request body that stands still. @default 600_000 */
  idleBodyMs: number
  /** To send a whole request head; then 408. @default 20_000 */
  headMs: number
  /** Between two requests of one client connection. @default 75_000 */
  keepAliveMs: number
  /** A resting connection to an endpoint; its own Keep-Alive hint shortens it. @default 30_000 */
  pooledMs: number
  /** Resting connections per endpoint. @default 256 */
  maxPooled: number
  /** Bytes of a request body kept for sending it again. @default 65536 */
  maxReplay: number
}

export const defaultLimits: RouterLimits = {
  holdMs: 5000,
  maxWaiting: 1024,
  responseMs: 60_000,
  connectMs: 3000,
  idleBodyMs: 600_000,
  headMs: 20_000,
  keepAliveMs: 75_000,
  pooledMs: 30_000,
  maxPooled: 256,
  maxReplay: 64 * 1024,
}

/** What the connections of one router share. */
export class Context {
  readonly clock: Clock
  readonly log: Logger
  readonly limits: RouterLimits
  readonly accessLog: AccessLog | undefined
  /** Seconds since the start, by the sweeper: cheap time for timeouts. */
  tick = 0
  matcher: Matcher
  draining = false
  waiting = 0
  unrouted = 0
  upstreamConnections = 0
  /**
   * All sockets read into this one buffer and are done with it before the next read: nothing is allocated per read.
   * Whoever keeps bytes copies them.
   */
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(128 * 1024)
  readonly requestHead = new Head()
  readonly responseHead = new Head()
  readonly #idPrefix: string
  #idCount = 0

  constructor(init: {
    clock: Clock
    log: Logger
    limits: RouterLimits
    matcher: Matcher
    accessLog?: AccessLog
    id: string
  }) {
    this.clock = init.clock
    this.log = init.log
    this.limits = init.limits
    this.matcher = init.matcher
    this.accessLog = init.accessLog
    this.#idPrefix = init.id
  }

  /** Unique over restarts by the prefix; 20 characters at least, as Heroku's parsers demand. */
  requestId(): string {
    return this.#idPrefix + (++this.#idCount).toString(36).padStart(8, '0')
  }

  seconds(ms: number): number {
    return Math.max(1, Math.ceil(ms / 1000))
  }
}

export type RouterService = Service<any>
export type RouterEndpoint = Endpoint<any>
