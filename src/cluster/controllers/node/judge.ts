import type { objects } from '#kube'

/** Without a renewal for so long a node counts as lost (upstream's node-monitor-grace-period). */
export const graceMs = 50_000

/** What has been seen of a node's lease, on our own monotonic clock: its writer's clock is not ours. */
export interface Sighting {
  renewTime: string
  seenAt: number
  /** When this node was last looked at. */
  lookedAt: number
}

/**
 * Notes a look at a node's lease. A renewal restarts the grace period; so does a gap in our own looking (the machine
 * slept, or this process stood still): who did not watch cannot say that nothing came. `dueMs` is when the look was due.
 */
export function sight(before: Sighting | undefined, renewTime: string, now: number, dueMs = graceMs): Sighting {
  const slept = before !== undefined && now - before.lookedAt > dueMs + 15_000
  if (!before || slept || before.renewTime !== renewTime) return { renewTime, seenAt: now, lookedAt: now }
  return { ...before, lookedAt: now }
}

export function isLost(sighting: Sighting, now: number, grace = graceMs): boolean {
  return now - sighting.seenAt >= grace
}

type Taint = Pick<objects.Taint, 'key' | 'effect'> & { timeAdded?: string }

const notReady = 'node.kubernetes.io/not-ready'
const unreachable = 'node.kubernetes.io/unreachable'
const cordoned = 'node.kubernetes.io/unschedulable'
/** Conditions that keep pods away, but evict none. */
const pressures: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
}
const managed = new Set([notReady, unreachable, cordoned, ...Object.values(pressures)])

/**
 * The taints that follow from a node's state: Ready False → not-ready, Ready Unknown → unreachable, each NoSchedule and
 * NoExecute; pressure and a missing network → NoSchedule; cordoned → unschedulable. Others' taints stay. The same array comes back
 * when nothing changes.
 */
export function taintsFor(node: objects.Node, ready: string, now: string): readonly Taint[] {
  const taints = (node.spec?.taints ?? []) as readonly Taint[]
  const wanted: Taint[] = []
  const want = (key: string, effect: string) => wanted.push({ key, effect, timeAdded: now })
  const bad = ready === 'False' ? notReady : ready === 'Unknown' ? unreachable : undefined
  if (bad) for (const effect of ['NoSchedule', 'NoExecute']) want(bad, effect)
  for (const { type, status } of node.status?.conditions ?? [])
    if (status === 'True' && pressures[type]) want(pressures[type], 'NoSchedule')
  if (node.spec?.unschedulable) want(cordoned, 'NoSchedule')
  const missing = wanted.filter((taint) => !taints.some((other) => same(other, taint)))
  const kept = taints.filter((taint) => !managed.has(taint.key) || wanted.some((other) => same(other, taint)))
  return missing.length === 0 && kept.length === taints.length ? taints : [...kept, ...missing]
}

function same(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect
}

/**
 * Milliseconds until a pod must leave a node because of its NoExecute taints, counted from when each taint was first
 * seen here; undefined = it may stay, 0 = now.
 */
export function evictIn(
  pod: objects.Pod,
  taints: readonly objects.Taint[],
  ageOf: (taint: objects.Taint) => number,
): number | undefined {
  let soonest: number | undefined
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint))
    if (matching.length === 0) return 0
    const limits = matching.map(({ tolerationSeconds }) => tolerationSeconds).filter((limit) => limit !== undefined)
    if (limits.length === 0) continue
    const left = Math.max(0, Math.min(...limits) * 1000 - ageOf(taint))
    soonest = Math.min(soonest ?? left, left)
  }
  return soonest
}

function tolerates(toleration: objects.Toleration, taint: objects.Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '')
}
