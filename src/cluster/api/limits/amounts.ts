import { canonicalQuantity } from '../../machinery/index.ts'

/** Amounts by resource name, in billionths, so that sums are exact. */
export type Amounts = Map<string, bigint>

const scales: Record<string, bigint> = {
  n: 1n,
  u: 10n ** 3n,
  m: 10n ** 6n,
  '': 10n ** 9n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
  Ki: 10n ** 9n * 1024n,
  Mi: 10n ** 9n * 1024n ** 2n,
  Gi: 10n ** 9n * 1024n ** 3n,
  Ti: 10n ** 9n * 1024n ** 4n,
  Pi: 10n ** 9n * 1024n ** 5n,
  Ei: 10n ** 9n * 1024n ** 6n,
}

/** A quantity in billionths; undefined for what is none. */
export function amountOf(quantity: unknown): bigint | undefined {
  const text = canonicalQuantity(quantity)
  const match = text === undefined ? null : /^(-?\d+)(?:e(-?\d+)|([numkMGTPE]i?)?)$/.exec(text)
  if (!match) return undefined
  const [, digits, exponent, suffix = ''] = match
  if (exponent === undefined) return BigInt(digits) * scales[suffix]
  const power = Number(exponent) + 9
  return power < 0 ? 0n : BigInt(digits) * 10n ** BigInt(power)
}

/** The canonical quantity of an amount; `binary` asks for Ki, Mi, … where the amount is that even. */
export function quantityOf(amount: bigint, binary: boolean): string {
  const kibi = scales['Ki']
  if (binary && amount !== 0n && amount % kibi === 0n) return canonicalQuantity(`${amount / kibi}Ki`)!
  return canonicalQuantity(`${amount}n`) ?? String(amount / scales[''])
}

export function amountsOf(list: unknown): Amounts {
  const amounts: Amounts = new Map()
  if (typeof list !== 'object' || list === null) return amounts
  for (const [name, quantity] of Object.entries(list)) {
    const amount = amountOf(quantity)
    if (amount !== undefined) amounts.set(name, amount)
  }
  return amounts
}

export function add(to: Amounts, more: Amounts): void {
  for (const [name, amount] of more) to.set(name, (to.get(name) ?? 0n) + amount)
}

function atLeast(to: Amounts, other: Amounts): void {
  for (const [name, amount] of other) if (amount > (to.get(name) ?? -1n)) to.set(name, amount)
}

/**
 * What a pod as a whole asks for: the sum of its containers, or more where an init container needs more; sidecars (init
 * containers that restart always) run beside both; overhead on top (component-helpers resource.PodRequests).
 */
export function podAmounts(spec: any, field: 'requests' | 'limits'): Amounts {
  const total: Amounts = new Map()
  const of = (container: any) => amountsOf(container?.resources?.[field])
  for (const container of spec?.containers ?? []) add(total, of(container))
  const sidecars: Amounts = new Map()
  const starting: Amounts = new Map()
  for (const container of spec?.initContainers ?? []) {
    const step = new Map(of(container))
    if (container?.restartPolicy === 'Always') {
      add(total, step)
      add(sidecars, step)
      atLeast(starting, sidecars)
    } else {
      add(step, sidecars)
      atLeast(starting, step)
    }
  }
  atLeast(total, starting)
  for (const [name, amount] of amountsOf(spec?.resources?.[field])) total.set(name, amount)
  const overhead = amountsOf(spec?.overhead)
  for (const [name, amount] of overhead)
    if (field === 'requests' || total.has(name)) total.set(name, (total.get(name) ?? 0n) + amount)
  return total
}
