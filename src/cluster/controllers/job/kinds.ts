import type { objects } from '#kube'

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
export const indexKey = 'batch.kubernetes.io/job-completion-index'
/** On pods of Jobs with backoffLimitPerIndex: how often their index had failed before them. */
export const failuresKey = 'batch.kubernetes.io/job-index-failure-count'

/** Pause after a failed pod: 10 s, doubling, at most 6 min (job controller's defaults). */
export const pause = { initial: 10_000, max: 360_000, jitter: 0 }

export function isIndexed(job: objects.Job): boolean {
  return job.spec?.completionMode === 'Indexed'
}

/** Every index has a limit of failures of its own (KEP-3850). */
export function isPerIndex(job: objects.Job): boolean {
  return isIndexed(job) && job.spec?.backoffLimitPerIndex !== undefined
}

export function indexOf(pod: objects.Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey]
  return text === undefined ? undefined : Number(text)
}

export function failuresBefore(pod: objects.Pod): number {
  return Number(pod.metadata.annotations?.[failuresKey] ?? 0) || 0
}

/** A pod that is being deleted is replaced only once it is finished (KEP-3939); the default where failures have a policy. */
export function replacesOnlyFailed(job: objects.Job): boolean {
  const { podReplacementPolicy, podFailurePolicy } = job.spec ?? {}
  return podReplacementPolicy ? podReplacementPolicy === 'Failed' : podFailurePolicy !== undefined
}
