import type { Cluster } from './cluster.ts'
import type { NodeInfo } from './node-info.ts'
import { termMatches, tolerates } from './node-match.ts'
import type { PodInfo } from './pod-info.ts'
import { spreadState } from './spread.ts'
import { termSelects } from './terms.ts'

/** Weights of upstream's default profile. */
const weights = { taints: 3, nodeAffinity: 2, spread: 2, podAffinity: 2, leastAllocated: 1, balanced: 1 }

/** How well each node suits the pod; higher is better. Each part is 0–100 before its weight. */
export function score(pod: PodInfo, nodes: readonly NodeInfo[], cluster: Cluster): number[] {
  const sums = nodes.map(
    (node) => weights.leastAllocated * leastAllocated(pod, node) + weights.balanced * balanced(pod, node),
  )
  const add = (weight: number, part: number[] | undefined) => {
    for (let index = 0; part && index < sums.length; index++) sums[index] += weight * part[index]
  }
  add(weights.taints, intolerance(pod, nodes))
  add(weights.nodeAffinity, nodePreference(pod, nodes))
  add(weights.spread, evenness(pod, nodes, cluster))
  add(weights.podAffinity, company(pod, nodes, cluster))
  return sums
}

/** The mean free share of CPU and memory with the pod on the node. */
function leastAllocated(pod: PodInfo, node: NodeInfo): number {
  return (
    (free(node.allocatableCpu, node.scoreCpu + pod.scoreCpu) +
      free(node.allocatableMemory, node.scoreMemory + pod.scoreMemory)) /
    2
  )
}

function free(capacity: number, used: number): number {
  return capacity <= 0 || used >= capacity ? 0 : ((capacity - used) * 100) / capacity
}

/** CPU and memory filled to the same degree score 100 (the standard deviation of two shares is half their difference). */
function balanced(pod: PodInfo, node: NodeInfo): number {
  const cpu = share(node.scoreCpu + pod.scoreCpu, node.allocatableCpu)
  const memory = share(node.scoreMemory + pod.scoreMemory, node.allocatableMemory)
  return (1 - Math.abs(cpu - memory) / 2) * 100
}

function share(used: number, capacity: number): number {
  return capacity <= 0 ? 1 : Math.min(1, used / capacity)
}

/** Fewer PreferNoSchedule taints that the pod does not tolerate are better. */
function intolerance(pod: PodInfo, nodes: readonly NodeInfo[]): number[] | undefined {
  if (nodes.every(({ taints }) => taints.length === 0)) return undefined
  const counts = nodes.map(
    ({ taints }) =>
      taints.filter(
        (taint) =>
          taint.effect === 'PreferNoSchedule' && !pod.tolerations.some((toleration) => tolerates(toleration, taint)),
      ).length,
  )
  const most = Math.max(...counts)
  return counts.map((count) => (most === 0 ? 100 : 100 - (100 * count) / most))
}

function nodePreference(pod: PodInfo, nodes: readonly NodeInfo[]): number[] | undefined {
  const preferred = pod.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution
  if (!preferred?.length) return undefined
  const sums = nodes.map((node) =>
    preferred.reduce((sum, { preference, weight }) => sum + (termMatches(preference, node) ? weight : 0), 0),
  )
  const most = Math.max(...sums)
  return most === 0 ? undefined : sums.map((sum) => (100 * sum) / most)
}

/** ScheduleAnyway constraints and the defaults: the emptier a node's domains, the better. */
function evenness(pod: PodInfo, nodes: readonly NodeInfo[], cluster: Cluster): number[] | undefined {
  const soft = pod.spread.filter(({ hard }) => !hard)
  if (soft.length === 0 || nodes.length < 2) return undefined
  const states = soft.map((constraint) => {
    const state = spreadState(constraint, pod, cluster)
    return { ...state, weight: Math.log(state.size + 2) }
  })
  const raw = nodes.map((node) => {
    let sum = 0
    for (const { constraint, domains, weight } of states) {
      const value = node.labels[constraint.topologyKey]
      if (value !== undefined) sum += (domains.get(value) ?? 0) * weight + (constraint.maxSkew - 1)
      else if (constraint.owner === undefined) return undefined
    }
    return Math.round(sum * 1000) / 1000
  })
  const known = raw.filter((value) => value !== undefined)
  const most = Math.max(...known)
  const least = Math.min(...known)
  return raw.map((value) => {
    if (value === undefined) return 0
    return most === 0 ? 100 : (100 * (most + least - value)) / most
  })
}

/** Preferred affinity and anti-affinity, of the pod to others and of others to the pod. */
function company(pod: PodInfo, nodes: readonly NodeInfo[], cluster: Cluster): number[] | undefined {
  if (pod.preferred.length + cluster.attracting.size === 0) return undefined
  const pulls = new Map<string, number>()
  const pull = (topologyKey: string, node: string, weight: number) => {
    const value = cluster.node(node)?.labels[topologyKey]
    if (value === undefined) return
    const key = `${topologyKey}=${value}`
    pulls.set(key, (pulls.get(key) ?? 0) + weight)
  }
  if (pod.preferred.length > 0) {
    for (const { info, node } of cluster.placed()) {
      for (const term of pod.preferred) if (termSelects(term, info)) pull(term.topologyKey, node, term.weight)
    }
  }
  for (const { info, node } of cluster.attracting.values()) {
    for (const term of [...info.preferred, ...info.affinity])
      if (termSelects(term, pod)) pull(term.topologyKey, node, term.weight)
  }
  if (pulls.size === 0) return undefined
  const keys = new Set([...pulls.keys()].map((pair) => pair.slice(0, pair.indexOf('='))))
  const sums = nodes.map((node) => {
    let sum = 0
    for (const key of keys) sum += pulls.get(`${key}=${node.labels[key]}`) ?? 0
    return sum
  })
  const most = Math.max(...sums)
  const least = Math.min(...sums)
  return most === least ? undefined : sums.map((sum) => (100 * (sum - least)) / (most - least))
}
