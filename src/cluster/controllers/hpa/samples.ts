import { parseQuantity } from '#lib'

/** One pod's value of a metric. All values here are in thousandths (milli), whole numbers, as upstream computes. */
export interface Sample {
  value: number
  /** End of the time it was measured over; ms since the epoch. */
  at: number
  /** How long that was, ms. */
  window: number
}

/** What was learnt about one metric of an autoscaler. */
export type Reading =
  | { pods: ReadonlyMap<string, Sample> }
  /** Of an object, or the sum of an external metric. */
  | { value: number }
  | { error: string }

export function milli(quantity: string | number | undefined): number {
  return Math.round((parseQuantity(quantity ?? 0) ?? 0) * 1000)
}

/** Thousandths as a quantity: `500m`, `2`. */
export function fromMilli(value: number): string {
  return value % 1000 === 0 ? String(value / 1000) : `${value}m`
}
