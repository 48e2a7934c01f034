import { equal, parseQuantity } from '#lib'
import type { ResourceInfo } from './types.ts'
import { dnsLabel } from './validate/names.ts'

/**
 * What Kubernetes says about an object that it takes all the same: the texts of Warning headers. Of updates only what changed is
 * told of. Source: the WarningsOnCreate and WarningsOnUpdate of its kinds, pkg/api/pod/warnings.go.
 */
export function warningsOf(info: ResourceInfo, object: any, old: any | undefined): string[] {
  if (info.custom) return []
  const key = `${info.group}/${info.kind}`
  const template = templates[key]
  if (template) return ofTemplate(template, object, old)
  if (key === '/Pod') {
    const use = "this is used in the Pod's hostname"
    return [...(old ? [] : hostname(object, use)), ...ofPod(object, '', old)]
  }
  if (key === '/Service') return ofService(object)
  return []
}

interface Template {
  path: string
  of(object: any): any
  /** Its pods are named after it. */
  names: boolean
}

const plain = (names: boolean): Template => ({ path: 'spec.template', of: (object) => object.spec?.template, names })

const templates: Record<string, Template> = {
  'apps/Deployment': plain(true),
  'apps/ReplicaSet': plain(true),
  '/ReplicationController': plain(true),
  'apps/StatefulSet': plain(false),
  'apps/DaemonSet': plain(false),
  'batch/Job': plain(true),
  'batch/CronJob': {
    path: 'spec.jobTemplate.spec.template',
    of: (object) => object.spec?.jobTemplate?.spec?.template,
    names: true,
  },
  '/PodTemplate': { path: 'template', of: (object) => object.template, names: false },
}

function ofTemplate({ path, of, names }: Template, object: any, old: any): string[] {
  const pod = of(object)
  if (!pod?.spec || (old && equal(pod, of(old)))) return []
  const use = 'this is used in Pod names and hostnames'
  return [...(names && !old ? hostname(object, use) : []), ...ofPod(pod, `${path}.`, undefined)]
}

function hostname({ metadata }: any, use: string): string[] {
  if (!metadata.name) return []
  const problems = metadata.name.includes('.') && dnsLabel(metadata.name.replaceAll('.', '')).length === 0
  const list = problems ? ['must not contain dots'] : dnsLabel(metadata.name)
  if (list.length === 0) return []
  return [
    `metadata.name: ${use}, which can result in surprising behavior; a DNS label is recommended: [${list.join(' ')}]`,
  ]
}

const deprecatedLabels: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods': 'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
}

function ofPod({ metadata, spec }: any, path: string, old: any): string[] {
  if (old && equal(spec, old.spec)) return []
  const out: string[] = []
  const at = (field: string) => `${path}spec.${field}`
  for (const label in spec.nodeSelector)
    if (deprecatedLabels[label]) out.push(`${at('nodeSelector')}[${label}]: ${deprecatedLabels[label]}`)
  for (const [i, spread] of (spec.topologySpreadConstraints ?? []).entries()) {
    const here = `${at('topologySpreadConstraints')}[${i}]`
    const deprecated = deprecatedLabels[spread.topologyKey]
    if (deprecated) out.push(`${here}.topologyKey: ${spread.topologyKey} is ${deprecated}`)
    if (!spread.labelSelector) out.push(`${here}.labelSelector: a null labelSelector results in matching no pod`)
  }
  for (const [i, volume] of (spec.volumes ?? []).entries())
    if (volume.gitRepo)
      out.push(`${at('volumes')}[${i}].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`)
  out.push(
    ...twice(spec.hostAliases, 'ip', at('hostAliases')),
    ...twice(spec.imagePullSecrets, 'name', at('imagePullSecrets')),
  )
  for (const [i, secret] of (spec.imagePullSecrets ?? []).entries())
    if (!secret.name) out.push(`${at('imagePullSecrets')}[${i}].name: invalid empty name ""`)
  const containers = ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
    (spec[list] ?? []).map((container: any, i: number) => ({ container, at: `${at(list)}[${i}]` })),
  )
  for (const { container, at: here } of containers) {
    const annotation = `container.apparmor.security.beta.kubernetes.io/${container.name}`
    if (path !== '' && metadata?.annotations?.[annotation] !== undefined && !container.securityContext?.appArmorProfile)
      out.push(
        `${path}metadata.annotations[${annotation}]: deprecated since v1.30; use the "appArmorProfile" field instead`,
      )
    out.push(...fractions(container.resources, `${here}.resources`), ...hidden(container.env ?? [], `${here}.env`))
  }
  out.push(...ports(containers))
  if (spec.terminationGracePeriodSeconds < 0) {
    const problem = 'must be >= 0; negative values are invalid and will be treated as 1'
    out.push(`${at('terminationGracePeriodSeconds')}: ${problem}`)
  }
  for (const kind of ['podAffinity', 'podAntiAffinity']) {
    const terms = spec.affinity?.[kind] ?? {}
    const nothing = 'a null labelSelector results in matching no pod'
    for (const [i, term] of (terms.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      if (!term.labelSelector)
        out.push(
          `${at('affinity')}.${kind}.requiredDuringSchedulingIgnoredDuringExecution[${i}].labelSelector: ${nothing}`,
        )
    for (const [i, { podAffinityTerm }] of (terms.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      if (!podAffinityTerm?.labelSelector)
        out.push(
          `${at('affinity')}.${kind}.preferredDuringSchedulingIgnoredDuringExecution[${i}].podAffinityTerm.labelSelector: ${nothing}`,
        )
  }
  return out
}

function twice(list: any[] | undefined, field: string, path: string): string[] {
  const seen = new Set<unknown>()
  return (list ?? []).flatMap((item, i) => {
    const again = seen.has(item[field])
    seen.add(item[field])
    return again ? [`${path}[${i}].${field}: duplicate ${field} ${JSON.stringify(item[field])}`] : []
  })
}

function fractions(resources: any, path: string): string[] {
  return ['memory', 'ephemeral-storage'].flatMap((name) =>
    ['limits', 'requests'].flatMap((list) => {
      const amount = resources?.[list]?.[name]
      const bytes = amount === undefined ? undefined : parseQuantity(amount)
      if (bytes === undefined || Number.isInteger(bytes)) return []
      return [
        `${path}.${list}[${name}]: fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`,
      ]
    }),
  )
}

/** Variables that come twice: the later one hides the earlier, unless it is made from it. */
function hidden(env: any[], path: string): string[] {
  const seen = new Set<string>()
  return env.flatMap((variable, i) => {
    const reference = `$(${variable.name})`
    const again = seen.has(variable.name)
    seen.add(variable.name)
    const grows = !variable.valueFrom && variable.value !== reference && (variable.value ?? '').includes(reference)
    if (!again || grows) return []
    const problem = `hides previous definition of ${JSON.stringify(variable.name)}, which may be dropped when using apply`
    return [`${path}[${i}]: ${problem}`]
  })
}

function ports(containers: readonly { container: any; at: string }[]): string[] {
  const out: string[] = []
  const all = containers.flatMap(({ container, at }) =>
    (container.ports ?? []).map((port: any, i: number) => ({ port, at: `${at}.ports[${i}]` })),
  )
  for (const [index, { port, at }] of all.entries()) {
    for (const { port: other, at: there } of all.slice(0, index)) {
      if (other.containerPort !== port.containerPort || other.protocol !== port.protocol) continue
      const [mine, theirs] = [port.hostPort ?? 0, other.hostPort ?? 0]
      const [here, elsewhere] = [port.hostIP ?? '', other.hostIP ?? '']
      if (here === elsewhere && mine === theirs) out.push(`${at}: duplicate port definition with ${there}`)
      else if (mine === 0 || theirs === 0) out.push(`${at}: overlapping port definition with ${there}`)
      else if (mine === theirs && (here === '') !== (elsewhere === ''))
        out.push(`${at}: dangerously ambiguous port definition with ${there}`)
    }
  }
  const named = new Map<string, string>()
  for (const { port, at } of all) {
    if (!port.name) continue
    const first = named.get(port.name)
    if (first === undefined) named.set(port.name, at)
    else
      out.push(
        `${at}: duplicate port name ${JSON.stringify(port.name)} with ${first}, services and probes that select ports by name will use ${first}`,
      )
  }
  return out
}

function ofService({ metadata, spec }: any): string[] {
  const out: string[] = []
  if (metadata.annotations?.['service.kubernetes.io/topology-aware-hints'] !== undefined)
    out.push(
      'annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead',
    )
  const external = spec.externalIPs?.length > 0
  const headless = spec.type === 'ClusterIP' && spec.clusterIP === 'None'
  if (headless) {
    if (spec.loadBalancerIP) out.push('spec.loadBalancerIP is ignored for headless services')
    if (external) out.push('spec.externalIPs is ignored for headless services')
    if (spec.sessionAffinity !== 'None') out.push('spec.SessionAffinity is ignored for headless services')
  }
  if (external && !headless && spec.type !== 'ExternalName')
    out.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
  if (external && spec.type === 'ExternalName') out.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  if (spec.type !== 'ExternalName' && spec.externalName)
    out.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  if (spec.trafficDistribution === 'PreferClose')
    out.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
  return out
}
