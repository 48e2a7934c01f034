export { type DnsOptions, startDns } from './server.ts'
export { type Zone, zoneOf } from './zone.ts'
