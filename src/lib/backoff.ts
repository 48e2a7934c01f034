import type { Clock } from './clock.ts'

export interface BackoffOptions {
  /** First delay, ms. */
  initial: number
  /** Longest delay, ms. */
  max: number
  /** Growth per failure. @default 2 */
  factor?: number
  /** Random share of the delay that is taken away, 0..1. @default 0.5 */
  jitter?: number
}

/** The delay in ms before retry number `attempt` (0 = the first retry), with jitter so that clients spread. */
export function backoffDelay(attempt: number, options: BackoffOptions, random: () => number = Math.random): number {
  const { initial, max, factor = 2, jitter = 0.5 } = options
  const full = Math.min(max, initial * factor ** Math.min(attempt, 60))
  return full * (1 - jitter * random())
}

/**
 * Calls `work` until it succeeds, `retryable` says no, the attempts are used up, or the signal aborts.
 * Only errors that are known to be transient belong in `retryable`.
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: BackoffOptions & {
    clock: Clock
    attempts?: number
    signal?: AbortSignal
    retryable: (error: unknown) => boolean
  },
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      const last = attempt + 1 >= (options.attempts ?? Number.POSITIVE_INFINITY)
      if (last || options.signal?.aborted || !options.retryable(error)) throw error
      await options.clock.sleep(backoffDelay(attempt, options), options.signal)
      if (options.signal?.aborted) throw error
    }
  }
}
