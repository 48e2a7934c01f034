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
      .replace(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g, '<certificate>')
      .replace(/([?&]resourceVersion=|\\?"resourceVersion\\?":\\?")\d{2,}/g, '$1<rv>')
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
    if (Array.isArray(value)) return value.map((one) => walk(one))
    if (!isObject(value)) return value
    return Object.fromEntries(Object.keys(value).map((name) => [text(name), walk(value[name], name)]))
  }
  return steps.map(({ asked, said }) => ({ asked: text(asked), said: walk(said) as Step['said'] }))
}
