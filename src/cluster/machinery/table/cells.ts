import { humanAge } from '#lib'

export type Cell = string | number | boolean | null | unknown[] | Record<string, any>

/** How long ago a time was, as kubectl prints it; `<unknown>` without one. */
export function age(time: string | undefined | null, now: number): string {
  const ms = time ? Date.parse(time) : Number.NaN
  return Number.isNaN(ms) ? '<unknown>' : humanAge(now - ms)
}

export const none = '<none>'

export function orNone(list: string[] | undefined): string {
  return list?.length ? list.join(',') : none
}

export function containerNames(spec: any): string {
  return (spec?.containers ?? []).map((container: any) => container.name).join(',')
}

export function images(spec: any): string {
  return (spec?.containers ?? []).map((container: any) => container.image ?? '').join(',')
}

/** A map as `a=b,c=d`, sorted. */
export function pairs(map: Record<string, string> | undefined): string {
  const keys = Object.keys(map ?? {}).sort()
  return keys.length === 0 ? none : keys.map((key) => `${key}=${map![key]}`).join(',')
}

/** A metav1.LabelSelector in the form of `-l`. */
export function selector(value: any): string {
  if (!value) return none
  const parts = Object.keys(value.matchLabels ?? {})
    .sort()
    .map((key) => `${key}=${value.matchLabels[key]}`)
  for (const { key, operator, values = [] } of value.matchExpressions ?? []) {
    if (operator === 'Exists') parts.push(key)
    else if (operator === 'DoesNotExist') parts.push(`!${key}`)
    else parts.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`)
  }
  return parts.length === 0 ? none : parts.join(',')
}

const accessModes: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

export function modes(list: string[] | undefined): string {
  return [...new Set((list ?? []).map((mode) => accessModes[mode] ?? mode))].join(',')
}

/** Three of a list, then how many more. */
export function some(list: string[], empty: string = none): string {
  if (list.length === 0) return empty
  return list.slice(0, 3).join(',') + (list.length > 3 ? ` + ${list.length - 3} more...` : '')
}
