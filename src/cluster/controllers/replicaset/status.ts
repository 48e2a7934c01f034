import { matchesLabels, type objects } from '#kube'
import { availableIn, isReady, setCondition, unlessZero, withoutCondition } from '../shared/index.ts'

export interface ReplicaSetStatusInput {
  replicaSet: objects.ReplicaSet
  /** Active pods, after adoption. */
  active: readonly objects.Pod[]
  terminating: number
  /** Why pods could not be created or deleted in this pass. */
  failure?: { reason: 'FailedCreate' | 'FailedDelete'; message: string }
  now: number
}

/** The status of a ReplicaSet, and when a pod that is ready will count as available (ms), if that is still to come. */
export function replicaSetStatus(input: ReplicaSetStatusInput): { status: Record<string, any>; nextIn?: number } {
  const { replicaSet, active, now } = input
  const minReady = replicaSet.spec?.minReadySeconds ?? 0
  const templateLabels = replicaSet.spec?.template?.metadata?.labels ?? {}
  let ready = 0
  let available = 0
  let labelled = 0
  let nextIn: number | undefined
  for (const pod of active) {
    if (matchesLabels(templateLabels, pod.metadata.labels)) labelled++
    if (!isReady(pod)) continue
    ready++
    const wait = availableIn(pod, minReady, now)
    if (wait === 0) available++
    else if (wait !== undefined) nextIn = Math.min(nextIn ?? wait, wait)
  }
  const before = (replicaSet.status?.conditions ?? []) as readonly Record<string, any>[]
  const conditions = input.failure
    ? setCondition(before, { type: 'ReplicaFailure', status: 'True', ...input.failure }, now)
    : withoutCondition(before, 'ReplicaFailure')
  return {
    nextIn,
    status: {
      replicas: active.length,
      fullyLabeledReplicas: unlessZero(labelled),
      readyReplicas: unlessZero(ready),
      availableReplicas: unlessZero(available),
      terminatingReplicas: input.terminating,
      observedGeneration: replicaSet.metadata.generation,
      conditions: conditions.length > 0 ? conditions : undefined,
    },
  }
}
