import type { KubeObject } from '#kube'
import { equal } from '#lib'
import { authorizePath, authorizeResource } from '../authorization.ts'
import { metricsGroup } from '../metrics-resources.ts'
import type { Api, ApiRequest, ApiResponse } from '../request.ts'
import { namespaceSubresources, segments, verbOf } from '../route.ts'
import { Delegate } from './delegate.ts'
import { aggregatedResources } from './discovered.ts'
import { apiServiceResource } from './target.ts'

export interface AggregatedVersion {
  group: string
  version: string
  groupPriority: number
  versionPriority: number
  /** As aggregated discovery writes them. */
  resources: object[]
  freshness: 'Current' | 'Stale'
}

/** The API groups that APIServices give to servers of others (kube-aggregator). */
export interface Aggregation {
  /** Grows whenever discovery has to say something else. */
  readonly generation: number
  versions(): readonly AggregatedVersion[]
  /** The answer to a request for such a group; undefined for all others. Rejects with 403. */
  answer(request: ApiRequest): Promise<ApiResponse | undefined>
  close(): void
}

/** Loads aggregation with the first APIService that names a Service. Returns the way out. */
export function followApiServices(api: Api): () => void {
  const wanted = (object: KubeObject) => object['spec']?.service !== undefined
  const stop = api.store.subscribe(apiServiceResource, ({ type, after }) => {
    if (type !== 'DELETED' && wanted(after.object)) void api.aggregation.load()
  })
  if (api.store.list(apiServiceResource).some(({ object }) => wanted(object))) void api.aggregation.load()
  return () => {
    stop()
    api.aggregation.current?.close()
  }
}

export function startAggregation(api: Api): Aggregation {
  const delegates = new Map<string, { delegate: Delegate; spec: unknown }>()
  let generation = 1
  const changed = () => void generation++

  function follow(object: KubeObject): void {
    const name = object.metadata.name!
    const known = delegates.get(name)
    if (known && equal(known.spec, object['spec'])) return
    known?.delegate.close()
    delegates.delete(name)
    changed()
    const { group, version, service } = object['spec'] ?? {}
    if (!service || ours(api, group, version)) return
    delegates.set(name, { delegate: new Delegate(api, object, changed), spec: object['spec'] })
  }

  function forget(name: string): void {
    delegates.get(name)?.delegate.close()
    if (delegates.delete(name)) changed()
  }

  const poke = () => {
    for (const { delegate } of delegates.values()) delegate.poke()
  }
  const stops = [
    api.store.subscribe(apiServiceResource, ({ type, after }) =>
      type === 'DELETED' ? forget(after.object.metadata.name!) : follow(after.object),
    ),
    ...['core/services', 'discovery.k8s.io/endpointslices'].map((resource) =>
      api.store.subscribe(resource, ({ after }) => {
        const { metadata } = after.object
        const service = metadata.labels?.['kubernetes.io/service-name'] ?? metadata.name
        const concerned = ({ spec }: { spec: any }) =>
          spec.service.namespace === metadata.namespace && spec.service.name === service
        if ([...delegates.values()].some(concerned as never)) poke()
      }),
    ),
  ]
  for (const { object } of api.store.list(apiServiceResource)) follow(object)

  return {
    get generation() {
      return generation
    },
    versions: () =>
      [...delegates.values()].map(({ delegate }) => ({
        group: delegate.group,
        version: delegate.version,
        groupPriority: delegate.groupPriority,
        versionPriority: delegate.versionPriority,
        resources: aggregatedResources(delegate.resources),
        freshness: delegate.fresh ? 'Current' : 'Stale',
      })),
    async answer(request) {
      const match = /^\/apis\/([^/]+)\/([^/]+)(\/.*)?$/.exec(request.path)
      const found = match && delegates.get(`${match[2]}.${match[1]}`)
      if (!found) return undefined
      await authorize(api, request)
      return found.delegate.forward(request)
    },
    close() {
      for (const stop of stops) stop()
      for (const { delegate } of delegates.values()) delegate.close()
      delegates.clear()
    },
  }
}

/** What is compiled in cannot be given away; what only stands in for metrics-server can. */
function ours(api: Api, group: string, version: string): boolean {
  if (group === metricsGroup) return false
  return api.registry.all().some((info) => !info.custom && info.group === group && info.version === version)
}

/** The same question as for a resource of ours, asked before the request goes on (apiserver's RequestInfo). */
async function authorize(api: Api, request: ApiRequest): Promise<void> {
  const [, group, , ...parts] = segments(request.path)
  if (parts.length === 0) return authorizePath(api, request.user, request.method.toLowerCase(), request.path)
  const watched = parts[0] === 'watch'
  let rest = watched ? parts.slice(1) : parts
  let namespace: string | undefined
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1]
    if (rest.length > 2 && !namespaceSubresources.has(rest[2])) rest = rest.slice(2)
  }
  const [plural = '', name, subresource] = rest
  const verb = verbOf(request, { name, subresource }, watched) ?? request.method.toLowerCase()
  await authorizeResource(api, request.user, verb, { group, plural, name, namespace, subresource })
}
