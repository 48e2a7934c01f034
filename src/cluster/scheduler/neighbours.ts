import type { Cluster } from './cluster.ts'
import type { PodInfo } from './pod-info.ts'
import { type Domains, type SpreadState, spreadState } from './spread.ts'
import { type Repulsion, termSelects } from './terms.ts'

/** What inter-pod rules need to know of the whole cluster for one pod, gathered before nodes are looked at. Good until a pod is moved. */
export interface Neighbourhood {
  /** Per required affinity term: where the pods are that match all of them. */
  affinity: readonly Domains[]
  /** No pod matches any affinity term, but the pod itself does all: the first of its kind may go anywhere. */
  firstOfItsKind: boolean
  antiAffinity: readonly Domains[]
  /** The anti-affinity of others that forbids this pod (it is symmetric). */
  forbidden: readonly Repulsion[]
  spread: SpreadState[]
}

export function neighbourhood(pod: PodInfo, cluster: Cluster): Neighbourhood {
  const affinity = pod.affinity.length > 0 ? cluster.terms.selected(pod.affinity) : []
  const forbidden: Repulsion[] = []
  for (const repulsion of cluster.terms.repulsions()) if (termSelects(repulsion.term, pod)) forbidden.push(repulsion)
  return {
    affinity,
    firstOfItsKind:
      affinity.length > 0 &&
      affinity.every((domains) => domains.size === 0) &&
      pod.affinity.every((term) => termSelects(term, pod)),
    antiAffinity: pod.antiAffinity.map((term) => cluster.terms.selected([term])[0]),
    forbidden,
    spread: pod.spread.filter(({ hard }) => hard).map((constraint) => spreadState(constraint, pod, cluster)),
  }
}
