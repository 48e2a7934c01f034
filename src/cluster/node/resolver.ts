import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { objects } from '#kube'
import { clusterDomain, type Nameserver, parseResolvConf, type ResolvConf } from '../resolv-conf.ts'

const machineFile = '/etc/resolv.conf'

/**
 * What a pod's resolv.conf says, by its dnsPolicy and dnsConfig (the kubelet's rules); undefined: what the machine's says.
 * @param machine the text of the machine's own
 */
export function resolverOf(
  { metadata, spec }: objects.Pod,
  cluster: Nameserver | undefined,
  machine: string,
): ResolvConf | undefined {
  const { dnsConfig, hostNetwork } = spec ?? {}
  let policy = spec?.dnsPolicy ?? 'ClusterFirst'
  if (!cluster || (policy === 'ClusterFirst' && hostNetwork)) policy = policy === 'None' ? 'None' : 'Default'
  if (policy === 'Default' && !dnsConfig) return undefined
  const own = policy === 'None' ? { nameservers: [], searches: [], options: [] } : parseResolvConf(machine)
  if (policy.startsWith('ClusterFirst')) {
    own.nameservers = [cluster!.host]
    own.searches = [
      `${metadata.namespace}.svc.${clusterDomain}`,
      `svc.${clusterDomain}`,
      clusterDomain,
      ...own.searches,
    ]
    own.options = ['ndots:5']
  }
  const named = new Map(own.options.map((option) => [option.split(':')[0], option]))
  for (const { name, value } of dnsConfig?.options ?? [])
    if (name) named.set(name, value === undefined ? name : `${name}:${value}`)
  return {
    nameservers: [...new Set([...own.nameservers, ...(dnsConfig?.nameservers ?? [])])].slice(0, 3),
    searches: [...new Set([...own.searches, ...(dnsConfig?.searches ?? [])])].slice(0, 32),
    options: [...named.values()],
  }
}

export interface ResolverFiles {
  /** To be seen instead of the machine's file, at that place. */
  resolvConf?: { source: string; target: string }
  /** For Erlang's own resolver, which can be told a port: `ERL_INETRC`. */
  inetrc?: string
}

/**
 * Writes a pod's resolver configuration into its directory. A resolv.conf needs a server on port 53, and a place of its own
 * (`canMount`); without them only the BEAM's resolver is told where the cluster's names are.
 */
export function writeResolver(
  directory: string,
  pod: objects.Pod,
  cluster: Nameserver | undefined,
  canMount: boolean,
): ResolverFiles {
  const machine = read(machineFile)
  const resolver = resolverOf(pod, cluster, machine ?? '')
  if (!resolver) return {}
  if (canMount && machine !== undefined && cluster?.port === 53) {
    const source = join(directory, 'resolv.conf')
    const { nameservers, searches, options } = resolver
    const lines = [
      ...nameservers.map((each) => `nameserver ${each}`),
      ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
      ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    ]
    writeFileSync(source, `${lines.join('\n')}\n`)
    return { resolvConf: { source, target: realpathSync(machineFile) } }
  }
  if (!cluster || !resolver.nameservers.includes(cluster.host)) return {}
  const inetrc = join(directory, 'inetrc')
  const address = cluster.host.replaceAll('.', ',')
  const searches = resolver.searches.map((each) => JSON.stringify(each)).join(', ')
  writeFileSync(inetrc, `{resolv_conf, ""}.\n{nameserver, {${address}}, ${cluster.port}}.\n{search, [${searches}]}.\n`)
  return { inetrc }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
