import type { KubeObject } from '#kube'
import { qosClass } from '../../machinery/index.ts'
import type { Store } from '../../store/index.ts'
import { type Amounts, add, amountsOf, podAmounts } from './amounts.ts'

const one = 10n ** 9n

/** Resources that quotas count under their bare names; everything has `count/` too. */
const plain: Record<string, string> = {
  'core/pods': 'pods',
  'core/services': 'services',
  'core/secrets': 'secrets',
  'core/configmaps': 'configmaps',
  'core/persistentvolumeclaims': 'persistentvolumeclaims',
  'core/replicationcontrollers': 'replicationcontrollers',
  'core/resourcequotas': 'resourcequotas',
}
const stored: Record<string, string> = Object.fromEntries(Object.entries(plain).map(([key, name]) => [name, key]))

/** Which of a quota's resources an object uses how much of (pkg/quota/v1/evaluator/core). */
export function usageOf(resource: string, object: KubeObject): Amounts {
  const usage: Amounts = new Map()
  const [group, plural] = resource.split('/')
  usage.set(group === 'core' ? `count/${plural}` : `count/${plural}.${group}`, one)
  const spec = object['spec'] ?? {}
  const name = plain[resource]
  if (resource === 'core/pods') {
    // What has ended uses nothing any more, but is still there to count.
    if (ended(object)) return usage
    const requests = podAmounts(spec, 'requests')
    for (const [key, amount] of requests) {
      usage.set(`requests.${key}`, amount)
      if (key === 'cpu' || key === 'memory' || key === 'ephemeral-storage' || key.startsWith('hugepages-'))
        usage.set(key, amount)
    }
    for (const [key, amount] of podAmounts(spec, 'limits')) usage.set(`limits.${key}`, amount)
  } else if (resource === 'core/persistentvolumeclaims') {
    const storage = amountsOf(spec.resources?.requests).get('storage') ?? 0n
    usage.set('requests.storage', storage)
    if (spec.storageClassName) {
      const prefix = `${spec.storageClassName}.storageclass.storage.k8s.io`
      usage.set(`${prefix}/requests.storage`, storage)
      usage.set(`${prefix}/persistentvolumeclaims`, one)
    }
  } else if (resource === 'core/services') {
    const ports = BigInt(Array.isArray(spec.ports) ? spec.ports.length : 0) * one
    if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') usage.set('services.nodeports', ports)
    if (spec.type === 'LoadBalancer') usage.set('services.loadbalancers', one)
  }
  if (name !== undefined) usage.set(name, one)
  return usage
}

function ended({ status }: KubeObject): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

/** Whether a quota's scopes let it see an object: only pods have any. */
export function inScope(quota: KubeObject, resource: string, object: KubeObject): boolean {
  const { scopes = [], scopeSelector } = quota['spec'] ?? {}
  const expressions: any[] = [
    ...scopes.map((scopeName: string) => ({ scopeName, operator: 'Exists' })),
    ...(scopeSelector?.matchExpressions ?? []),
  ]
  if (expressions.length === 0) return true
  return resource === 'core/pods' && expressions.every((expression) => scopeMatches(expression, object['spec'] ?? {}))
}

function scopeMatches({ scopeName, operator, values = [] }: any, spec: any): boolean {
  switch (scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds >= 0
    case 'NotTerminating':
      return !(spec.activeDeadlineSeconds >= 0)
    case 'BestEffort':
      return qosClass(spec) === 'BestEffort'
    case 'NotBestEffort':
      return qosClass(spec) !== 'BestEffort'
    case 'CrossNamespacePodAffinity':
      return false
    case 'PriorityClass': {
      const name: string = spec.priorityClassName ?? ''
      if (operator === 'Exists') return name !== ''
      if (operator === 'DoesNotExist') return name === ''
      return operator === 'In' ? values.includes(name) : !values.includes(name)
    }
    default:
      return false
  }
}

/** The store's names of the resources whose objects a name in `hard` speaks of. */
export function countedResources(name: string): string[] {
  if (name.startsWith('count/')) {
    const [plural, ...group] = name.slice('count/'.length).split('.')
    return [`${group.length === 0 ? 'core' : group.join('.')}/${plural}`]
  }
  if (stored[name]) return [stored[name]]
  if (name.startsWith('services.')) return ['core/services']
  if (name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/'))
    return ['core/persistentvolumeclaims']
  return ['core/pods']
}

/** What a namespace uses of everything that a quota is hard about; writes of this very turn included. */
export function namespaceUsage(store: Store, quota: KubeObject): Amounts {
  const names = Object.keys(quota['spec']?.hard ?? {})
  const total: Amounts = new Map(names.map((name) => [name, 0n]))
  for (const resource of new Set(names.flatMap(countedResources))) {
    for (const { object } of store.peekAll(resource, quota.metadata.namespace!)) {
      if (!inScope(quota, resource, object)) continue
      const usage = usageOf(resource, object)
      for (const name of usage.keys()) if (!total.has(name)) usage.delete(name)
      add(total, usage)
    }
  }
  return total
}
