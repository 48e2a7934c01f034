import { type BackoffOptions, backoffDelay } from './backoff.ts'
import type { Clock } from './clock.ts'

/**
 * Every long-lived loop: run `step` until the signal aborts. A step that throws is reported and retried with backoff;
 * a step returns how long to wait (ms) before the next one.
 */
export async function loop(
  step: () => Promise<number>,
  options: { clock: Clock; signal: AbortSignal; onError: (error: unknown) => void; backoff?: BackoffOptions },
): Promise<void> {
  const backoff = options.backoff ?? { initial: 500, max: 30_000 }
  for (let failures = 0; !options.signal.aborted; ) {
    let delay: number
    try {
      delay = await step()
      failures = 0
    } catch (error) {
      if (options.signal.aborted) return
      options.onError(error)
      delay = backoffDelay(failures++, backoff)
    }
    await options.clock.sleep(delay, options.signal)
  }
}

/** A promise with its handles outside. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  return Promise.withResolvers<T>()
}

/** Runs tasks one after the other per key; tasks of different keys run at once. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** True while a task of this key runs or waits. */
  busy(key: string): boolean {
    return this.#tails.has(key)
  }

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const mine = before.then(task, task)
    const tail = mine.then(
      () => {},
      () => {},
    )
    this.#tails.set(key, tail)
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
    return mine
  }
}
