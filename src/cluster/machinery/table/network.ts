import { none, orNone, pairs, selector, some } from './cells.ts'
import { created, type Printers } from './printer.ts'

function externalIp({ spec, status }: any): string {
  const external = spec.externalIPs ?? []
  const ingress = (status?.loadBalancer?.ingress ?? []).map((one: any) => one.ip || one.hostname).filter(Boolean)
  switch (spec.type) {
    case 'LoadBalancer':
      return ingress.length + external.length > 0 ? [...ingress, ...external].join(',') : '<pending>'
    case 'ExternalName':
      return spec.externalName
    default:
      return orNone(external)
  }
}

function servicePorts(ports: any[] | undefined): string {
  return orNone(
    (ports ?? []).map((port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`),
  )
}

function ingressHosts(rules: any[] | undefined): string {
  const hosts = (rules ?? []).map((rule) => rule.host || '*')
  return hosts.length === 0 ? '*' : some(hosts)
}

function balancer(status: any): string {
  return (status?.loadBalancer?.ingress ?? []).map((one: any) => one.ip || one.hostname).join(',')
}

function endpointsCell(subsets: any[] | undefined): string {
  const list = (subsets ?? []).flatMap((subset) => {
    const addresses = (subset.addresses ?? []).map((address: any) => address.ip)
    if (!subset.ports?.length) return addresses
    return subset.ports.flatMap((port: any) => addresses.map((ip: string) => `${ip}:${port.port}`))
  })
  return some(list)
}

/** Services and what routes to and from them. */
export const network: Printers = {
  '/Service': {
    columns: ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', '*Selector'],
    cells: (object, now) => [
      object.metadata.name,
      object.spec.type,
      object.spec.clusterIPs?.[0] ?? (object.spec.clusterIP || none),
      externalIp(object),
      servicePorts(object.spec.ports),
      created(object, now),
      pairs(object.spec.selector),
    ],
  },
  'networking.k8s.io/Ingress': {
    columns: ['Name', 'Class', 'Hosts', 'Address', 'Ports', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      object.spec.ingressClassName ?? none,
      ingressHosts(object.spec.rules),
      balancer(object.status),
      object.spec.tls?.length ? '80, 443' : '80',
      created(object, now),
    ],
  },
  'networking.k8s.io/IngressClass': {
    columns: ['Name', 'Controller', 'Parameters', 'Age'],
    cells: (object, now) => {
      const { controller, parameters } = object.spec ?? {}
      const group = parameters?.apiGroup ? `.${parameters.apiGroup}` : ''
      return [
        object.metadata.name,
        controller ?? '',
        parameters ? `${parameters.kind}${group}/${parameters.name}` : none,
        created(object, now),
      ]
    },
  },
  'networking.k8s.io/NetworkPolicy': {
    columns: ['Name', 'Pod-Selector', 'Age'],
    cells: (object, now) => [object.metadata.name, selector(object.spec?.podSelector), created(object, now)],
  },
  '/Endpoints': {
    columns: ['Name', 'Endpoints', 'Age'],
    cells: (object, now) => [object.metadata.name, endpointsCell(object.subsets), created(object, now)],
  },
  'discovery.k8s.io/EndpointSlice': {
    columns: ['Name', 'AddressType', 'Ports', 'Endpoints', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      object.addressType,
      some(
        (object.ports ?? []).map((port: any) => String(port.port ?? '*')),
        '<unset>',
      ),
      some(
        (object.endpoints ?? []).flatMap((endpoint: any) => endpoint.addresses ?? []),
        '<unset>',
      ),
      created(object, now),
    ],
  },
}
