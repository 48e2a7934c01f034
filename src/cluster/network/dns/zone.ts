import type { objects } from '#kube'
import { clusterDomain } from '../../resolv-conf.ts'

/** Seconds; short, for pods come and go. CoreDNS has the same. */
export const ttl = 5

export interface Srv {
  port: number
  target: string
}

/** What one name stands for. A name without anything exists all the same: what is below it does. */
export interface Entry {
  addresses: string[]
  services: Srv[]
  texts: string[]
  alias?: string
  pointers: string[]
}

/** Everything that the cluster has names for, by lower-case name without the last dot. */
export type Zone = ReadonlyMap<string, Entry>

/**
 * The names of Services and their endpoints (Kubernetes DNS-Based Service Discovery 1.1.0). As CoreDNS does, a service's own
 * name has SRV records of all its ports too, and endpoints without a hostname are called by their address, with dashes.
 */
export function zoneOf(services: Iterable<objects.Service>, slices: Iterable<objects.EndpointSlice>): Zone {
  const zone = new Map<string, Entry>()
  entry(zone, `dns-version.${clusterDomain}`).texts.push('1.1.0')
  const slicesOf = Map.groupBy(slices, ({ metadata }) => {
    return `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name'] ?? ''}`
  })
  for (const service of services) {
    const { name, namespace } = service.metadata
    const own = `${name}.${namespace}.svc.${clusterDomain}`.toLowerCase()
    const { type, clusterIP, clusterIPs, externalName, ports = [] } = service.spec ?? {}
    const at = entry(zone, own)
    if (type === 'ExternalName') {
      if (externalName) at.alias = externalName.toLowerCase().replace(/\.$/, '')
    } else if (clusterIP === 'None') {
      for (const slice of slicesOf.get(`${namespace}/${name}`) ?? []) addEndpoints(zone, own, slice)
    } else {
      for (const address of clusterIPs ?? (clusterIP ? [clusterIP] : [])) {
        add(at.addresses, address)
        add(entry(zone, reverse(address)).pointers, own)
      }
      if (at.addresses.length > 0) for (const port of ports) addPort(zone, own, port, { port: port.port, target: own })
    }
  }
  return zone
}

function addEndpoints(zone: Map<string, Entry>, service: string, slice: objects.EndpointSlice): void {
  if (slice.addressType === 'FQDN') return
  for (const { addresses, conditions, hostname } of slice.endpoints ?? []) {
    if (conditions?.ready === false) continue
    for (const address of addresses ?? []) {
      const target = `${hostname ?? address.replaceAll(/[.:]/g, '-')}.${service}`.toLowerCase()
      add(entry(zone, service).addresses, address)
      add(entry(zone, target).addresses, address)
      add(entry(zone, reverse(address)).pointers, target)
      for (const port of slice.ports ?? [])
        if (port.port !== undefined) addPort(zone, service, port, { port: port.port, target })
    }
  }
}

function addPort(
  zone: Map<string, Entry>,
  service: string,
  { name, protocol = 'TCP' }: { name?: string; protocol?: string },
  record: Srv,
): void {
  const names = name ? [service, `_${name}._${protocol}.${service}`.toLowerCase()] : [service]
  for (const each of names) {
    const known = entry(zone, each).services
    if (!known.some(({ port, target }) => port === record.port && target === record.target)) known.push(record)
  }
}

/** The entry of a name; it and all names above it exist from now on. */
function entry(zone: Map<string, Entry>, name: string): Entry {
  for (let each = name; ; each = each.slice(each.indexOf('.') + 1)) {
    if (!zone.has(each)) zone.set(each, { addresses: [], services: [], texts: [], pointers: [] })
    if (each === clusterDomain || !each.endsWith(`.${clusterDomain}`)) break
  }
  return zone.get(name)!
}

function add(list: string[], value: string): void {
  if (!list.includes(value)) list.push(value)
}

/** `1.0.64.127.in-addr.arpa` of 127.64.0.1, and likewise of IPv6 (RFC 1035 3.5, RFC 3596 2.5). */
export function reverse(address: string): string {
  if (!address.includes(':')) return `${address.split('.').reverse().join('.')}.in-addr.arpa`
  const [head, tail = ''] = address.toLowerCase().split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const missing = 8 - groups(head).length - groups(tail).length
  const all = address.includes('::')
    ? [...groups(head), ...Array(missing).fill('0'), ...groups(tail)]
    : address.toLowerCase().split(':')
  const digits = all.map((group) => group.padStart(4, '0')).join('')
  return `${[...digits].reverse().join('.')}.ip6.arpa`
}
