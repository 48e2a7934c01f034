import type { KubeObject } from '#kube'
import type { Store } from '../../store/index.ts'

export const apiServiceResource = 'apiregistration.k8s.io/apiservices'

/** The Service that an APIService gives a group's version to. */
export interface ServiceReference {
  namespace: string
  name: string
  port: number
}

/** Where its server listens, or why nobody knows: reason and message of the Available condition. */
export type Target = { host: string; port: number } | { reason: string; message: string }

/**
 * Resolves a Service as kube-aggregator does with `--enable-aggregator-routing`: ClusterIP Services to one of their ready
 * endpoints, ExternalName Services to that name. Reasons and messages are those of its availability controller.
 */
export function resolveTarget(store: Store, { namespace, name, port }: ServiceReference): Target {
  const service = store.get('core/services', `${namespace}/${name}`)?.object
  if (!service) return { reason: 'ServiceNotFound', message: `service/${name} in "${namespace}" is not present` }
  if (service['spec']?.type === 'ExternalName') return { host: service['spec'].externalName, port }
  const found = (service['spec']?.ports ?? []).find((one: any) => one.port === port)
  if (!found) {
    const message = `service/${name} in "${namespace}" is not listening on port ${port}`
    return { reason: 'ServicePortError', message }
  }
  const slices = store
    .list('discovery.k8s.io/endpointslices', namespace)
    .map(({ object }) => object)
    .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === name)
  if (slices.length === 0) {
    const message = `cannot find endpointslices for service/${name} in "${namespace}"`
    return { reason: 'EndpointsNotFound', message }
  }
  const portName: string = found.name ?? ''
  return endpointIn(slices, portName) ?? missing(namespace, name, portName)
}

const serviceNameLabel = 'kubernetes.io/service-name'

function missing(namespace: string, name: string, portName: string): Target {
  const message = `endpointslices for service/${name} in "${namespace}" have no addresses with port name "${portName}"`
  return { reason: 'MissingEndpoints', message }
}

function endpointIn(slices: readonly KubeObject[], portName: string): Target | undefined {
  for (const { endpoints, ports } of slices) {
    const port = (ports ?? []).find((one: any) => (one.name ?? '') === portName)?.port
    const ready = (endpoints ?? []).find(
      (one: any) => one.conditions?.ready !== false && (one.addresses ?? []).length > 0,
    )
    if (port !== undefined && ready) return { host: ready.addresses[0], port }
  }
  return undefined
}
