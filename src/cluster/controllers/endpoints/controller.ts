import { EndpointSlice, Endpoints, matchesLabels, Node, type objects, Pod, Service } from '#kube'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { endpointsOf, managedBy, slicesOf } from './plan.ts'
import { TriggerTimes, triggeredAt } from './trigger.ts'
import { removeSurplus, write } from './write.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

/**
 * Publishes where a Service's pods are, as EndpointSlices and Endpoints. The router sends traffic by these, so a pod's
 * change is written in the pass that its event starts: nothing is batched or delayed.
 */
export function endpointsController(): Controller<any> {
  const zones = new Map<string, string | undefined>()
  const triggers = new TriggerTimes()

  /** Heartbeats change nodes all the time; only a node that moves to another zone moves endpoints. */
  function onNode(node: objects.Node, lister: Lister) {
    const name = node.metadata.name!
    const live = lister.get(Node, name)
    const zone = live?.metadata.labels?.[zoneLabel]
    const moved = zones.has(name) && zones.get(name) !== zone
    if (live) zones.set(name, zone)
    else zones.delete(name)
    if (!moved) return []
    return lister.list(Service).map(({ metadata }) => ({ name: metadata.name!, namespace: metadata.namespace }))
  }

  function forget({ metadata }: objects.Service, lister: Lister) {
    const live = lister.get(Service, metadata.name!, metadata.namespace)
    if (live?.metadata.uid !== metadata.uid) triggers.forget(metadata.uid!)
    return []
  }

  return controller(Service, {
    name: 'endpointslice-controller',
    owns: [EndpointSlice],
    writes: [Endpoints],
    watches: [
      { type: Node, map: onNode },
      { type: Pod, map: servicesOf },
      { type: Endpoints, map: ({ metadata: { name, namespace } }) => [{ name: name!, namespace }] },
      { type: Service, map: forget },
    ],
    concurrency: 8,
  }).step('endpoints', (axn: Axn<any>) => {
    const service = axn.object as objects.Service
    const selector = service.spec?.selector
    if (axn.deleting || !selector || Object.keys(selector).length === 0) return axn
    if (service.spec?.type === 'ExternalName') return axn
    const { name, namespace, uid } = service.metadata
    const pods = axn.lister.list(Pod, { namespace, labels: selector })
    const since = triggers.look(service, pods)
    const zoneOf = (node: string) => axn.lister.get(Node, node)?.metadata.labels?.[zoneLabel]
    const wanted = slicesOf(service, pods, zoneOf)
    const existing = axn.lister
      .owned(EndpointSlice, uid!)
      .filter((slice) => slice.metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === managedBy)

    for (const slice of wanted) {
      const before = existing.find((other) => other.metadata.name === slice.metadata.name)
      axn = write(axn, Service, EndpointSlice, triggeredAt(slice, since), before, ['endpoints', 'ports'])
    }
    axn = removeSurplus(axn, existing, wanted)
    const endpoints = triggeredAt(endpointsOf(service, pods), since)
    // They go with their Service because they have its name: see `removeEndpoints` of the API server.
    return write(axn, undefined, Endpoints, endpoints, axn.lister.get(Endpoints, name!, namespace), ['subsets'])
  })
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
