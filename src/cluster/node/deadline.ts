import type { Clock } from '#lib'

/** A point in time that can be moved nearer while others wait for it. */
export class Deadline {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #at: number

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#at = clock.monotonic() + Math.max(0, ms)
  }

  /** ms that are left. */
  get left(): number {
    return Math.max(0, this.#at - this.#clock.monotonic())
  }

  /** At most `ms` from now. */
  shorten(ms: number): void {
    const at = this.#clock.monotonic() + Math.max(0, ms)
    if (at >= this.#at) return
    this.#at = at
    for (const again of [...this.#waiting]) again()
  }

  /** Resolves when the deadline passes or `other` settles; tells whether `other` was first. */
  async race(other: Promise<unknown>): Promise<boolean> {
    const stop = new AbortController()
    const first = await Promise.race([other.then(settled, settled), this.#passed(stop.signal)])
    stop.abort()
    return first
  }

  #passed(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      let cancel = () => {}
      const finish = () => {
        cancel()
        this.#waiting.delete(arm)
        resolve(false)
      }
      const arm = () => {
        cancel()
        if (this.left <= 0) finish()
        else cancel = this.#clock.after(this.left, arm)
      }
      this.#waiting.add(arm)
      signal.addEventListener('abort', finish, { once: true })
      arm()
    })
  }
}

const settled = () => true
