/**
 * An int-or-percent field (maxSurge, minAvailable …) as a number of pods. Percentages are taken of `total` and rounded
 * as the field's rule says; anything unreadable counts as `fallback`.
 */
export function scaled(
  value: number | string | undefined,
  total: number,
  rounding: 'up' | 'down',
  fallback = 0,
): number {
  if (typeof value === 'number') return value
  const percent = /^(\d+)%$/.exec(value ?? '')?.[1]
  if (percent === undefined) return fallback
  const exact = (Number(percent) * total) / 100
  return rounding === 'up' ? Math.ceil(exact) : Math.floor(exact)
}

/** Go's `omitempty`: a count of zero is not written. */
export function unlessZero(count: number): number | undefined {
  return count === 0 ? undefined : count
}
