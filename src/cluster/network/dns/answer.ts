import type { Answer, RecordType } from 'dns-packet'
import { clusterDomain } from '../../resolv-conf.ts'
import { type Entry, ttl, type Zone } from './zone.ts'

export type Reply =
  | { kind: 'answer'; answers: Answer[]; additionals: Answer[] }
  /** The name exists, but has nothing of that type. */
  | { kind: 'empty' }
  | { kind: 'absent' }
  /** Whoever the machine asks must know. */
  | { kind: 'elsewhere' }
  /** An alias of a name outside of the cluster; its addresses are to be looked up there. */
  | { kind: 'alias'; alias: Answer; target: string }

/** What the cluster's own DNS says to a question; pure. Names are compared without regard to case, and answered as asked. */
export function answer(zone: Zone, { name, type }: { name: string; type: RecordType }): Reply {
  const asked = name.toLowerCase().replace(/\.$/, '')
  if (asked === 'localhost' || asked.endsWith('.localhost')) return toAddresses(name, type, ['127.0.0.1', '::1'])
  const inside = isInCluster(asked)
  const entry = zone.get(asked)
  if (!inside) return entry ? ofEntry(zone, name, type, entry) : { kind: 'elsewhere' }
  const pod = /^([0-9a-f-]+)\.[a-z0-9-]+\.pod\.cluster\.local$/.exec(asked)?.[1]
  if (pod) {
    const ip = /^\d+-\d+-\d+-\d+$/.test(pod) ? pod.replaceAll('-', '.') : pod.replaceAll('-', ':')
    return toAddresses(name, type, [ip])
  }
  if (asked === clusterDomain && type === 'SOA') return { kind: 'answer', answers: [soa()], additionals: [] }
  return entry ? ofEntry(zone, name, type, entry) : { kind: 'absent' }
}

/** True for names that the cluster alone answers for. */
export function isInCluster(name: string): boolean {
  return `.${name.toLowerCase().replace(/\.$/, '')}`.endsWith(`.${clusterDomain}`)
}

/** Goes with answers that have nothing: how long that may be remembered (RFC 2308). */
export function soa(): Answer {
  return {
    type: 'SOA',
    name: clusterDomain,
    ttl,
    data: {
      mname: `ns.dns.${clusterDomain}`,
      rname: `hostmaster.${clusterDomain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttl,
    },
  }
}

function ofEntry(zone: Zone, name: string, type: RecordType, entry: Entry): Reply {
  if (entry.alias !== undefined) {
    const alias: Answer = { type: 'CNAME', name, ttl, data: entry.alias }
    const target = zone.get(entry.alias)
    if (type === 'CNAME') return { kind: 'answer', answers: [alias], additionals: [] }
    if (!target) return { kind: 'alias', alias, target: entry.alias }
    const further = ofEntry(new Map(), entry.alias, type, { ...target, alias: undefined as never })
    return { kind: 'answer', answers: [alias, ...(further.kind === 'answer' ? further.answers : [])], additionals: [] }
  }
  switch (type) {
    case 'A':
    case 'AAAA':
      return toAddresses(name, type, entry.addresses)
    case 'SRV': {
      const share = Math.max(1, Math.floor(100 / (entry.services.length || 1)))
      const answers = entry.services.map(
        ({ port, target }): Answer => ({
          type: 'SRV',
          name,
          ttl,
          data: { port, target, priority: 0, weight: share },
        }),
      )
      const targets = [...new Set(entry.services.map(({ target }) => target))]
      const additionals = targets.flatMap((target) => records(target, zone.get(target)?.addresses ?? []))
      return found(answers, additionals)
    }
    case 'PTR':
      return found(entry.pointers.map((data): Answer => ({ type: 'PTR', name, ttl, data })))
    case 'TXT':
      return found(entry.texts.map((data): Answer => ({ type: 'TXT', name, ttl, data })))
    default:
      return { kind: 'empty' }
  }
}

function toAddresses(name: string, type: RecordType, addresses: readonly string[]): Reply {
  return found(records(name, addresses).filter((each) => each.type === type))
}

function records(name: string, addresses: readonly string[]): Answer[] {
  return addresses.map((data): Answer => ({ type: data.includes(':') ? 'AAAA' : 'A', name, ttl, data }))
}

function found(answers: Answer[], additionals: Answer[] = []): Reply {
  return answers.length > 0 ? { kind: 'answer', answers, additionals } : { kind: 'empty' }
}
