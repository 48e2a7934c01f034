/** One entry of a classic APIResourceList. */
export interface ListedResource {
  name: string
  singularName?: string
  namespaced?: boolean
  group?: string
  version?: string
  kind?: string
  verbs?: string[]
  shortNames?: string[]
  categories?: string[]
}

/**
 * The resources of a classic APIResourceList as aggregated discovery writes them; a subresource whose resource is not listed
 * (custom metrics have only such) gets an empty parent (apiserver's ConvertGroupVersionIntoToDiscovery).
 */
export function aggregatedResources(list: readonly ListedResource[]): object[] {
  const parents = new Map<string, { subresources?: object[] }>()
  const kindOf = ({ group = '', version = '', kind }: ListedResource) => (kind ? { group, version, kind } : {})
  const scope = ({ namespaced }: ListedResource) => (namespaced ? 'Namespaced' : 'Cluster')
  for (const one of list) {
    if (one.name.includes('/')) continue
    parents.set(one.name, {
      resource: one.name,
      responseKind: { group: '', version: '', ...kindOf(one) },
      scope: scope(one),
      singularResource: one.singularName ?? '',
      verbs: one.verbs ?? [],
      ...(one.shortNames?.length && { shortNames: one.shortNames }),
      ...(one.categories?.length && { categories: one.categories }),
    } as object)
  }
  for (const one of list) {
    const slash = one.name.indexOf('/')
    if (slash < 0) continue
    const name = one.name.slice(0, slash)
    let parent = parents.get(name)
    if (!parent) {
      const empty = { group: '', version: '', kind: '' }
      parent = { resource: name, responseKind: empty, scope: scope(one), singularResource: '', verbs: null } as object
      parents.set(name, parent!)
    }
    parent!.subresources ??= []
    parent!.subresources.push({
      subresource: one.name.slice(slash + 1),
      responseKind: { group: '', version: '', kind: '', ...kindOf(one) },
      verbs: one.verbs ?? [],
    })
  }
  return [...parents.values()]
}
