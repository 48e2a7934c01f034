const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/
const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const limit = 2n ** 63n - 1n

/** The text Kubernetes gives for a quantity that does not parse. */
export const quantityError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

/**
 * A quantity in canonical form, as the API server stores it: `0.5` → `500m`, `1024Mi` → `1Gi`, `1` (a number) → `"1"`.
 * Undefined when it is none. Source: k8s.io/apimachinery/pkg/api/resource.
 */
export function canonicalQuantity(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || text.length > 64) return undefined
  const match = pattern.exec(text)
  if (!match) return undefined
  const [, sign, whole, fraction = '', exponent, suffix = ''] = match
  if (whole === '' && fraction === '') return undefined
  const digits = BigInt(whole + fraction || '0')
  if (digits === 0n) return '0'
  const minus = sign === '-' ? '-' : ''
  if (suffix.endsWith('i')) {
    const scaled = digits * 1024n ** BigInt(binary.indexOf(suffix))
    const divisor = 10n ** BigInt(fraction.length)
    if (scaled % divisor !== 0n) return minus + decimalText(scaled * 10n ** 9n, divisor)
    const bytes = cap(scaled / divisor)
    if (bytes < 1024n) return minus + bytes
    let unit = 0
    let rest = bytes
    while (unit < 6 && rest % 1024n === 0n) {
      rest /= 1024n
      unit++
    }
    return `${minus}${rest}${binary[unit]}`
  }
  const power = exponent === undefined ? 3 * (decimal.indexOf(suffix) - 3) : Number(exponent)
  const scale = power - fraction.length + 9
  const nanos =
    scale >= 0 ? digits * 10n ** BigInt(scale) : (digits + 10n ** BigInt(-scale) - 1n) / 10n ** BigInt(-scale)
  return minus + (exponent === undefined ? decimalText(nanos, 1n) : exponentText(nanos))
}

function cap(value: bigint): bigint {
  return value > limit ? limit : value
}

// Nanos over a divisor, rounded up to a whole nano, with the largest suffix that leaves an integer.
function decimalText(nanos: bigint, divisor: bigint): string {
  let rest = (nanos + divisor - 1n) / divisor
  let unit = 0
  while (unit < 9 && rest % 1000n === 0n && rest !== 0n) {
    rest /= 1000n
    unit++
  }
  return `${rest}${decimal[unit]}`
}

function exponentText(nanos: bigint): string {
  let rest = nanos
  let power = -9
  while (rest % 1000n === 0n && rest !== 0n) {
    rest /= 1000n
    power += 3
  }
  return power === 0 ? String(rest) : `${rest}e${power}`
}
