import type { Kube, ResourceType } from '#kube'

export interface DiscoveredResource extends ResourceType {
  readonly verbs: readonly string[]
}

/**
 * Everything the API server serves, each resource once per group in the first version that has it (the preferred one
 * leads). Groups that cannot be asked are left out and named in `failed`.
 */
export async function discover(kube: Kube): Promise<{ resources: DiscoveredResource[]; failed: string[] }> {
  const groups = await kube.request('GET', '/apis')
  const versions: { group: string; version: string; path: string }[] = [{ group: '', version: 'v1', path: '/api/v1' }]
  for (const { name, versions: served, preferredVersion } of groups.groups ?? []) {
    const ordered = [preferredVersion?.version, ...served.map(({ version }: any) => version)]
    for (const version of new Set(ordered.filter(Boolean) as string[]))
      versions.push({ group: name, version, path: `/apis/${name}/${version}` })
  }
  const failed: string[] = []
  const lists = await Promise.all(
    versions.map(async (each) => {
      try {
        return { ...each, list: await kube.request('GET', each.path) }
      } catch {
        failed.push(each.path)
        return { ...each, list: { resources: [] } }
      }
    }),
  )
  const resources = new Map<string, DiscoveredResource>()
  for (const { group, version, list } of lists) {
    for (const { name, kind, namespaced, verbs } of list.resources ?? []) {
      const key = `${group}/${name}`
      if (name.includes('/') || resources.has(key)) continue
      resources.set(key, { group, version, kind, plural: name, namespaced, verbs: verbs ?? [] })
    }
  }
  return { resources: [...resources.values()], failed }
}
