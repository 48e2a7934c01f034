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
const restrictedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]
const profiles = new Set(['RuntimeDefault', 'Localhost'])

/** What of a pod (metadata and spec) violates the `baseline` or the `restricted` standard, worded as pod-security-admission does. */
export function violations(level: string, pod: any): string[] {
  const found = baseline(pod)
  return level === 'restricted' ? [...found, ...restricted(pod)] : found
}

type Container = Record<string, any>

/** `container "a"` or `containers "a", "b"`. */
function named(containers: readonly Container[]): string {
  const names = containers.map((one) => JSON.stringify(one['name'])).join(', ')
  return `${containers.length === 1 ? 'container' : 'containers'} ${names}`
}

const plural = (count: number, one: string, many: string) => (count === 1 ? one : many)

function baseline({ spec }: any): string[] {
  const found: string[] = []
  const containers: Container[] = containersOf(spec)
  const offending = (test: (context: any, container: Container) => boolean) =>
    containers.filter((one) => test(one['securityContext'] ?? {}, one))
  const add = (bad: readonly Container[], text: (who: string) => string) => {
    if (bad.length > 0) found.push(text(`${named(bad)} must not set`))
  }
  const host = ['hostNetwork', 'hostPID', 'hostIPC'].filter((field) => spec[field])
  if (host.length > 0) found.push(`host namespaces (${host.map((field) => `${field}=true`).join(', ')})`)
  add(
    offending((context) => context.privileged === true),
    (who) => `privileged (${who} securityContext.privileged=true)`,
  )
  const extra = (context: any) =>
    (context.capabilities?.add ?? []).filter((name: string) => !baselineCapabilities.has(name))
  const capable = offending((context) => extra(context).length > 0)
  if (capable.length > 0) {
    const names = [...new Set(capable.flatMap((one) => extra(one['securityContext'])))].sort()
    found.push(
      `non-default capabilities (${named(capable)} must not include ${names.map((name) => JSON.stringify(name)).join(', ')} in securityContext.capabilities.add)`,
    )
  }
  const paths = (spec.volumes ?? [])
    .filter((volume: any) => volume.hostPath)
    .map((volume: any) => JSON.stringify(volume.name))
  if (paths.length > 0)
    found.push(`hostPath volumes (${plural(paths.length, 'volume', 'volumes')} ${paths.join(', ')})`)
  const ported = containers.filter((one) => (one['ports'] ?? []).some((port: any) => port.hostPort))
  if (ported.length > 0) {
    const ports = [...new Set(ported.flatMap((one) => one['ports'].map((port: any) => port.hostPort)).filter(Boolean))]
    const use = plural(ported.length, 'uses', 'use')
    found.push(
      `hostPort (${named(ported)} ${use} ${plural(ports.length, 'hostPort', 'hostPorts')} ${ports.join(', ')})`,
    )
  }
  add(
    offending((context) => (context.procMount ?? 'Default') !== 'Default'),
    (who) => `procMount (${who} securityContext.procMount)`,
  )
  const unconfined = [spec, ...containers].filter((one) => one.securityContext?.seccompProfile?.type === 'Unconfined')
  if (unconfined.length > 0) {
    const who = unconfined.map((one) => (one === spec ? 'pod' : named([one]))).join(' and ')
    found.push(`seccompProfile (${who} must not set securityContext.seccompProfile.type to "Unconfined")`)
  }
  const selinux = [spec, ...containers].filter((one) => {
    const options = one.securityContext?.seLinuxOptions
    return options && (!baselineSelinux.has(options.type ?? '') || options.user || options.role)
  })
  if (selinux.length > 0) found.push('seLinuxOptions (forbidden type, user or role)')
  const sysctls = (spec.securityContext?.sysctls ?? [])
    .map((one: any) => one.name)
    .filter((name: string) => !baselineSysctls.has(name))
  if (sysctls.length > 0) found.push(`forbidden sysctls (${sysctls.join(', ')})`)
  return found
}

function restricted({ spec }: any): string[] {
  const found: string[] = []
  const containers: Container[] = containersOf(spec)
  const pod = spec.securityContext ?? {}
  const windows = spec.os?.name === 'windows'
  const context = (one: Container) => one['securityContext'] ?? {}
  const volumes = (spec.volumes ?? []).filter(
    (volume: any) => !restrictedVolumes.some((type) => volume[type] !== undefined),
  )
  if (volumes.length > 0) {
    const names = volumes.map((volume: any) => JSON.stringify(volume.name)).join(', ')
    const types = [
      ...new Set(
        volumes.map((volume: any) => JSON.stringify(Object.keys(volume).find((key) => key !== 'name') ?? 'unknown')),
      ),
    ]
    const use = plural(volumes.length, 'volume', 'volumes')
    found.push(
      `restricted volume types (${use} ${names} ${plural(volumes.length, 'uses', 'use')} restricted volume ${plural(types.length, 'type', 'types')} ${types.join(', ')})`,
    )
  }
  const escalating = containers.filter((one) => context(one).allowPrivilegeEscalation !== false)
  if (escalating.length > 0 && !windows) {
    found.push(
      `allowPrivilegeEscalation != false (${named(escalating)} must set securityContext.allowPrivilegeEscalation=false)`,
    )
  }
  const keeping = containers.filter((one) => !(context(one).capabilities?.drop ?? []).includes('ALL'))
  const adding = containers.filter((one) =>
    (context(one).capabilities?.add ?? []).some((name: string) => name !== 'NET_BIND_SERVICE'),
  )
  if (!windows && (keeping.length > 0 || adding.length > 0)) {
    const parts = [
      ...(keeping.length > 0 ? [`${named(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
      ...(adding.length > 0
        ? [`${named(adding)} must not include ${names(adding)} in securityContext.capabilities.add`]
        : []),
    ]
    found.push(`unrestricted capabilities (${parts.join('; ')})`)
  }
  const rooted = containers.filter((one) => context(one).runAsNonRoot === false)
  const unsaid = pod.runAsNonRoot === true ? [] : containers.filter((one) => context(one).runAsNonRoot !== true)
  if (rooted.length > 0) {
    found.push(`runAsNonRoot != true (${named(rooted)} must not set securityContext.runAsNonRoot=false)`)
  } else if (unsaid.length > 0) {
    const who =
      pod.runAsNonRoot === false
        ? 'pod must not set securityContext.runAsNonRoot=false'
        : `pod or ${named(unsaid)} must set securityContext.runAsNonRoot=true`
    found.push(`runAsNonRoot != true (${who})`)
  }
  const zero = [
    ...(pod.runAsUser === 0 ? ['pod'] : []),
    ...containers.filter((one) => context(one).runAsUser === 0).map((one) => named([one])),
  ]
  if (zero.length > 0) found.push(`runAsUser=0 (${zero.join(' and ')} must not set runAsUser=0)`)
  if (!windows && !profiles.has(pod.seccompProfile?.type)) {
    const open = containers.filter((one) => !profiles.has(context(one).seccompProfile?.type))
    if (open.length > 0) {
      found.push(
        `seccompProfile (pod or ${named(open)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`,
      )
    }
  }
  return found
}

function names(containers: readonly Container[]): string {
  const all = containers.flatMap((one) => one['securityContext'].capabilities.add as string[])
  return [...new Set(all.filter((name) => name !== 'NET_BIND_SERVICE'))].map((name) => JSON.stringify(name)).join(', ')
}
