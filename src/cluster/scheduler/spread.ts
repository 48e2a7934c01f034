import { matches } from '#kube'
import type { NodeInfo } from './node-info.ts'
import { nodeMatches, untolerated } from './node-match.ts'
import type { PodInfo, SpreadConstraint } from './pod-info.ts'

/** Something counted per value of a topology label. */
export type Domains = Map<string, number>

/** How the pods that a constraint counts lie over the domains that a pod may go to. */
export interface SpreadState {
  constraint: SpreadConstraint
  /** Domains without a pod may be missing. */
  domains: Domains
  /** How many domains there are. */
  size: number
  /** The fewest pods in any domain; only known for hard constraints. */
  least: number
  /** 1 when the pod itself counts. */
  self: number
}

/** What the state is read from: the Cluster. */
interface Source {
  readonly nodes: readonly NodeInfo[]
  node(name: string): NodeInfo | undefined
  placed(namespace: string): Iterable<{ info: PodInfo; node: string }>
  topology(key: string): Domains
  domains(namespace: string, constraint: SpreadConstraint): Domains
}

/** Where every node is eligible, as for most pods, the counts are kept from pod to pod; else they are made for this one. */
export function spreadState(constraint: SpreadConstraint, pod: PodInfo, cluster: Source): SpreadState {
  const required = pod.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const anywhere = !constraint.honorAffinity || (!pod.nodeSelector && !required)
  const self = counts(constraint, pod) ? 1 : 0
  const kept = anywhere && !constraint.honorTaints
  const values = kept ? cluster.topology(constraint.topologyKey) : eligibleValues(constraint, pod, cluster)
  const domains = kept ? cluster.domains(pod.namespace, constraint) : countEligible(constraint, pod, cluster)
  let least = Number.POSITIVE_INFINITY
  if (constraint.hard) for (const value of values.keys()) least = Math.min(least, domains.get(value) ?? 0)
  if (values.size < constraint.minDomains || least === Number.POSITIVE_INFINITY) least = 0
  return { constraint, domains, size: values.size, least, self }
}

function eligibleValues(constraint: SpreadConstraint, pod: PodInfo, cluster: Source): Domains {
  const values: Domains = new Map()
  for (const node of cluster.nodes) {
    const value = node.labels[constraint.topologyKey]
    if (value !== undefined && !values.has(value) && eligible(constraint, pod, node)) values.set(value, 1)
  }
  return values
}

function countEligible(constraint: SpreadConstraint, pod: PodInfo, cluster: Source): Domains {
  const domains: Domains = new Map()
  for (const { info, node } of cluster.placed(pod.namespace)) {
    const on = cluster.node(node)
    if (info.deleting || !on || !counts(constraint, info) || !eligible(constraint, pod, on)) continue
    const value = on.labels[constraint.topologyKey]
    if (value !== undefined) domains.set(value, (domains.get(value) ?? 0) + 1)
  }
  return domains
}

/** Is this one of the pods that the constraint counts? */
export function counts(constraint: SpreadConstraint, pod: PodInfo): boolean {
  if (constraint.owner !== undefined) return pod.owner === constraint.owner
  return matches(constraint.selector, pod.labels)
}

function eligible(constraint: SpreadConstraint, pod: PodInfo, node: NodeInfo): boolean {
  if (constraint.honorAffinity && !nodeMatches(pod, node)) return false
  return !constraint.honorTaints || !untolerated(node.taints, pod.tolerations, ['NoSchedule', 'NoExecute'])
}
