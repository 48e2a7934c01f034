import { containersOf } from './plugin.ts'

const baselineCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])
const baselineSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
])
const baselineSelinux = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'])

export type Container = Record<string, any>

/** `container "a"` or `containers "a", "b"`. */
export function named(containers: readonly Container[]): string {
  return `${plural(containers.length, 'container', 'containers')} ${quoted(containers.map((one) => one['name']))}`
}

export const plural = (count: number, one: string, many: string) => (count === 1 ? one : many)
const quoted = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join(', ')
const sorted = (values: Iterable<string>) => [...new Set(values)].sort()

/** Whose users are not the host's: some rules are eased for them. */
export const ownUsers = (spec: any) => spec.hostUsers === false

/** A rule: what of a pod breaks it, as `reason (details)`. */
export type Check = (pod: { metadata?: any; spec: any }) => string | undefined

function offending(spec: any, test: (context: any, container: Container) => boolean): Container[] {
  return containersOf(spec).filter((one) => test(one['securityContext'] ?? {}, one))
}

/** The pod itself and its containers, as far as their securityContext is bad: `pod and container "a"`. */
function setters(spec: any, test: (context: any) => boolean): string | undefined {
  const bad = offending(spec, test)
  const who = [...(test(spec.securityContext ?? {}) ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])]
  return who.length > 0 ? who.join(' and ') : undefined
}

const apparmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'

const apparmor: Check = ({ metadata, spec }) => {
  const type = (context: any) => context.appArmorProfile?.type
  const bad = (context: any) => type(context) !== undefined && !['RuntimeDefault', 'Localhost'].includes(type(context))
  const contexts = [spec, ...containersOf(spec)].map((one) => one.securityContext ?? {})
  const values = sorted(contexts.filter(bad).map(type))
  const annotations = sorted(
    Object.entries<string>(metadata?.annotations ?? {})
      .filter(([key, value]) => key.startsWith(apparmorPrefix) && !/^(runtime\/default|localhost\/.*)?$/.test(value))
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`),
  )
  const who = [
    setters(spec, bad),
    annotations.length > 0 ? plural(annotations.length, 'annotation', 'annotations') : '',
  ]
    .filter(Boolean)
    .join(' and ')
  if (who === '') return undefined
  const all = [...values, ...annotations]
  // The values are joined in quotes that are not escaped.
  const text = all.map((value) => `"${value}"`).join(', ')
  const reason = plural(all.length, 'forbidden AppArmor profile', 'forbidden AppArmor profiles')
  return `${reason} (${who} must not set AppArmor profile type to ${text})`
}

const capabilities: Check = ({ spec }) => {
  const extra = (context: any): string[] =>
    (context.capabilities?.add ?? []).filter((name: string) => !baselineCapabilities.has(name))
  const bad = offending(spec, (context) => extra(context).length > 0)
  if (bad.length === 0) return undefined
  const names = sorted(bad.flatMap((one) => extra(one['securityContext'])))
  return `non-default capabilities (${named(bad)} must not include ${quoted(names)} in securityContext.capabilities.add)`
}

const hostNamespaces: Check = ({ spec }) => {
  const host = ['hostNetwork', 'hostPID', 'hostIPC'].filter((field) => spec[field])
  return host.length > 0 ? `host namespaces (${host.map((field) => `${field}=true`).join(', ')})` : undefined
}

const hostPaths: Check = ({ spec }) => {
  const names = (spec.volumes ?? []).filter((volume: any) => volume.hostPath).map((volume: any) => volume.name)
  return names.length > 0
    ? `hostPath volumes (${plural(names.length, 'volume', 'volumes')} ${quoted(names)})`
    : undefined
}

const hostPorts: Check = ({ spec }) => {
  const bad = offending(spec, (_, one) => (one['ports'] ?? []).some((port: any) => port.hostPort))
  if (bad.length === 0) return undefined
  const ports = sorted(
    bad
      .flatMap((one) => one['ports'].map((port: any) => port.hostPort))
      .filter(Boolean)
      .map(String),
  )
  const uses = plural(bad.length, 'uses', 'use')
  return `hostPort (${named(bad)} ${uses} ${plural(ports.length, 'hostPort', 'hostPorts')} ${ports.join(', ')})`
}

const hostProbes: Check = ({ spec }) => {
  const hosts = (one: Container): string[] =>
    [one['livenessProbe'], one['readinessProbe'], one['startupProbe'], ...Object.values(one['lifecycle'] ?? {})]
      .flatMap((handler: any) => [handler?.httpGet?.host, handler?.tcpSocket?.host])
      .filter(Boolean)
  const bad = offending(spec, (_, one) => hosts(one).length > 0)
  if (bad.length === 0) return undefined
  const forbidden = sorted(bad.flatMap(hosts))
  const what = plural(forbidden.length, 'probe or lifecycle host', 'probe or lifecycle hosts')
  return `probe or lifecycle host (${named(bad)} ${plural(bad.length, 'uses', 'use')} ${what} ${quoted(forbidden)})`
}

const privileged: Check = ({ spec }) => {
  const bad = offending(spec, (context) => context.privileged === true)
  return bad.length > 0 ? `privileged (${named(bad)} must not set securityContext.privileged=true)` : undefined
}

/** Unmasked /proc; `eased` where pods with users of their own may have it. */
export const procMount =
  (eased: boolean): Check =>
  ({ spec }) => {
    if (eased && ownUsers(spec)) return undefined
    const bad = offending(spec, (context) => (context.procMount ?? 'Default') !== 'Default')
    if (bad.length === 0) return undefined
    const types = sorted(bad.map((one) => one['securityContext'].procMount))
    return `procMount (${named(bad)} must not set securityContext.procMount to ${quoted(types)})`
  }

const selinux: Check = ({ spec }) => {
  const options = (context: any) => context.seLinuxOptions ?? {}
  const who = setters(
    spec,
    (context) => !baselineSelinux.has(options(context).type ?? '') || options(context).user || options(context).role,
  )
  if (who === undefined) return undefined
  const all = [spec, ...containersOf(spec)].map((one) => options(one.securityContext ?? {}))
  const types = sorted(all.map(({ type }) => type ?? '').filter((type) => !baselineSelinux.has(type)))
  const problems = [
    ...(types.length > 0 ? [`${plural(types.length, 'type', 'types')} ${quoted(types)}`] : []),
    ...(all.some(({ user }) => user) ? ['user may not be set'] : []),
    ...(all.some(({ role }) => role) ? ['role may not be set'] : []),
  ]
  return `seLinuxOptions (${who} set forbidden securityContext.seLinuxOptions: ${problems.join('; ')})`
}

/** Seccomp that is switched off. */
export const unconfined: Check = ({ spec }) => {
  const who = setters(spec, (context) => context.seccompProfile?.type === 'Unconfined')
  return who && `seccompProfile (${who} must not set securityContext.seccompProfile.type to "Unconfined")`
}

const sysctls: Check = ({ spec }) => {
  const names = (spec.securityContext?.sysctls ?? [])
    .map((one: any) => one.name)
    .filter((name: string) => !baselineSysctls.has(name))
  return names.length > 0 ? `forbidden sysctls (${names.join(', ')})` : undefined
}

const hostProcess: Check = ({ spec }) => {
  const who = setters(spec, (context) => context.windowsOptions?.hostProcess === true)
  return who && `hostProcess (${who} must not set securityContext.windowsOptions.hostProcess=true)`
}

/** The `baseline` standard, in the order in which pod-security-admission checks it. */
export const baseline: readonly Check[] = [
  apparmor,
  capabilities,
  hostNamespaces,
  hostPaths,
  hostPorts,
  hostProbes,
  privileged,
  procMount(true),
  selinux,
  unconfined,
  sysctls,
  hostProcess,
]
