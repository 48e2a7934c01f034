import { matches, type objects } from '#kube'
import type { Cluster, Placed } from './cluster.ts'
import { neighbourhood } from './neighbours.ts'
import type { NodeInfo } from './node-info.ts'
import { type Refusals, refuseWithNominated } from './place.ts'
import type { PodInfo } from './pod-info.ts'

const noVictims = 'No preemption victims found for incoming pod'
const notHelpful = 'Preemption is not helpful for scheduling'

export interface Sacrifice {
  node: string
  /** Who has to go, the most important first. */
  victims: PodInfo[]
  /** How many of them a PodDisruptionBudget would have kept. */
  violations: number
}

/**
 * Chooses a node and pods of lower priority on it whose eviction makes a pod fit (upstream's DefaultPreemption): as few as
 * needed, the least important, and such that budgets protect only where nothing else helps. Else `reasons` says why not, for the
 * message.
 */
export function preempt(
  pod: PodInfo,
  { total, open }: Refusals,
  cluster: Cluster,
  budgets: readonly objects.PodDisruptionBudget[],
): Sacrifice | { node?: undefined; reasons: Map<string, number> | string } {
  if (!pod.preempts) return { reasons: 'not eligible due to preemptionPolicy=Never' }
  if (waitsForVictims(pod, cluster)) return { reasons: 'not eligible due to a terminating pod on the nominated node' }
  const reasons = new Map<string, number>()
  const add = (reason: string, count = 1) => reasons.set(reason, (reasons.get(reason) ?? 0) + count)
  if (total > open.length) add(notHelpful, total - open.length)
  if (open.length > 0 && !cluster.hasBelow(pod.priority)) {
    add(noVictims, open.length)
    return { reasons }
  }
  // In a large cluster a share of the nodes is enough to choose from.
  const enough = Math.max(100, Math.floor(total / 10))
  const found: Sacrifice[] = []
  for (const node of open) {
    const sacrifice = victimsOn(pod, node, cluster, budgets)
    if ('victims' in sacrifice) found.push(sacrifice)
    else for (const reason of sacrifice.reasons) add(reason)
    if (found.length >= enough) break
  }
  if (found.length === 0) return { reasons }
  return found.reduce((best, other) => (compare(other, best) < 0 ? other : best))
}

/** Room has been made already, and is about to be free. */
function waitsForVictims(pod: PodInfo, cluster: Cluster): boolean {
  const node = cluster.node(cluster.nominations.nodeOf(pod.uid) ?? '')
  for (const other of node?.pods.values() ?? [])
    if (other.priority < pod.priority && (other.deleting || cluster.evicted.has(other.uid))) return true
  return false
}

/** Takes all pods of lower priority away and puts back whom it can, those first that budgets protect. */
function victimsOn(
  pod: PodInfo,
  node: NodeInfo,
  cluster: Cluster,
  budgets: readonly objects.PodDisruptionBudget[],
): Sacrifice | { reasons: string[] } {
  const lower = [...node.pods.values()].filter(({ priority }) => priority < pod.priority).sort(byImportance)
  if (lower.length === 0) return { reasons: [noVictims] }
  const lifted = new Map<string, Placed>()
  const lift = ({ uid }: PodInfo) => {
    const placed = cluster.lift(uid)
    if (placed) lifted.set(uid, placed)
  }
  const refusal = () => refuseWithNominated(pod, node, neighbourhood(pod, cluster), cluster)
  for (const each of lower) lift(each)
  try {
    const refused = refusal()
    if (refused) return { reasons: refused.reasons }
    const { violating, harmless } = split(lower, budgets)
    const victims: PodInfo[] = []
    let violations = 0
    for (const each of [...violating, ...harmless]) {
      cluster.restore(lifted.get(each.uid)!)
      lifted.delete(each.uid)
      if (!refusal()) continue
      lift(each)
      victims.push(each)
      if (violating.includes(each)) violations++
    }
    return { node: node.name, victims: victims.sort(byImportance), violations }
  } finally {
    for (const placed of lifted.values()) cluster.restore(placed)
  }
}

/** Higher priority first, then the older. */
function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  if (a.created !== b.created) return a.created < b.created ? -1 : 1
  return a.name < b.name ? -1 : 1
}

/** Whom budgets still allow to go, and whom not; each pod takes from every budget that selects it. */
function split(
  pods: readonly PodInfo[],
  budgets: readonly objects.PodDisruptionBudget[],
): { violating: PodInfo[]; harmless: PodInfo[] } {
  const allowed = budgets.map(({ status }) => status?.disruptionsAllowed ?? 0)
  const violating: PodInfo[] = []
  const harmless: PodInfo[] = []
  for (const pod of pods) {
    let violates = false
    for (const [index, { metadata, spec, status }] of budgets.entries()) {
      if (metadata.namespace !== pod.namespace || !matches(spec?.selector, pod.labels)) continue
      if (status?.disruptedPods?.[pod.name] !== undefined) continue
      allowed[index]--
      if (allowed[index] < 0) violates = true
    }
    const list = violates ? violating : harmless
    list.push(pod)
  }
  return { violating, harmless }
}

/**
 * Fewer violations; then the most important victim less important; then less priority in sum; then fewer victims; then the
 * most important victims younger (upstream's pickOneNodeForPreemption).
 */
function compare(a: Sacrifice, b: Sacrifice): number {
  const rank = ({ violations, victims }: Sacrifice) => [
    violations,
    victims[0]?.priority ?? Number.NEGATIVE_INFINITY,
    // Shifted, so that more victims of negative priority are not less.
    victims.reduce((sum, { priority }) => sum + priority + 2 ** 31, 0),
    victims.length,
  ]
  const [left, right] = [rank(a), rank(b)]
  for (const [index, value] of left.entries()) if (value !== right[index]) return value - right[index]
  const earliest = ({ victims }: Sacrifice) =>
    victims
      .filter(({ priority }) => priority === victims[0].priority)
      .map(({ created }) => created)
      .sort()[0] ?? ''
  return earliest(a) > earliest(b) ? -1 : earliest(a) < earliest(b) ? 1 : 0
}
