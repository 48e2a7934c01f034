import { matches } from '#kube'
import type { Cluster } from './cluster.ts'
import type { AffinityTerm, PodInfo } from './pod-info.ts'
import { type Domains, type SpreadState, spreadState } from './spread.ts'

export function termSelects(term: AffinityTerm, pod: PodInfo): boolean {
  return (term.namespaces?.has(pod.namespace) ?? true) && matches(term.selector, pod.labels)
}

/** What inter-pod rules need to know of the whole cluster for one pod, gathered before nodes are looked at. */
export interface Neighbourhood {
  /** Per required affinity term: where matching pods are. */
  affinity: Domains[]
  /** No pod matches any affinity term, but the pod itself does all: the first of its kind may go anywhere. */
  firstOfItsKind: boolean
  antiAffinity: Domains[]
  /** By topology key the values whose pods forbid this pod (their anti-affinity is symmetric). */
  forbidden: Map<string, Set<string>>
  spread: SpreadState[]
}

export function neighbourhood(pod: PodInfo, cluster: Cluster): Neighbourhood {
  const affinity = pod.affinity.map(() => new Map<string, number>())
  const antiAffinity = pod.antiAffinity.map(() => new Map<string, number>())
  if (affinity.length + antiAffinity.length > 0) {
    for (const { info, node } of cluster.placed()) {
      const labels = cluster.node(node)?.labels
      if (!labels) continue
      if (pod.affinity.every((term) => termSelects(term, info)))
        for (const [index, term] of pod.affinity.entries()) count(affinity[index], labels[term.topologyKey])
      for (const [index, term] of pod.antiAffinity.entries())
        if (termSelects(term, info)) count(antiAffinity[index], labels[term.topologyKey])
    }
  }
  const forbidden = new Map<string, Set<string>>()
  for (const { info, node } of cluster.repelling.values()) {
    const labels = cluster.node(node)?.labels
    for (const term of info.antiAffinity) {
      const value = labels?.[term.topologyKey]
      if (value === undefined) continue
      const values = forbidden.get(term.topologyKey)
      if (values?.has(value) || !termSelects(term, pod)) continue
      if (values) values.add(value)
      else forbidden.set(term.topologyKey, new Set([value]))
    }
  }
  return {
    affinity,
    firstOfItsKind:
      affinity.length > 0 &&
      affinity.every((domains) => domains.size === 0) &&
      pod.affinity.every((term) => termSelects(term, pod)),
    antiAffinity,
    forbidden,
    spread: pod.spread.filter(({ hard }) => hard).map((constraint) => spreadState(constraint, pod, cluster)),
  }
}

function count(domains: Domains, value: string | undefined, by = 1): void {
  if (value !== undefined) domains.set(value, (domains.get(value) ?? 0) + by)
}
