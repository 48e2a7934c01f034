import type { Clock } from '#lib'

/**
 * The time of day that goes on evenly from the first look at something: a machine's clock that is set in the middle of a
 * rollout must not make its pods look late. One entry per key; a new `id` begins anew.
 */
export function steadyTime(): (clock: Clock, key: string, id: string) => number {
  const firstLooks = new Map<string, { id: string; now: number; monotonic: number }>()
  return (clock, key, id) => {
    let first = firstLooks.get(key)
    if (first?.id !== id) {
      first = { id, now: clock.now(), monotonic: clock.monotonic() }
      firstLooks.set(key, first)
    }
    return first.now + clock.monotonic() - first.monotonic
  }
}
