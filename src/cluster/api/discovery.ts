import { createHash } from 'node:crypto'
import type { ResourceInfo } from '../machinery/index.ts'
import type { AggregatedVersion } from './aggregation/index.ts'
import { metricsResources } from './metrics-resources.ts'
import { pretty } from './negotiate.ts'
import { compareVersions } from './registry.ts'
import type { Api, ApiRequest, ApiResponse } from './request.ts'

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

type Gvk = Pick<ResourceInfo, 'group' | 'version' | 'kind'>

interface Group {
  name: string
  versions: string[]
}

/** Order in which groups are listed: a short name that two groups share belongs to the earlier one. */
const groupOrder = [
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
]

function all(api: Api): ResourceInfo[] {
  return [...api.registry.all(), ...metricsResources]
}

/** The priority of groups that CustomResourceDefinitions make, as the real server registers them. */
const customPriority = 1000

function groupsOf(api: Api): Group[] {
  const groups = new Map<string, Set<string>>()
  const given = givenAway(api)
  for (const { group, version } of [...all(api), ...given]) {
    if (group === '') continue
    if (!groups.has(group)) groups.set(group, new Set())
    groups.get(group)!.add(version)
  }
  const rank = (name: string) => {
    const index = groupOrder.indexOf(name)
    return index < 0 ? groupOrder.length : index
  }
  const priority = (name: string) =>
    Math.max(...given.map(({ group, groupPriority }) => (group === name ? groupPriority : 0)), 0) || customPriority
  const versionPriority = (name: string, version: string) =>
    given.find((one) => one.group === name && one.version === version)?.versionPriority ?? 0
  return [...groups]
    .map(([name, versions]) => ({
      name,
      versions: [...versions].sort(
        (a, b) => versionPriority(name, b) - versionPriority(name, a) || compareVersions(a, b),
      ),
    }))
    .sort((a, b) => rank(a.name) - rank(b.name) || priority(b.name) - priority(a.name) || (a.name < b.name ? -1 : 1))
}

function givenAway(api: Api): readonly AggregatedVersion[] {
  return api.aggregation.current?.versions() ?? []
}

function resourcesOf(api: Api, group: string, version: string): ResourceInfo[] {
  return all(api).filter((info) => info.group === group && info.version === version)
}

const subresourceVerbs = ['get', 'patch', 'update']

/** Subresources that are served, of those that Kubernetes knows here. */
const served = new Set([
  'approval',
  'attach',
  'binding',
  'ephemeralcontainers',
  'eviction',
  'exec',
  'finalize',
  'log',
  'portforward',
  'proxy',
  'resize',
  'token',
])

function subresourcesOf(info: ResourceInfo) {
  const { group, version, kind } = info
  const list: { subresource: string; responseKind: Gvk; verbs: string[] }[] = []
  if (info.subresources.status) {
    list.push({ subresource: 'status', responseKind: { group, version, kind }, verbs: subresourceVerbs })
  }
  if (info.subresources.scale) {
    list.push({
      subresource: 'scale',
      responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
      verbs: subresourceVerbs,
    })
  }
  for (const [subresource, { verbs, ...responseKind }] of Object.entries(info.otherSubresources ?? {})) {
    if (served.has(subresource)) list.push({ subresource, responseKind, verbs })
  }
  return info.custom ? list : list.sort((a, b) => (a.subresource < b.subresource ? -1 : 1))
}

/** A kind beside others of its own version, which says no more than the kind. */
function kindWithin(info: ResourceInfo, { group, version, kind }: Gvk): Gvk {
  return group === info.group && version === info.version ? { group: '', version: '', kind } : { group, version, kind }
}

function discoveryOf(info: ResourceInfo) {
  const subresources = subresourcesOf(info).map((one) => ({
    ...one,
    responseKind: info.custom ? one.responseKind : kindWithin(info, one.responseKind),
  }))
  return {
    resource: info.plural,
    responseKind: info.custom ? { group: info.group, version: info.version, kind: info.kind } : kindWithin(info, info),
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: info.verbs,
    ...(info.shortNames.length > 0 && { shortNames: info.shortNames }),
    ...(info.categories.length > 0 && { categories: info.categories }),
    ...(subresources.length > 0 && { subresources }),
  }
}

function classicOf(info: ResourceInfo) {
  const row = {
    name: info.plural,
    singularName: info.singular,
    namespaced: info.namespaced,
    kind: info.kind,
    verbs: info.verbs,
    ...(info.shortNames.length > 0 && { shortNames: info.shortNames }),
    ...(info.categories.length > 0 && { categories: info.categories }),
    storageVersionHash: createHash('sha256').update(`${info.group}/${info.plural}`).digest('base64').slice(0, 11) + '=',
  }
  const subresources = subresourcesOf(info).map(({ subresource, responseKind, verbs }) => {
    const { group, version, kind } = responseKind
    const foreign = group !== info.group || version !== info.version
    return {
      name: `${info.plural}/${subresource}`,
      singularName: '',
      namespaced: info.namespaced,
      ...(foreign && { group, version }),
      kind,
      verbs,
    }
  })
  return [row, ...subresources]
}

function groupDocument({ name, versions }: Group) {
  const list = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }))
  return { name, versions: list, preferredVersion: list[0] }
}

function aggregate(api: Api, groups: readonly Group[]) {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map((version) => {
        const given = givenAway(api).find((one) => one.group === name && one.version === version)
        if (given) return { version, resources: given.resources, freshness: given.freshness }
        return { version, resources: resourcesOf(api, name, version).map(discoveryOf), freshness: 'Current' }
      }),
    })),
  }
}

const cached = new WeakMap<Api, { generation: number; documents: Map<string, { body: Buffer; etag: string }> }>()

function document(api: Api, key: string, make: () => unknown): { body: Buffer; etag: string } {
  let cache = cached.get(api)
  // Both only grow, so that their sum is another one whenever either is.
  const generation = api.registry.generation + (api.aggregation.current?.generation ?? 0)
  if (!cache || cache.generation !== generation) {
    cache = { generation, documents: new Map() }
    cached.set(api, cache)
  }
  let found = cache.documents.get(key)
  if (!found) {
    const body = Buffer.from(JSON.stringify(make()))
    found = { body, etag: `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"` }
    cache.documents.set(key, found)
  }
  return found
}

/** `/api`, `/apis` and what lies directly below; undefined for other paths and for groups that are not served. */
export function discovery(api: Api, request: ApiRequest): ApiResponse | undefined {
  const parts = request.path.split('/').filter(Boolean)
  const [root, first, second] = parts
  if (root === 'api' && parts.length === 1)
    return top(api, request, [{ name: '', versions: ['v1'] }], coreVersions(request))
  if (root === 'apis' && parts.length === 1) {
    const groups = groupsOf(api)
    const list = { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupDocument) }
    return top(api, request, groups, list)
  }
  if (root === 'api' && parts.length === 2 && first === 'v1') return classic(api, request, '', 'v1')
  if (root === 'apis' && parts.length === 2) {
    const group = groupsOf(api).find(({ name }) => name === first)
    return group && json(request, { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(group) })
  }
  if (root === 'apis' && parts.length === 3 && resourcesOf(api, first, second).length > 0)
    return classic(api, request, first, second)
  return undefined
}

function coreVersions(request: ApiRequest) {
  const serverAddress = request.headers['host'] ?? request.headers[':authority'] ?? ''
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  }
}

function classic(api: Api, request: ApiRequest, group: string, version: string): ApiResponse {
  const groupVersion = group === '' ? version : `${group}/${version}`
  const { body } = document(api, groupVersion, () => ({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: resourcesOf(api, group, version).flatMap(classicOf),
  }))
  return pretty(request)
    ? json(request, JSON.parse(body.toString()))
    : { status: 200, headers: { 'content-type': 'application/json' }, body }
}

function top(api: Api, request: ApiRequest, groups: readonly Group[], unaggregated: unknown): ApiResponse {
  const accept = (request.headers['accept'] ?? '').replace(/\s/g, '')
  const wants = accept
    .split(',')
    .some(
      (one) =>
        one.startsWith('application/json;') && one.includes('as=APIGroupDiscoveryList') && /;v=v2(;|$)/.test(one),
    )
  if (!wants) return json(request, unaggregated)
  const { body, etag } = document(api, groups.length === 1 && groups[0].name === '' ? '/api' : '/apis', () =>
    aggregate(api, groups),
  )
  const headers = { vary: 'Accept', 'cache-control': 'public', etag }
  if (request.headers['if-none-match'] === etag) return { status: 304, headers, body: Buffer.alloc(0) }
  return { status: 200, headers: { ...headers, 'content-type': aggregated }, body }
}

function json(request: ApiRequest, value: unknown, headers: Record<string, string> = {}): ApiResponse {
  const text = JSON.stringify(value, null, pretty(request) ? 2 : undefined)
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body: Buffer.from(text) }
}
