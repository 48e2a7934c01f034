import { rfc3339 } from '#lib'

const pattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** metav1.Time: RFC 3339 in, UTC with whole seconds out; undefined when it does not parse. */
export function canonicalTime(value: string): string | undefined {
  if (!pattern.test(value)) return undefined
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? undefined : rfc3339(Math.floor(ms / 1000) * 1000)
}

/** metav1.MicroTime: exactly six fractional digits (Go's parse layout), in UTC; undefined when it does not parse. */
export function canonicalMicroTime(value: string): string | undefined {
  const match = pattern.exec(value)
  if (match?.[1]?.length !== 7) return undefined
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? undefined : rfc3339(Math.floor(ms / 1000) * 1000).replace('Z', `${match[1]}Z`)
}
