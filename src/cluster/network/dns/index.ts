export { type DnsOptions, type Nameserver, startDns } from './server.ts'
export { clusterDomain, type Zone, zoneOf } from './zone.ts'
