import { backoffDelay, type Clock, deferred } from '#lib'

/** What became of a run: `undefined` = settled; `after` = again in so many ms; `retry` = again with the key's backoff. */
export type Outcome = undefined | { after: number } | 'retry'
export type Priority = 'high' | 'low'

interface Entry {
  key: string
  state: 'queued' | 'running' | 'waiting'
  priority: Priority
  /** Wanted again while it ran. */
  dirty: boolean
  failures: number
  cancel?: (() => void) | undefined
}

/** As client-go's ItemExponentialFailureRateLimiter, with jitter added. */
const backoff = { initial: 5, max: 16 * 60_000, jitter: 0.2 }

/**
 * A queue of keys that runs each key once at a time and never queues one twice. A key wanted while it runs is run once
 * more; a key that waits out a delay is run at once when wanted again; an idle key takes no memory. Low priority (the
 * initial list) yields to high (changes). Starts paused.
 */
export class WorkQueue {
  readonly #entries = new Map<string, Entry>()
  readonly #high = new Fifo()
  readonly #low = new Fifo()
  readonly #clock: Clock
  readonly #concurrency: number
  readonly #run: (key: string) => Promise<Outcome>
  #running = 0
  #paused = true
  #idle: ReturnType<typeof deferred<void>> | undefined

  /** `run` must not throw: what it could throw is an Outcome. */
  constructor(options: { clock: Clock; concurrency: number; run: (key: string) => Promise<Outcome> }) {
    this.#clock = options.clock
    this.#concurrency = options.concurrency
    this.#run = options.run
  }

  /** Keys that are queued, run or wait. */
  get size(): number {
    return this.#entries.size
  }

  /** Keys that are ready to run but have no worker yet. */
  get depth(): number {
    return this.#high.size + this.#low.size
  }

  /** Wants the key to be run, as soon as may be. */
  add(key: string, priority: Priority = 'high'): void {
    const entry = this.#entries.get(key)
    if (!entry) {
      const fresh: Entry = { key, state: 'queued', priority, dirty: false, failures: 0 }
      this.#entries.set(key, fresh)
      this.#push(fresh)
    } else if (entry.state === 'running') {
      entry.dirty = true
      if (priority === 'high') entry.priority = 'high'
    } else if (entry.state === 'waiting') {
      entry.cancel?.()
      this.#enqueue(entry, priority)
    } else if (priority === 'high' && entry.priority === 'low') {
      // left in the low line as well, where its turn will find it taken already
      this.#enqueue(entry, 'high')
    }
  }

  resume(): void {
    this.#paused = false
    this.#work()
  }

  /** Starts no further run; those under way go on. */
  pause(): void {
    this.#paused = true
  }

  /** Resolves when no run is under way; to be asked after pause(). */
  async settled(): Promise<void> {
    if (this.#running === 0) return
    this.#idle ??= deferred<void>()
    await this.#idle.promise
  }

  /** Forgets every delay, so that no timer is left behind. */
  close(): void {
    this.#paused = true
    for (const entry of this.#entries.values()) entry.cancel?.()
  }

  #enqueue(entry: Entry, priority: Priority): void {
    entry.state = 'queued'
    entry.priority = priority
    entry.cancel = undefined
    this.#push(entry)
  }

  #push(entry: Entry): void {
    const line = entry.priority === 'high' ? this.#high : this.#low
    line.push(entry.key)
    this.#work()
  }

  #work(): void {
    while (!this.#paused && this.#running < this.#concurrency) {
      const high = this.#high.shift()
      const key = high ?? this.#low.shift()
      if (key === undefined) return
      const entry = this.#entries.get(key)
      if (entry?.state !== 'queued' || (high === undefined && entry.priority === 'high')) continue
      entry.state = 'running'
      this.#running++
      void this.#run(key).then((outcome) => {
        this.#running--
        this.#settle(entry, outcome)
        this.#work()
        if (this.#running > 0) return
        this.#idle?.resolve()
        this.#idle = undefined
      })
    }
  }

  #settle(entry: Entry, outcome: Outcome): void {
    if (this.#entries.get(entry.key) !== entry) return
    entry.failures = outcome === 'retry' ? entry.failures + 1 : 0
    const again = entry.dirty
    entry.dirty = false
    // a key that fails again and again must not spin on its own changes
    if (again && outcome !== 'retry') this.#enqueue(entry, 'high')
    else if (outcome === undefined) this.#entries.delete(entry.key)
    else this.#wait(entry, outcome)
  }

  #wait(entry: Entry, outcome: 'retry' | { after: number }): void {
    entry.state = 'waiting'
    entry.priority = 'low'
    const delay = outcome === 'retry' ? backoffDelay(entry.failures - 1, backoff) : outcome.after
    entry.cancel = this.#clock.after(delay, () => this.#enqueue(entry, 'high'))
  }
}

/** A first-in-first-out list whose shift does not move the rest. */
class Fifo {
  #keys: string[] = []
  #head = 0

  get size(): number {
    return this.#keys.length - this.#head
  }

  push(key: string): void {
    this.#keys.push(key)
  }

  shift(): string | undefined {
    if (this.#head === this.#keys.length) return undefined
    const key = this.#keys[this.#head++]
    if (this.#head > 1024 && this.#head * 2 > this.#keys.length) {
      this.#keys = this.#keys.slice(this.#head)
      this.#head = 0
    }
    return key
  }
}
