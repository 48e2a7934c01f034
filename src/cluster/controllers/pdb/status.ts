import type { objects } from '#kube'
import { rfc3339 } from '#lib'
import { isReady, isTerminal, scaled } from '../shared/index.ts'

/** How long an eviction that the API server has granted counts before the pod is seen to go (upstream: 2 min). */
const grantMs = 120_000

/**
 * The status of a PodDisruptionBudget. `expected` is how many pods the owners want; both bounds round up.
 * disruptionsAllowed is what the eviction subresource spends.
 */
export function budgetStatus(
  budget: objects.PodDisruptionBudget,
  pods: readonly objects.Pod[],
  expected: number,
  now: number,
): { status: Record<string, any>; nextIn?: number } {
  const granted: Record<string, string> = {}
  let nextIn: number | undefined
  for (const [name, time] of Object.entries((budget.status?.disruptedPods ?? {}) as Record<string, string>)) {
    const left = Date.parse(time) + grantMs - now
    const pod = pods.find(({ metadata }) => metadata.name === name)
    if (!pod || pod.metadata.deletionTimestamp !== undefined || left <= 0) continue
    granted[name] = time
    nextIn = Math.min(nextIn ?? left, left)
  }
  const counted = pods.filter((pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined)
  const healthy = counted.filter((pod) => isReady(pod) && granted[pod.metadata.name!] === undefined).length
  const { minAvailable, maxUnavailable } = budget.spec ?? {}
  let desired = 0
  if (maxUnavailable !== undefined) desired = Math.max(0, expected - scaled(maxUnavailable, expected, 'up'))
  else if (minAvailable !== undefined) desired = scaled(minAvailable, expected, 'up')
  const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0

  const before = (budget.status?.conditions ?? []) as Record<string, any>[]
  const old = before.find(({ type }) => type === 'DisruptionAllowed')
  const value = allowed > 0 ? 'True' : 'False'
  const condition = {
    type: 'DisruptionAllowed',
    status: value,
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    observedGeneration: budget.metadata.generation,
    lastTransitionTime: old?.['status'] === value ? old['lastTransitionTime'] : rfc3339(now),
  }
  return {
    nextIn,
    status: {
      observedGeneration: budget.metadata.generation,
      disruptionsAllowed: allowed,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      disruptedPods: Object.keys(granted).length > 0 ? granted : undefined,
      conditions: [...before.filter(({ type }) => type !== 'DisruptionAllowed'), condition],
    },
  }
}
