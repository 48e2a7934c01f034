import { EndpointSlice, Endpoints, type objects, Service } from '#kube'
import { shortHash } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { endpointsManager, endpointsManagerLabel } from './plan.ts'
import { removeSurplus, write } from './write.ts'

const managedBy = 'endpointslicemirroring-controller.k8s.io'
const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
/** Of one subset; what is beyond is not mirrored. */
const maxPerSubset = 1000

/**
 * Shows Endpoints that somebody wrote for a Service without a selector as EndpointSlices, which is what proxies and the
 * router read (upstream's EndpointSliceMirroring controller).
 */
export function endpointsMirrorController(): Controller<any> {
  return controller(Endpoints, {
    name: 'endpointslice-mirroring-controller',
    owns: [EndpointSlice],
    watches: [{ type: Service, map: ({ metadata: { name, namespace } }) => [{ name: name!, namespace }] }],
  }).step('mirror', (axn: Axn<any>) => {
    const endpoints = axn.object as objects.Endpoints
    const existing = axn.lister
      .owned(EndpointSlice, endpoints.metadata.uid!)
      .filter((slice) => slice.metadata.labels?.[managedByLabel] === managedBy)
    const service = axn.lister.get(Service, axn.name, axn.namespace)
    // The Service went while they were being written.
    if (!service && endpoints.metadata.labels?.[endpointsManagerLabel] === endpointsManager)
      return axn.delete({ type: Endpoints, name: axn.name, namespace: axn.namespace }, { uid: endpoints.metadata.uid })
    const wanted = axn.deleting || !isMirrored(endpoints, service) ? [] : mirrorsOf(endpoints)
    for (const slice of wanted) {
      const before = existing.find((other) => other.metadata.name === slice.metadata.name)
      axn = write(axn, Endpoints, EndpointSlice, slice as any, before, ['endpoints', 'ports'])
    }
    return removeSurplus(axn, existing, wanted)
  })
}

/** Only what people wrote, for Services whose endpoints nobody else works out. */
export function isMirrored(endpoints: objects.Endpoints, service: objects.Service | undefined): boolean {
  const { labels, annotations } = endpoints.metadata
  if (!service || service.metadata.deletionTimestamp !== undefined) return false
  if (Object.keys(service.spec?.selector ?? {}).length > 0) return false
  return labels?.[skipLabel] !== 'true' && annotations?.[leaderAnnotation] === undefined
}

/** Slices of Endpoints: one per subset and kind of address, at most 100 addresses each. */
export function mirrorsOf(endpoints: objects.Endpoints): objects.EndpointSlice[] {
  const { name, namespace, uid, labels } = endpoints.metadata
  const slices: objects.EndpointSlice[] = []
  for (const [at, { addresses = [], notReadyAddresses = [], ports = [] }] of (endpoints.subsets ?? []).entries()) {
    const all = [
      ...addresses.map((address) => ({ address, ready: true })),
      ...notReadyAddresses.map((address) => ({ address, ready: false })),
    ].slice(0, maxPerSubset)
    for (const addressType of ['IPv4', 'IPv6']) {
      const members = all.filter(({ address }) => (address.ip.includes(':') ? 'IPv6' : 'IPv4') === addressType)
      for (let from = 0; from < members.length; from += 100) {
        const hash = shortHash({ at, ports, addressType, part: from, uid }, 8)
        slices.push({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: {
            name: `${name}-${hash}`,
            namespace,
            labels: { ...labels, [managedByLabel]: managedBy, 'kubernetes.io/service-name': name! },
          },
          addressType,
          endpoints: members.slice(from, from + 100).map(({ address, ready }) => endpoint(address, ready)),
          ports: ports.map((port) => ({ name: '', ...port, protocol: port.protocol ?? 'TCP' })),
        })
      }
    }
  }
  return slices
}

function endpoint(address: objects.EndpointAddress, ready: boolean): objects.Endpoint {
  const { ip, hostname, nodeName, targetRef } = address
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  }
}
