import type { KubeObject } from '#kube'
import type { Attributes } from '../admission/plugin.ts'
import type { ResourceRequest } from '../request.ts'
import { forbidden } from '../status.ts'
import { type Amounts, amountOf, quantityOf } from './amounts.ts'
import { countedResources, inScope, namespaceUsage, usageOf } from './usage.ts'

/** What a pod must say of itself where a quota counts it. */
const demanded = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']

/** ResourceQuota (plugin/pkg/admission/resourcequota): refuses what the namespace has no room for, of a changed object what is more. Throws 403. */
export function checkQuota(rr: ResourceRequest, { object, old }: Attributes): void {
  for (const { object: quota } of rr.api.store.peekAll('core/resourcequotas', rr.namespace)) {
    const hard: Record<string, string> = quota['spec']?.hard ?? {}
    const named = Object.keys(hard).filter((name) => countedResources(name).includes(rr.resource))
    if (named.length === 0 || !inScope(quota, rr.resource, object)) continue
    const refuse = (why: string) => forbidden(rr.info, object.metadata.name ?? '', why)
    if (rr.resource === 'core/pods') {
      const missing = unsaid(object, named)
      if (missing.length > 0) throw refuse(`failed quota: ${quota.metadata.name}: must specify ${missing.join('; ')}`)
    }
    const asked = old ? increase(usageOf(rr.resource, object), usageOf(rr.resource, old)) : usageOf(rr.resource, object)
    const relevant = named.filter((name) => (asked.get(name) ?? 0n) > 0n)
    if (relevant.length === 0) continue
    const used = namespaceUsage(rr.api.store, quota)
    const exceeded = relevant.filter((name) => used.get(name)! + asked.get(name)! > (amountOf(hard[name]) ?? 0n)).sort()
    if (exceeded.length === 0) continue
    const list = (of: (name: string) => string) => exceeded.map((name) => `${name}=${of(name)}`).join(',')
    const shown = (amounts: Amounts) => list((name) => quantityOf(amounts.get(name)!, isBytes(name)))
    throw refuse(
      `exceeded quota: ${quota.metadata.name}, requested: ${shown(asked)}, used: ${shown(used)}, limited: ${list((name) => hard[name])}`,
    )
  }
}

function increase(now: Amounts, before: Amounts): Amounts {
  const more = new Map<string, bigint>()
  for (const [name, amount] of now) {
    const by = amount - (before.get(name) ?? 0n)
    if (by > 0n) more.set(name, by)
  }
  return more
}

/** Resources that are bytes are written with binary suffixes. */
export function isBytes(name: string): boolean {
  return /memory$|storage$|hugepages-/.test(name)
}

/** `limits.cpu for: a,b`, for each resource that a quota counts and containers do not name. */
function unsaid({ spec }: KubeObject, named: readonly string[]): string[] {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
  return demanded
    .filter((name) => named.includes(name))
    .sort()
    .flatMap((name) => {
      const field = name.startsWith('limits.') ? 'limits' : 'requests'
      const key = name.replace(/^(limits|requests)\./, '')
      if (spec?.resources?.[field]?.[key] !== undefined) return []
      const silent = containers.filter((container) => container.resources?.[field]?.[key] === undefined)
      return silent.length === 0 ? [] : [`${name} for: ${silent.map((one) => one.name).join(',')}`]
    })
}
