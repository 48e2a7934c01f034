import type { objects, ResourceType } from '#kube'
import type { Controller } from './types.ts'

const read = ['get', 'list', 'watch']
const write = ['create', 'delete', 'patch', 'update']

/**
 * The least that these controllers need, as rules of a ClusterRole or Role: it falls out of what each declares (its
 * kind, `owns`, `watches`, `reads`, `writes`, `rights`) and of what the framework itself does (status, finalizers,
 * Events).
 *
 * @param further what the rest of the program does, by API group and resource
 */
export function rbacFor(
  controllers: readonly Controller<any>[],
  further: readonly objects.PolicyRule[] = [],
): objects.PolicyRule[] {
  const verbs = new Map<string, Map<string, Set<string>>>()
  const allow = (group: string, resource: string, allowed: readonly string[]) => {
    const resources = verbs.get(group) ?? new Map<string, Set<string>>()
    verbs.set(group, resources)
    resources.set(resource, new Set([...(resources.get(resource) ?? []), ...allowed]))
  }
  const all = (types: readonly ResourceType<any>[] | undefined, allowed: readonly string[]) => {
    for (const { group, plural } of types ?? []) allow(group, plural, allowed)
  }
  const grant = (rights: readonly objects.PolicyRule[] = []) => {
    for (const { apiGroups = [], resources = [], verbs } of rights)
      for (const group of apiGroups) for (const resource of resources) allow(group, resource, verbs)
  }
  for (const { type, options } of controllers) {
    allow(type.group, type.plural, [...read, 'patch', 'update'])
    allow(type.group, `${type.plural}/status`, ['get', 'patch', 'update'])
    // asked for by ownerReferences with blockOwnerDeletion (OwnerReferencesPermissionEnforcement)
    allow(type.group, `${type.plural}/finalizers`, ['update'])
    all(options.owns, [...read, ...write])
    all(
      options.watches?.map((watch) => watch.type),
      read,
    )
    all(options.reads, read)
    all(options.writes, ['get', ...write])
    grant(options.rights)
  }
  // Rights to single objects stay what they are.
  const named = further.filter(({ resourceNames }) => resourceNames !== undefined)
  grant(further.filter((rule) => !named.includes(rule)))
  allow('', 'events', ['create', 'patch'])
  return [...rules(verbs), ...named]
}

/** What a Lease of its own asks for, in the operator's namespace. */
export const leaseRules: objects.PolicyRule[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create', 'get', 'update'] },
]

/** One rule per group and set of verbs, in a stable order. */
function rules(verbs: Map<string, Map<string, Set<string>>>): objects.PolicyRule[] {
  const merged: objects.PolicyRule[] = []
  for (const [group, resources] of [...verbs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const byVerbs = new Map<string, string[]>()
    for (const [resource, allowed] of [...resources].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const key = [...allowed].sort().join(' ')
      byVerbs.set(key, [...(byVerbs.get(key) ?? []), resource])
    }
    for (const [key, names] of byVerbs) merged.push({ apiGroups: [group], resources: names, verbs: key.split(' ') })
  }
  return merged
}
