import type { Cluster } from './cluster.ts'
import { refuse } from './filters.ts'
import { neighbourhood } from './neighbours.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { score } from './scores.ts'

export type Placement = { node: string; message?: undefined } | { node?: undefined; message: string }

/**
 * Finds the node for a pod. In large clusters only a share of the feasible nodes is looked for (as upstream's adaptive
 * percentageOfNodesToScore), beginning where the last search ended, so that all get their turn.
 */
export class Placer {
  readonly #cluster: Cluster
  #start = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  place(pod: PodInfo): Placement {
    const { nodes } = this.#cluster
    if (nodes.length === 0) return { message: 'no nodes available to schedule pods' }
    const around = neighbourhood(pod, this.#cluster)
    const enough = feasibleEnough(nodes.length)
    const feasible: NodeInfo[] = []
    const refused = new Map<string, number>()
    let hopeless = 0
    let looked = 0
    for (; looked < nodes.length && feasible.length < enough; looked++) {
      const node = nodes[(this.#start + looked) % nodes.length]
      const refusal = refuse(pod, node, around)
      if (!refusal) {
        feasible.push(node)
        continue
      }
      if (refusal.final) hopeless++
      for (const reason of refusal.reasons) refused.set(reason, (refused.get(reason) ?? 0) + 1)
    }
    this.#start = (this.#start + looked) % nodes.length
    if (feasible.length === 0) return { message: explain(nodes.length, refused, hopeless) }
    if (feasible.length === 1) return { node: feasible[0].name }
    const scores = score(pod, feasible, this.#cluster)
    let best = 0
    for (let index = 1; index < scores.length; index++) if (scores[index] > scores[best] + 1e-9) best = index
    return { node: feasible[best].name }
  }
}

/** All up to 100 nodes; beyond, 50 % shrinking to 5 % as the cluster grows. */
export function feasibleEnough(nodes: number): number {
  if (nodes <= 100) return nodes
  const percent = Math.max(5, 50 - Math.floor(nodes / 125))
  return Math.max(100, Math.floor((nodes * percent) / 100))
}

/** Upstream's FitError text, so that `kubectl describe` reads as everywhere. */
export function explain(total: number, refused: ReadonlyMap<string, number>, hopeless: number): string {
  const reasons = [...refused].map(([reason, count]) => `${count} ${reason}`).sort()
  const preemption = [
    ...(total > hopeless ? [`${total - hopeless} No preemption victims found for incoming pod`] : []),
    ...(hopeless > 0 ? [`${hopeless} Preemption is not helpful for scheduling`] : []),
  ]
  return (
    `0/${total} nodes are available: ${reasons.join(', ')}. ` +
    `preemption: 0/${total} nodes are available: ${preemption.join(', ')}.`
  )
}
