import type { Attributes } from '../admission/plugin.ts'
import type { ResourceRequest } from '../request.ts'
import { forbidden } from '../status.ts'
import { type Amounts, amountOf, amountsOf, podAmounts, quantityOf } from './amounts.ts'

/** LimitRanger (plugin/pkg/admission/limitranger): gives containers what they do not say, and refuses what is out of range. */
export function completePod(rr: ResourceRequest, { object }: Attributes): void {
  const spec = object.spec
  if (typeof spec !== 'object' || spec === null) return
  const items = itemsOf(rr, 'Container')
  if (items.length === 0) return
  const notes: string[] = []
  for (const [list, label] of [
    ['initContainers', 'init container'],
    ['containers', 'container'],
  ]) {
    for (const container of Array.isArray(spec[list]) ? spec[list] : []) {
      if (typeof container !== 'object' || container === null) continue
      notes.push(...completeContainer(container, items, label))
    }
  }
  if (notes.length === 0) return
  object.metadata.annotations = {
    ...object.metadata.annotations,
    'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${notes.join('; ')}`,
  }
}

function completeContainer(container: any, items: readonly any[], label: string): string[] {
  const resources = { ...container.resources }
  const given = { requests: { ...resources.requests }, limits: { ...resources.limits } }
  // What has a limit requests it, before any default is looked at.
  const requests = { ...given.limits, ...given.requests }
  const limits = { ...given.limits }
  for (const item of items) {
    for (const [name, quantity] of Object.entries(item.default ?? {})) limits[name] ??= quantity
    for (const [name, quantity] of Object.entries(item.defaultRequest ?? {})) requests[name] ??= quantity
  }
  const set = (field: 'requests' | 'limits', all: object) => {
    const names = Object.keys(all).filter(
      (name) => given[field][name] === undefined && !(field === 'requests' && given.limits[name]),
    )
    return names.length === 0 ? [] : [`${names.sort().join(', ')} ${field.slice(0, -1)} for ${label} ${container.name}`]
  }
  const notes = [...set('requests', requests), ...set('limits', limits)]
  if (notes.length > 0) container.resources = { ...resources, requests, limits }
  return notes
}

/** Refuses a pod or claim that is out of a LimitRange, with every reason. Throws 403. */
export function checkLimits(rr: ResourceRequest, { object }: Attributes): void {
  const problems: string[] = []
  if (rr.resource === 'core/persistentvolumeclaims') {
    for (const item of itemsOf(rr, 'PersistentVolumeClaim')) {
      const requests = amountsOf(object.spec?.resources?.requests)
      for (const [name, least] of Object.entries<string>(item.min ?? {}))
        problems.push(...minimum(item.type, name, least, requests, new Map()))
      for (const [name, most] of Object.entries<string>(item.max ?? {})) {
        const request = requests.get(name)
        const text = `maximum ${name} usage per ${item.type} is ${most}`
        if (request === undefined) problems.push(`${text}.  No request is specified`)
        else if (request > amountOf(most)!) problems.push(`${text}, but request is ${inWords(request, most)}`)
      }
    }
  } else {
    for (const item of itemsOf(rr, 'Container'))
      for (const container of [...(object.spec?.initContainers ?? []), ...(object.spec?.containers ?? [])]) {
        const { requests, limits } = container.resources ?? {}
        problems.push(...outside(item, amountsOf(requests), amountsOf(limits)))
      }
    for (const item of itemsOf(rr, 'Pod'))
      problems.push(...outside(item, podAmounts(object.spec, 'requests'), podAmounts(object.spec, 'limits')))
  }
  const found = [...new Set(problems)]
  if (found.length === 0) return
  throw forbidden(rr.info, object.metadata.name ?? '', found.length === 1 ? found[0] : `[${found.join(', ')}]`)
}

function itemsOf(rr: ResourceRequest, type: string): any[] {
  return rr.api.store
    .peekAll('core/limitranges', rr.namespace)
    .flatMap((stored) => stored.object.spec?.limits ?? [])
    .filter((item: any) => item?.type === type)
}

function outside(item: any, requests: Amounts, limits: Amounts): string[] {
  const problems: string[] = []
  for (const [name, least] of Object.entries<string>(item.min ?? {}))
    problems.push(...minimum(item.type, name, least, requests, limits))
  for (const [name, most] of Object.entries<string>(item.max ?? {}))
    problems.push(...maximum(item.type, name, most, requests, limits))
  for (const [name, ratio] of Object.entries<string>(item.maxLimitRequestRatio ?? {})) {
    const text = `${name} max limit to request ratio per ${item.type} is ${ratio}, but`
    const request = requests.get(name) ?? 0n
    const limit = limits.get(name) ?? 0n
    if (request === 0n) problems.push(`${text} no request is specified or request is 0`)
    else if (limit === 0n) problems.push(`${text} no limit is specified or limit is 0`)
    else if (limit * 10n ** 9n > amountOf(ratio)! * request)
      problems.push(`${text} provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`)
  }
  return problems
}

function minimum(type: string, name: string, least: string, requests: Amounts, limits: Amounts): string[] {
  const text = `minimum ${name} usage per ${type} is ${least}`
  const bound = amountOf(least)!
  const request = requests.get(name)
  const limit = limits.get(name)
  if (request === undefined) return [`${text}.  No request is specified`]
  if (request < bound) return [`${text}, but request is ${inWords(request, least)}`]
  if (limit !== undefined && limit < bound) return [`${text}, but limit is ${inWords(limit, least)}`]
  return []
}

function maximum(type: string, name: string, most: string, requests: Amounts, limits: Amounts): string[] {
  const text = `maximum ${name} usage per ${type} is ${most}`
  const bound = amountOf(most)!
  const request = requests.get(name)
  const limit = limits.get(name)
  if (limit === undefined) return [`${text}.  No limit is specified`]
  if (limit > bound) return [`${text}, but limit is ${inWords(limit, most)}`]
  if (request !== undefined && request > bound) return [`${text}, but request is ${inWords(request, most)}`]
  return []
}

/** An amount in the manner of the quantity that it is compared with. */
function inWords(amount: bigint, like: string): string {
  return quantityOf(amount, like.endsWith('i'))
}
