import { controllerOf, type objects } from '#kube'
import { parseQuantity } from '#lib'

export interface AffinityTerm {
  topologyKey: string
  selector: objects.LabelSelector | undefined
  /** Namespaces whose pods count; undefined = all. */
  namespaces: ReadonlySet<string> | undefined
  weight: number
  /** Equal for terms that select the same pods by the same topology. */
  id: string
}

export interface SpreadConstraint {
  maxSkew: number
  topologyKey: string
  hard: boolean
  minDomains: number
  honorAffinity: boolean
  honorTaints: boolean
  /** Which pods of the namespace count: those a selector matches, or those of one owner. */
  selector: objects.LabelSelector | undefined
  owner?: string
  /** Equal for constraints that count the same pods by the same topology. */
  id: string
}

/** What scheduling needs to know of a pod, read once. CPU in millicores, memory in bytes. */
export interface PodInfo {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly labels: Record<string, string>
  readonly owner: string | undefined
  readonly deleting: boolean
  readonly priority: number
  /** May others be evicted for it? */
  readonly preempts: boolean
  /** creationTimestamp: of two equal pods the older is spared. */
  readonly created: string
  readonly cpu: number
  readonly memory: number
  /** Anything else that is requested: ephemeral-storage, GPUs … */
  readonly extended: ReadonlyMap<string, number> | undefined
  /** Requests with stand-ins (100m, 200Mi) where none are made; for scores only, so that such pods spread too. */
  readonly scoreCpu: number
  readonly scoreMemory: number
  /** `TCP:*:80` per host port. */
  readonly hostPorts: readonly { protocol: string; ip: string; port: number }[]
  readonly tolerations: readonly objects.Toleration[]
  readonly nodeSelector: Record<string, string> | undefined
  readonly nodeAffinity: objects.NodeAffinity | undefined
  readonly affinity: readonly AffinityTerm[]
  readonly antiAffinity: readonly AffinityTerm[]
  /** Negative weights are anti-affinity. */
  readonly preferred: readonly AffinityTerm[]
  readonly spread: readonly SpreadConstraint[]
}

const hostname = 'kubernetes.io/hostname'
const zone = 'topology.kubernetes.io/zone'
const defaultCpu = 100
const defaultMemory = 200 * 2 ** 20
const quantities = new Map<string, number>()

/** Parses quantities through a small memory: a cluster uses few different ones. */
export function quantity(value: string | number | undefined): number {
  if (value === undefined) return 0
  const key = String(value)
  let parsed = quantities.get(key)
  if (parsed === undefined) {
    if (quantities.size > 4096) quantities.clear()
    parsed = parseQuantity(value) ?? 0
    quantities.set(key, parsed)
  }
  return parsed
}

export function podInfo(pod: objects.Pod): PodInfo {
  const spec = pod.spec ?? ({ containers: [] } as objects.PodSpec)
  const totals = requests(spec)
  const { cpu = 0, memory = 0, ...rest } = totals.real
  const extended = Object.entries(rest).filter(([, amount]) => amount > 0)
  const { namespace = '', name = '', uid = '' } = pod.metadata
  const labels = pod.metadata.labels ?? {}
  const owner = controllerOf(pod as any)?.uid
  const { podAffinity, podAntiAffinity, nodeAffinity } = spec.affinity ?? {}
  return {
    uid,
    name,
    namespace,
    labels,
    owner,
    deleting: pod.metadata.deletionTimestamp !== undefined,
    priority: spec.priority ?? 0,
    preempts: spec.preemptionPolicy !== 'Never',
    created: pod.metadata.creationTimestamp ?? '',
    cpu: Math.ceil(cpu * 1000 - 1e-6),
    memory,
    extended: extended.length > 0 ? new Map(extended) : undefined,
    scoreCpu: totals.scoreCpu,
    scoreMemory: totals.scoreMemory,
    hostPorts: hostPorts(spec),
    tolerations: spec.tolerations ?? [],
    nodeSelector: spec.nodeSelector,
    nodeAffinity,
    affinity: (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => read(term, pod, 1)),
    antiAffinity: (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
      read(term, pod, 1),
    ),
    preferred: [
      ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm, weight }) =>
        read(podAffinityTerm, pod, weight),
      ),
      ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm, weight }) =>
        read(podAffinityTerm, pod, -weight),
      ),
    ],
    spread: spreadConstraints(spec, labels, owner),
  }
}

function read(term: objects.PodAffinityTerm, pod: objects.Pod, weight: number): AffinityTerm {
  const all = term.namespaceSelector !== undefined && Object.keys(term.namespaceSelector).length === 0
  const names = term.namespaces?.length ? term.namespaces : [pod.metadata.namespace ?? '']
  const selector = withMatchLabelKeys(term.labelSelector, term.matchLabelKeys, pod.metadata.labels)
  return {
    id: JSON.stringify([term.topologyKey, selector, all || [...names].sort()]),
    topologyKey: term.topologyKey,
    selector,
    namespaces: all ? undefined : new Set(names),
    weight,
  }
}

/** matchLabelKeys narrow a selector to pods that carry the pod's own values. */
function withMatchLabelKeys(
  selector: objects.LabelSelector | undefined,
  keys: readonly string[] | undefined,
  labels: Record<string, string> | undefined,
): objects.LabelSelector | undefined {
  const present = (keys ?? []).filter((key) => labels?.[key] !== undefined)
  if (!selector || present.length === 0) return selector
  const own = Object.fromEntries(present.map((key) => [key, labels![key]]))
  return { ...selector, matchLabels: { ...selector.matchLabels, ...own } }
}

/** A pod that says nothing, but has an owner, is spread softly with its siblings (upstream's system defaults). */
function spreadConstraints(
  spec: objects.PodSpec,
  labels: Record<string, string>,
  owner: string | undefined,
): SpreadConstraint[] {
  const constraints = spec.topologySpreadConstraints ?? []
  const common = { hard: false, minDomains: 1, honorAffinity: true, honorTaints: false }
  if (constraints.length === 0) {
    if (!owner) return []
    return [
      { ...common, maxSkew: 3, topologyKey: hostname, selector: undefined, owner, id: `${owner} ${hostname}` },
      { ...common, maxSkew: 5, topologyKey: zone, selector: undefined, owner, id: `${owner} ${zone}` },
    ]
  }
  return constraints.map((constraint) => {
    const selector = withMatchLabelKeys(constraint.labelSelector, constraint.matchLabelKeys, labels)
    return {
      id: JSON.stringify([selector, constraint.topologyKey]),
      selector,
      maxSkew: constraint.maxSkew,
      topologyKey: constraint.topologyKey,
      hard: constraint.whenUnsatisfiable !== 'ScheduleAnyway',
      minDomains: constraint.minDomains ?? 1,
      honorAffinity: constraint.nodeAffinityPolicy !== 'Ignore',
      honorTaints: constraint.nodeTaintsPolicy === 'Honor',
    }
  })
}

function hostPorts(spec: objects.PodSpec): PodInfo['hostPorts'] {
  const found: { protocol: string; ip: string; port: number }[] = []
  for (const container of spec.containers) {
    for (const { hostPort, protocol = 'TCP', hostIP } of container.ports ?? []) {
      if (hostPort) found.push({ protocol, ip: hostIP || '0.0.0.0', port: hostPort })
    }
  }
  return found
}

type Amounts = Record<string, number>

/**
 * What a pod needs at its widest: containers and sidecars together, or one init container beside the sidecars started
 * before it, whichever is more; plus overhead (resource helpers, KEP-753).
 */
function requests(spec: objects.PodSpec): { real: Amounts; scoreCpu: number; scoreMemory: number } {
  const real: Amounts = {}
  let scoreCpu = 0
  let scoreMemory = 0
  for (const container of spec.containers) {
    const wanted = container.resources?.requests as Record<string, string> | undefined
    addInto(real, wanted)
    scoreCpu += wanted?.['cpu'] === undefined ? defaultCpu : quantity(wanted['cpu']) * 1000
    scoreMemory += wanted?.['memory'] === undefined ? defaultMemory : quantity(wanted['memory'])
  }
  if (spec.initContainers?.length) {
    const sidecars: Amounts = {}
    const widest: Amounts = {}
    for (const container of spec.initContainers) {
      const wanted = container.resources?.requests as Record<string, string> | undefined
      const here = { ...sidecars }
      addInto(here, wanted)
      if (container.restartPolicy === 'Always') addInto(sidecars, wanted)
      for (const name in here) widest[name] = Math.max(widest[name] ?? 0, here[name])
    }
    for (const name in sidecars) real[name] = (real[name] ?? 0) + sidecars[name]
    for (const name in widest) real[name] = Math.max(real[name] ?? 0, widest[name])
  }
  addInto(real, spec.overhead as Record<string, string> | undefined)
  return {
    real,
    scoreCpu: Math.max(scoreCpu, (real['cpu'] ?? 0) * 1000),
    scoreMemory: Math.max(scoreMemory, real['memory'] ?? 0),
  }
}

function addInto(sums: Amounts, wanted: Record<string, string> | undefined): void {
  for (const name in wanted) sums[name] = (sums[name] ?? 0) + quantity(wanted[name])
}
