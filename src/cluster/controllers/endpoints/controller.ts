import {
  EndpointSlice,
  Endpoints,
  isConflict,
  isNotFound,
  type KubeObject,
  matchesLabels,
  Node,
  type objects,
  Pod,
  type ResourceType,
  Service,
} from '#kube'
import { equal } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { controllerReference } from '../shared/index.ts'
import { endpointsOf, managedBy, slicesOf } from './plan.ts'

/**
 * Publishes where a Service's pods are, as EndpointSlices and Endpoints. The router sends traffic by these, so a pod's
 * change is written in the pass that its event starts: nothing is batched or delayed.
 */
export function endpointsController(): Controller<any> {
  return controller(Service, {
    name: 'endpointslice-controller',
    owns: [EndpointSlice],
    writes: [Endpoints],
    reads: [Node],
    watches: [
      { type: Pod, map: servicesOf },
      { type: Endpoints, map: ({ metadata: { name, namespace } }) => [{ name: name!, namespace }] },
    ],
    concurrency: 8,
  }).step('endpoints', (axn: Axn<any>) => {
    const service = axn.object as objects.Service
    const selector = service.spec?.selector
    if (axn.deleting || !selector || Object.keys(selector).length === 0) return axn
    if (service.spec?.type === 'ExternalName') return axn
    const { name, namespace, uid } = service.metadata
    const pods = axn.lister.list(Pod, { namespace, labels: selector })
    const zoneOf = (node: string) => axn.lister.get(Node, node)?.metadata.labels?.['topology.kubernetes.io/zone']
    const wanted = slicesOf(service, pods, zoneOf)
    const existing = axn.lister
      .owned(EndpointSlice, uid!)
      .filter((slice) => slice.metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === managedBy)

    for (const slice of wanted) {
      const before = existing.find((other) => other.metadata.name === slice.metadata.name)
      axn = write(axn, EndpointSlice, slice as any, before, ['endpoints', 'ports'])
    }
    const surplus = existing.filter(({ metadata }) => !wanted.some((slice) => slice.metadata.name === metadata.name))
    if (surplus.length > 0) {
      // After the writes: an address that moves to another slice must not be nowhere in between.
      axn = axn.run('delete surplus slices', async (kube) => {
        for (const { metadata } of surplus) {
          try {
            await kube.delete(EndpointSlice, metadata.name!, namespace, { preconditions: { uid: metadata.uid! } })
          } catch (error) {
            if (!isNotFound(error) && !isConflict(error)) throw error
          }
        }
      })
    }
    const endpoints = endpointsOf(service, pods)
    return write(axn, Endpoints, endpoints as any, axn.lister.get(Endpoints, name!, namespace), ['subsets'])
  })
}

/** Creates an object, or patches those of its `fields` and labels that differ; nothing when nothing does. */
function write(
  axn: Axn<any>,
  type: ResourceType<any>,
  object: KubeObject,
  before: KubeObject | undefined,
  fields: readonly string[],
): Axn<any> {
  const { name, namespace, labels } = object.metadata
  if (!before) {
    const ownerReferences = [controllerReference(Service, axn.object)]
    return axn.create(type, { ...object, metadata: { ...object.metadata, ownerReferences } }, { owned: false })
  }
  const patch: Record<string, any> = {}
  for (const field of fields) {
    if (!equal(object[field] ?? [], before[field] ?? [])) patch[field] = object[field] ?? null
  }
  if (!equal(labels, before.metadata.labels)) {
    const dropped = Object.keys(before.metadata.labels ?? {}).filter((key) => labels?.[key] === undefined)
    patch.metadata = { labels: { ...Object.fromEntries(dropped.map((key) => [key, null])), ...labels } }
  }
  if (Object.keys(patch).length === 0) return axn
  return axn.patch({ type, name: name!, namespace }, patch, { type: 'merge' })
}

/** The Services that select a pod. */
function servicesOf(pod: objects.Pod, lister: Lister): { name: string; namespace?: string }[] {
  const { namespace, labels } = pod.metadata
  const found: { name: string; namespace?: string }[] = []
  for (const service of lister.list(Service, { namespace })) {
    const selector = service.spec?.selector
    if (!selector || Object.keys(selector).length === 0 || !matchesLabels(selector, labels)) continue
    found.push({ name: service.metadata.name!, namespace })
  }
  return found
}
