import { getCondition, type objects } from '#kube'

/** Succeeded and Failed pods are finished: they never run again. */
export function isTerminal(pod: objects.Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** Counts towards its owner's replicas: neither finished nor being deleted (upstream's IsPodActive). */
export function isActive(pod: objects.Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined
}

export function isReady(pod: objects.Pod): boolean {
  return getCondition(pod, 'Ready')?.status === 'True'
}

/** Milliseconds until a ready pod counts as available (ready for minReadySeconds); 0 = it does; undefined = it is not ready. */
export function availableIn(pod: objects.Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = getCondition(pod, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds <= 0) return 0
  const since = Date.parse(ready.lastTransitionTime ?? '')
  if (Number.isNaN(since)) return undefined
  return Math.max(0, since + minReadySeconds * 1000 - now)
}

export function isAvailable(pod: objects.Pod, minReadySeconds: number, now: number): boolean {
  return availableIn(pod, minReadySeconds, now) === 0
}

/** Container restarts of a pod, init containers excluded. */
export function restarts(pod: objects.Pod): number {
  let sum = 0
  for (const status of pod.status?.containerStatuses ?? []) sum += status.restartCount ?? 0
  return sum
}
