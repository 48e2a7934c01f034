import { ApiError, type Kube, type KubeObject, type ResourceType } from '#kube'
import { backoffDelay, type Clock, deferred, errorMessage, type Logger } from '#lib'
import type { Cache } from './cache.ts'

export interface ReflectorOptions<T extends KubeObject> {
  kube: Kube
  type: ResourceType<T>
  cache: Cache<T>
  clock: Clock
  log: Logger
  signal: AbortSignal
  namespace?: string | undefined
  /** Longest pause between attempts, ms. */
  maxRetryMs?: number | undefined
}

/** The server sends a bookmark about once a minute: a longer silence means that nobody is there. */
export const inactivityMs = 70_000
/** A first retry that a restarted server on this machine hardly notices; then longer, so that a crowd spreads. */
const backoff = { initial: 100, factor: 3, max: 30_000 }
/** Until the first list has come, somebody waits for it. */
const maxUnsyncedMs = 3_000
/** A watch that lived so long counts as healthy: the next failure starts the backoff anew. */
const healthyMs = 5_000
const pageSize = 500

/** Keeps a cache like the server: list, then watch from there, for ever. Never runs anybody's code but the cache's. */
export class Reflector<T extends KubeObject = KubeObject> {
  readonly #options: ReflectorOptions<T>
  readonly #synced = deferred<void>()
  /** Where to watch from; undefined = list first. */
  #resourceVersion: string | undefined
  #failures = 0
  #relists = 0
  #lastSeen: number
  #error: string | undefined
  #hasSynced = false

  constructor(options: ReflectorOptions<T>) {
    this.#options = options
    this.#lastSeen = options.clock.monotonic()
  }

  /** Resolves after the first complete list. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** `lastSeen`: ms since the server was last heard of; `error`: why it is not, now. */
  state(): { synced: boolean; lastSeen: number; relists: number; error?: string } {
    return {
      synced: this.#hasSynced,
      lastSeen: this.#options.clock.monotonic() - this.#lastSeen,
      relists: this.#relists,
      ...(this.#error !== undefined && { error: this.#error }),
    }
  }

  /** Runs until the signal aborts; never throws. */
  async run(): Promise<void> {
    const { clock, signal } = this.#options
    while (!signal.aborted) {
      const started = clock.monotonic()
      try {
        if (this.#resourceVersion === undefined) await this.#list()
        const news = await this.#watch()
        // a server that closes at once, again and again, is not to be hammered
        if (!news && clock.monotonic() - started < 1000) throw new Error('the server closes watches at once')
        this.#failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (clock.monotonic() - started > healthyMs) this.#failures = 0
        await clock.sleep(this.#afterFailure(error), signal)
      }
    }
  }

  /** Notes the failure; the ms to wait before going on. */
  #afterFailure(error: unknown): number {
    const { log } = this.#options
    const longest = this.#options.maxRetryMs ?? backoff.max
    const max = this.#hasSynced ? longest : Math.min(longest, maxUnsyncedMs)
    const delay = backoffDelay(this.#failures++, { ...backoff, max })
    if (error instanceof ApiError && error.code === 410) {
      this.#resourceVersion = undefined
      log.debug({}, `${this.#name}: history is gone, listing again`)
      return this.#failures > 1 ? delay : 0
    }
    this.#error = errorMessage(error)
    const level = this.#failures === 1 ? 'debug' : 'warn'
    log[level]({ failures: this.#failures }, `watching ${this.#name} failed: ${this.#error}`)
    if (error instanceof ApiError && error.retryAfterSeconds !== undefined) return error.retryAfterSeconds * 1000
    return delay
  }

  async #list(): Promise<void> {
    const { kube, type, cache, signal, namespace } = this.#options
    const map = (object: T) => cache.trim(object)
    const list = await kube.listAll(type, { limit: pageSize, signal, map, ...(namespace && { namespace }) })
    this.#heard()
    this.#relists++
    const { resourceVersion = '0' } = list.metadata
    cache.replace(list.items, resourceVersion)
    this.#resourceVersion = resourceVersion
    if (this.#hasSynced) return
    this.#hasSynced = true
    this.#synced.resolve()
  }

  /** One watch request until it ends; tells whether anything came. Silence ends it as a clean close would. */
  async #watch(): Promise<boolean> {
    const { kube, type, cache, clock, signal, namespace } = this.#options
    const silence = new AbortController()
    const stop = () => silence.abort()
    signal.addEventListener('abort', stop, { once: true })
    let cancel = clock.after(inactivityMs, stop)
    let news = false
    try {
      const events = kube.watch(type, {
        resourceVersion: this.#resourceVersion!,
        allowWatchBookmarks: true,
        // five to ten minutes: spread, so that the watches of many clients do not all end at once
        timeoutSeconds: Math.round(backoffDelay(0, { initial: 600, max: 600 })),
        signal: silence.signal,
        ...(namespace && { namespace }),
      })
      for await (const event of events) {
        cancel()
        cancel = clock.after(inactivityMs, stop)
        this.#heard()
        news = true
        const { object } = event
        if (event.type === 'ERROR') {
          const { code = 500, message = 'the watch ended with an error', reason } = event.object
          const seconds = event.object['details']?.retryAfterSeconds
          throw new ApiError(code, {
            message,
            ...(reason && { reason }),
            ...(seconds && { retryAfterSeconds: seconds }),
          })
        }
        if (event.type === 'BOOKMARK') cache.reached(object['metadata'].resourceVersion)
        else if (event.type === 'DELETED') cache.vanish(object as T)
        else cache.observe(object as T)
        this.#resourceVersion = cache.seen
      }
      return news || silence.signal.aborted
    } finally {
      cancel()
      signal.removeEventListener('abort', stop)
    }
  }

  #heard(): void {
    this.#lastSeen = this.#options.clock.monotonic()
    this.#error = undefined
  }

  get #name(): string {
    const { plural, group } = this.#options.type
    return group === '' ? plural : `${plural}.${group}`
  }
}
