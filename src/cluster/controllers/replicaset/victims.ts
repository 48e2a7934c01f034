import type { objects } from '#kube'
import { isReady, restarts } from '../shared/index.ts'

type Pod = objects.Pod
const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 }

/**
 * Orders pods by who is given up first when scaling down (upstream's ActivePodsWithRanks): unassigned, then Pending,
 * then not ready, then the lower controller.kubernetes.io/pod-deletion-cost, then who shares a node with more siblings, then who has been
 * ready for less time (by magnitude), then more restarts, then the newer.
 */
export function victimsFirst(pods: readonly Pod[], now: number): Pod[] {
  const perNode = new Map<string, number>()
  for (const pod of pods) {
    const node = pod.spec?.nodeName
    if (node) perNode.set(node, (perNode.get(node) ?? 0) + 1)
  }
  const keyed = pods.map((pod) => ({ pod, rank: rankOf(pod, perNode, now) }))
  keyed.sort((a, b) => {
    for (let index = 0; index < a.rank.length; index++) {
      if (a.rank[index] !== b.rank[index]) return a.rank[index] - b.rank[index]
    }
    return a.pod.metadata.name! < b.pod.metadata.name! ? -1 : 1
  })
  return keyed.map(({ pod }) => pod)
}

/** Smaller is given up earlier, entry by entry. */
function rankOf(pod: Pod, perNode: Map<string, number>, now: number): number[] {
  const ready = isReady(pod)
  const readySince = ready
    ? Date.parse(pod.status!.conditions!.find(({ type }) => type === 'Ready')!.lastTransitionTime ?? '')
    : Number.NaN
  return [
    pod.spec?.nodeName ? 1 : 0,
    phaseRank[pod.status?.phase ?? 'Pending'] ?? 1,
    ready ? 1 : 0,
    deletionCost(pod),
    -(perNode.get(pod.spec?.nodeName ?? '') ?? 0),
    Number.isNaN(readySince) ? 0 : magnitude(now - readySince),
    -restarts(pod),
    magnitude(now - Date.parse(pod.metadata.creationTimestamp ?? '')),
  ]
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? '0'
  return /^-?\d+$/.test(text) ? Number(text) : 0
}

/** log2 of an age in ms, whole: pods of about the same age count as equal, so that chance spreads the load. */
function magnitude(age: number): number {
  return age > 0 ? Math.floor(Math.log2(age)) : 0
}
