/** Time as a dependency: everything that waits or stamps takes a Clock, so that tests own the hours. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. For measuring. */
  monotonic(): number
  /** Resolves after `ms`, or at once (without throwing) when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `fn` once after `ms`; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void
}

const maxTimeout = 2 ** 31 - 1

/** The machine's clock. Its timers do not keep the process alive by themselves when `unref` is asked for. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(), which loads perf_hooks.
  monotonic: () => process.uptime() * 1000,
  sleep(ms, signal) {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, Math.min(Math.max(0, ms), maxTimeout))
      signal?.addEventListener('abort', done, { once: true })
    })
  },
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(0, ms), maxTimeout))
    return () => clearTimeout(timer)
  },
}

let lastSecond = { at: Number.NaN, text: '' }

/** RFC 3339 with whole seconds, as Kubernetes' metav1.Time is written. */
export function rfc3339(ms: number): string {
  const at = Math.floor(ms / 1000)
  // Most of what is stamped is stamped now.
  if (lastSecond.at !== at) lastSecond = { at, text: new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z') }
  return lastSecond.text
}

/** RFC 3339 with exactly six fractional digits, as Kubernetes' metav1.MicroTime demands (three are refused with 400). */
export function rfc3339Micro(ms: number): string {
  return new Date(ms).toISOString().replace(/Z$/, '000Z')
}
