import type { objects } from '#kube'
import { shortHash } from '#lib'
import { isReady, isTerminal } from '../shared/index.ts'

export const managedBy = 'endpointslice-controller.k8s.io'
export const endpointsManagerLabel = 'endpoints.kubernetes.io/managed-by'
export const endpointsManager = 'endpoint-controller'
const maxPerSlice = 100
const headlessLabel = 'service.kubernetes.io/headless'

export interface Port {
  name?: string
  port: number
  protocol: string
  appProtocol?: string
}

/** Pods that resolve a Service's ports to the same numbers. */
interface Group {
  ports: Port[]
  pods: objects.Pod[]
}

/**
 * A port of a Service on one pod: a number stands for itself, a name is looked up among the pod's own container ports,
 * so that pods of one Service may listen on different numbers. Undefined when the pod has no such port.
 */
export function resolvePort(pod: objects.Pod, port: objects.ServicePort): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number') return target
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    for (const candidate of container.ports ?? []) {
      const protocol = candidate.protocol ?? 'TCP'
      if (candidate.name === target && protocol === (port.protocol ?? 'TCP')) return candidate.containerPort
    }
  }
  return undefined
}

function portsOf(service: objects.Service, pod: objects.Pod): Port[] {
  const ports: Port[] = []
  for (const port of service.spec?.ports ?? []) {
    const number = resolvePort(pod, port)
    if (number === undefined) continue
    ports.push({
      ...(port.name ? { name: port.name } : {}),
      port: number,
      protocol: port.protocol ?? 'TCP',
      ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}),
    })
  }
  return ports
}

/** The pods that belong into a Service's endpoints, by the ports they resolve to; ordered, so that equal input gives equal output. */
function groups(service: objects.Service, pods: readonly objects.Pod[]): Map<string, Group> {
  const found = new Map<string, Group>()
  const sorted = [...pods].sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
  for (const pod of sorted) {
    if (!pod.status?.podIP || isTerminal(pod)) continue
    const ports = portsOf(service, pod)
    const key = JSON.stringify([pod.status.podIP.includes(':'), ports])
    const group = found.get(key)
    if (group) group.pods.push(pod)
    else found.set(key, { ports, pods: [pod] })
  }
  return found
}

/**
 * The EndpointSlices of a Service: those of one set of ports together, at most 100 endpoints each. A terminating pod stays,
 * not ready but serving while its probe says so. Names follow from the content, so that writing twice is writing once.
 */
export function slicesOf(
  service: objects.Service,
  pods: readonly objects.Pod[],
  zoneOf: (node: string) => string | undefined,
): objects.EndpointSlice[] {
  const slices: objects.EndpointSlice[] = []
  for (const [key, { ports, pods: members }] of groups(service, pods)) {
    for (let from = 0; from < members.length; from += maxPerSlice) {
      slices.push({
        ...emptySlice(service, { key, part: from / maxPerSlice }),
        addressType: members[from].status!.podIP!.includes(':') ? 'IPv6' : 'IPv4',
        endpoints: members.slice(from, from + maxPerSlice).map((pod) => endpoint(service, pod, zoneOf)),
        // As the API server fills them in, so that what is there is found to be equal.
        ports: ports.map((port) => ({ name: '', ...port })),
      })
    }
  }
  // A Service without pods has a slice without endpoints: that there are none is known.
  return slices.length > 0 ? slices : [emptySlice(service, {})]
}

function emptySlice(service: objects.Service, content: object): objects.EndpointSlice {
  const { name, namespace, uid } = service.metadata
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${shortHash({ ...content, service: uid }, 5)}`,
      generateName: `${name}-`,
      namespace,
      labels: labelsOf(service),
    },
    addressType: service.spec?.ipFamilies?.[0] ?? 'IPv4',
    endpoints: [],
    ports: [],
  }
}

function endpoint(
  service: objects.Service,
  pod: objects.Pod,
  zoneOf: (node: string) => string | undefined,
): objects.Endpoint {
  const serving = isReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const { name, namespace, uid } = pod.metadata
  const { hostname, subdomain, nodeName } = pod.spec ?? {}
  const zone = nodeName && zoneOf(nodeName)
  return {
    addresses: [pod.status!.podIP!],
    conditions: { ready, serving, terminating },
    ...(hostname && subdomain === service.metadata.name ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: { kind: 'Pod', name, namespace, uid },
    ...(zone ? { zone } : {}),
    ...(ready ? hintsOf(service, zone || undefined, nodeName) : {}),
  }
}

/** To whom a ready endpoint is near, where the Service's traffic is to stay near (KEP-4444, KEP-3015). */
function hintsOf(service: objects.Service, zone: string | undefined, node: string | undefined): { hints?: object } {
  const near = service.spec?.trafficDistribution
  if (near !== 'PreferClose' && near !== 'PreferSameZone' && near !== 'PreferSameNode') return {}
  const hints = {
    ...(zone && { forZones: [{ name: zone }] }),
    ...(node && near === 'PreferSameNode' && { forNodes: [{ name: node }] }),
  }
  return Object.keys(hints).length > 0 ? { hints } : {}
}

function isHeadless(service: objects.Service): boolean {
  return service.spec?.clusterIP === 'None' || !service.spec?.clusterIP
}

function labelsOf(service: objects.Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    'endpointslice.kubernetes.io/managed-by': managedBy,
    'kubernetes.io/service-name': service.metadata.name!,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
  }
}

/** The Endpoints (v1, deprecated but read by many) of a Service: without terminating pods, truncated at 1000 addresses. */
export function endpointsOf(service: objects.Service, pods: readonly objects.Pod[]): objects.Endpoints {
  const subsets: objects.EndpointSubset[] = []
  let total = 0
  for (const { ports, pods: members } of groups(service, pods).values()) {
    const ready: objects.EndpointAddress[] = []
    const notReady: objects.EndpointAddress[] = []
    for (const pod of members) {
      if (pod.metadata.deletionTimestamp !== undefined || total++ >= 1000) continue
      const { name, namespace, uid } = pod.metadata
      const { hostname, subdomain, nodeName } = pod.spec ?? {}
      const address = {
        ip: pod.status!.podIP!,
        ...(hostname && subdomain === service.metadata.name ? { hostname } : {}),
        ...(nodeName ? { nodeName } : {}),
        targetRef: { kind: 'Pod', name, namespace, uid },
      }
      const list = service.spec?.publishNotReadyAddresses || isReady(pod) ? ready : notReady
      list.push(address)
    }
    if (ready.length + notReady.length === 0) continue
    subsets.push({
      ...(ready.length > 0 ? { addresses: ready } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: notReady } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    })
  }
  const { name, namespace, labels } = service.metadata
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      name,
      namespace,
      labels: {
        ...labels,
        [endpointsManagerLabel]: endpointsManager,
        ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
      },
    },
    ...(subsets.length > 0 ? { subsets } : {}),
  }
}
