import { isObject } from '#lib'
import type { Step } from './client.ts'

/**
 * What no two servers have in common, replaced by what it stands for: uids in order of appearance, times, revisions, random
 * suffixes, addresses, tokens. Everything else must be equal.
 */
export function normalise(steps: readonly Step[]): Step[] {
  const uids = new Map<string, string>()
  const text = (value: string) =>
    value
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (uid) => {
        if (!uids.has(uid)) uids.set(uid, `<uid ${uids.size + 1}>`)
        return uids.get(uid)!
      })
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (_, fraction?: string) => (fraction ? '<µtime>' : '<time>'))
      .replace(/-[bcdfghjklmnpqrstvwxz2456789]{5}(?![\w-])/g, '-<random>')
      .replace(/\b(10\.96|127\.(4[89]|5[0-5]))\.\d+\.\d+\b/g, '<cluster ip>')
      .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<jwt>')
      .replace(/\bX509SHA256=[0-9a-f]+/g, 'X509SHA256=<hash>')
      .replace(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g, '<certificate>')
      .replace(/([?&]resourceVersion=|\\?"resourceVersion\\?":\\?")\d{2,}/g, '$1<rv>')
      .replace(/([?&]hash=)[0-9A-F]+/g, '$1<hash>')
      .replace(/([?&]continue=)[\w-]{40,}/g, '$1<continue>')
      .replace(/(too old resource version: \d+) \(\d+\)/i, '$1 (<rv>)')
      .replace(/(Too large resource version: \d+, current: )\d+/, '$1<rv>')
  const walk = (value: unknown, key?: string): unknown => {
    if (typeof value === 'string') {
      if (value === '') return key === 'continue' ? undefined : value
      if (key === 'resourceVersion') return /^\d+$/.test(value) ? '<rv>' : value
      if (key === 'continue') return '<continue>'
      if (key === 'pod-template-hash' || key === 'storageVersionHash') return `<${key}>`
      return text(value)
    }
    if (Array.isArray(value) && key === 'cells') {
      return value.map((one) => (typeof one !== 'string' ? one : /^\d+s$/.test(one) ? '<age>' : text(one)))
    }
    if (Array.isArray(value)) return value.map((one) => walk(one))
    if (!isObject(value)) return value
    const out = Object.fromEntries(Object.keys(value).map((name) => [text(name), walk(value[name], name)]))
    if (Array.isArray(out['managedFields'])) out['managedFields'] = byManager(out['managedFields'])
    return out['kind'] === 'Status' ? inOrder(out) : out
  }
  return steps.map(({ asked, said }) => {
    const { headers, ...rest } = walk(said) as Step['said']
    const warning = typeof headers['warning'] === 'string' ? headers['warning'].split(/, (?=299 )/).sort() : undefined
    return { asked: text(asked), said: { ...rest, headers: { ...headers, ...(warning && { warning }) } } }
  })
}

/** Owners come in the order of their times, which fall into the same second or do not. */
function byManager(entries: any[]): any[] {
  const key = ({ operation, manager, apiVersion, subresource }: any) =>
    [operation, manager, apiVersion, subresource ?? ''].join('\n')
  return [...entries].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Several problems are told in the order in which Go walks a map: any. */
function inOrder(status: any): unknown {
  const causes = status.details?.causes
  if (!Array.isArray(causes) || causes.length < 2) return status
  const message = String(status.message).replace(
    /(is invalid: \[|conflicts? with[^:]*:\n|conflicts?:).*$/s,
    '$1 <causes>',
  )
  const sorted = [...causes].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return { ...status, message, details: { ...status.details, causes: sorted } }
}
