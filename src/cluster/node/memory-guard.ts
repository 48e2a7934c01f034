import type { Clock } from '#lib'
import type { Attempt } from './attempt.ts'
import { sessionUsage } from './proc.ts'

/** How often memory is looked at while any container has a limit that the kernel does not enforce, ms. */
const pollMs = 2000

/**
 * Memory limits where this process may not make cgroups: looks at resident memory and kills what is above its limit, as
 * the kernel would. Without a container to watch there is no timer.
 */
export class MemoryGuard {
  readonly #clock: Clock
  readonly #watched = new Map<Attempt, number>()
  readonly #killed = new WeakSet<Attempt>()
  #cancel: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Again for an attempt that is watched already, it changes the limit. */
  watch(attempt: Attempt, limitBytes: number): void {
    const known = this.#watched.has(attempt)
    this.#watched.set(attempt, limitBytes)
    if (known) return
    void attempt.ended.then(() => this.#watched.delete(attempt))
    this.#arm()
  }

  /** Whether it was this guard that ended an attempt. */
  killed(attempt: Attempt): boolean {
    return this.#killed.has(attempt)
  }

  close(): void {
    this.#cancel?.()
    this.#watched.clear()
  }

  #arm(): void {
    this.#cancel ??= this.#clock.after(pollMs, () => {
      this.#cancel = undefined
      this.#look()
      if (this.#watched.size > 0) this.#arm()
    })
  }

  #look(): void {
    const usage = sessionUsage(new Set([...this.#watched.keys()].map(({ pid }) => pid)))
    for (const [attempt, limit] of this.#watched) {
      if ((usage.get(attempt.pid)?.memoryBytes ?? 0) <= limit) continue
      this.#killed.add(attempt)
      attempt.signalGroup('SIGKILL')
    }
  }
}
