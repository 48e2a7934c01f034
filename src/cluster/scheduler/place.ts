import type { Cluster } from './cluster.ts'
import { type Refusal, refuse } from './filters.ts'
import { type Neighbourhood, neighbourhood } from './neighbours.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { score } from './scores.ts'

/** Where a pod goes, or why it goes nowhere. */
export type Placement = { node: string; refusals?: undefined } | { node?: undefined; refusals: Refusals }

export interface Refusals {
  /** How many nodes there are. */
  total: number
  /** How many nodes refused for a reason. */
  reasons: Map<string, number>
  /** Nodes that evictions could make fit. */
  open: NodeInfo[]
}

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
    if (nodes.length === 0) return { refusals: { total: 0, reasons: new Map(), open: [] } }
    const around = neighbourhood(pod, this.#cluster)
    const nominated = this.#cluster.node(this.#cluster.nominations.nodeOf(pod.uid) ?? '')
    if (nominated && !refuseWithNominated(pod, nominated, around, this.#cluster)) return { node: nominated.name }
    const enough = feasibleEnough(nodes.length)
    const feasible: NodeInfo[] = []
    const reasons = new Map<string, number>()
    const open: NodeInfo[] = []
    let looked = 0
    for (; looked < nodes.length && feasible.length < enough; looked++) {
      const node = nodes[(this.#start + looked) % nodes.length]
      const refusal = refuseWithNominated(pod, node, around, this.#cluster)
      if (!refusal) {
        feasible.push(node)
        continue
      }
      if (!refusal.final) open.push(node)
      for (const reason of refusal.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    }
    this.#start = (this.#start + looked) % nodes.length
    if (feasible.length === 0) return { refusals: { total: nodes.length, reasons, open } }
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

/** As `refuse`, with what the node is being cleared for: a pod of no lower priority keeps the room it was promised. */
export function refuseWithNominated(
  pod: PodInfo,
  node: NodeInfo,
  around: Neighbourhood,
  cluster: Cluster,
): Refusal | undefined {
  const guests = cluster.nominations.on(node.name, pod)
  if (guests.length === 0) return refuse(pod, node, around)
  for (const guest of guests) node.add(guest)
  const refusal = refuse(pod, node, around)
  for (const guest of guests) node.remove(guest.uid)
  return refusal
}

/**
 * Upstream's FitError text, so that `kubectl describe` reads as everywhere.
 *
 * @param preemption what came of looking for victims; undefined = there are some
 */
export function explain({ total, reasons }: Refusals, preemption: ReadonlyMap<string, number> | string | undefined) {
  if (total === 0) return 'no nodes available to schedule pods'
  const text = `0/${total} nodes are available: ${list(reasons)}.`
  if (preemption === undefined) return text
  // Devices are not claimed here, so none can be taken from others.
  const claims = 'no new claims to deallocate'
  if (typeof preemption === 'string') return `${text} ${claims}, preemption: ${preemption}.`
  return `${text} ${claims}, preemption: 0/${total} nodes are available: ${list(preemption)}.`
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ')
}
