import { containersOf } from './plugin.ts'
import { baseline, type Container, named, ownUsers, plural, procMount, unconfined } from './pod-security-baseline.ts'

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

/** Rules that the `restricted` standard has in a stricter form. */
const overridden = new Set(['procMount', 'seccompProfile'])

/** What of a pod (metadata and spec) violates the `baseline` or the `restricted` standard, worded as pod-security-admission does. */
export function violations(level: string, pod: { metadata?: any; spec: any }): string[] {
  const found = baseline.map((check) => check(pod)).filter((text) => text !== undefined)
  if (level !== 'restricted') return found
  return [...found.filter((text) => !overridden.has(text.split(' (', 1)[0])), ...restricted(pod)]
}

function restricted(target: { metadata?: any; spec: any }): string[] {
  const { spec } = target
  const found: string[] = []
  const containers: Container[] = containersOf(spec)
  const pod = spec.securityContext ?? {}
  const windows = spec.os?.name === 'windows'
  const context = (one: Container) => one['securityContext'] ?? {}
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
  const masked = procMount(false)(target)
  if (masked) found.push(masked)
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
  const rooted = containers.filter((one) => context(one).runAsNonRoot === false)
  const unsaid = pod.runAsNonRoot === true ? [] : containers.filter((one) => context(one).runAsNonRoot !== true)
  if (ownUsers(spec)) {
    // Root there is nobody here.
  } else if (rooted.length > 0) {
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
  if (zero.length > 0 && !ownUsers(spec)) found.push(`runAsUser=0 (${zero.join(' and ')} must not set runAsUser=0)`)
  const off = unconfined(target)
  if (off && !windows) found.push(off)
  else if (!windows && !profiles.has(pod.seccompProfile?.type)) {
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
