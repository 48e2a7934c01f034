import { getCondition, type objects } from '#kube'
import { backoffDelay } from '#lib'
import { isTerminal } from '../shared/index.ts'
import { failureAction } from './failure-policy.ts'
import { parseIndexes } from './indexes.ts'
import {
  failuresBefore,
  indexOf,
  isIndexed,
  isPerIndex,
  pause,
  replacesOnlyFailed,
  trackingFinalizer,
} from './kinds.ts'

type Job = objects.Job
type Pod = objects.Pod

export interface Tally {
  /** Counted, and through untracking about to be. */
  succeeded: number
  failed: number
  /** With those that are only noted so far. */
  allSucceeded: number
  allFailed: number
  completed: Set<number>
  /** Indexes that have failed for good. */
  failedIndexes: Set<number>
  /** Indexes that have failed and are to be tried again, and from when (ms since the epoch). */
  retries: Map<number, { failures: number; notBefore: number }>
  /** What status will still have to count. */
  uncounted: { succeeded?: string[]; failed?: string[] }
  pending: number
  failJob?: string
  untrack: Pod[]
  newlySucceeded: number
  newlyFailed: number
}

/**
 * Moves finished pods through the stages noted → untracked → counted. Once it is decided how the Job ends, how the pods that still ran
 * end decides nothing: of a Job that failed they have failed, of one that met its success criteria they are not counted.
 */
export function count({ job, pods }: { job: Job; pods: readonly Pod[] }): Tally {
  const before = (job.status ?? {}) as Record<string, any>
  const noted = {
    succeeded: new Set<string>(before.uncountedTerminatedPods?.succeeded ?? []),
    failed: new Set<string>(before.uncountedTerminatedPods?.failed ?? []),
  }
  const completions = job.spec?.completions ?? 0
  const end = endOf(job)?.type
  const completed = parseIndexes(before.completedIndexes, completions)
  const failedIndexes = isPerIndex(job) ? parseIndexes(before.failedIndexes, completions) : new Set<number>()
  const fresh = { succeeded: [] as string[], failed: [] as string[] }
  const untrack: Pod[] = []
  let failJob: string | undefined
  const failing: { pod: Pod; ignored: boolean }[] = []
  for (const pod of pods) {
    const uid = pod.metadata.uid!
    if (!pod.metadata.finalizers?.includes(trackingFinalizer)) continue
    if (noted.succeeded.has(uid) || noted.failed.has(uid)) {
      untrack.push(pod)
      continue
    }
    if (end === 'SuccessCriteriaMet') {
      untrack.push(pod)
      continue
    }
    if (end === 'FailureTarget') {
      failing.push({ pod, ignored: failureAction(job, pod).action === 'Ignore' })
      continue
    }
    if (pod.status?.phase === 'Succeeded') {
      fresh.succeeded.push(uid)
      const index = indexOf(pod)
      if (index !== undefined && !failedIndexes.has(index)) completed.add(index)
    } else if (hasFailed(job, pod)) {
      const { action, message } = failureAction(job, pod)
      if (action === 'FailJob') failJob ??= message
      if (isPerIndex(job) && fails(job, pod, action) && !completed.has(indexOf(pod)!)) failedIndexes.add(indexOf(pod)!)
      failing.push({ pod, ignored: action === 'Ignore' })
    }
  }
  const retries = isPerIndex(job) && !end ? retriesOf(failing, completed, failedIndexes) : new Map()
  for (const { pod, ignored } of failing) {
    // The last failed pod of an index keeps the count of its failures until another carries it on.
    if (retries.has(indexOf(pod)!) && !isReplaced(pod, pods)) continue
    if (ignored) untrack.push(pod)
    else fresh.failed.push(pod.metadata.uid!)
  }
  // Ignored failures make the next try wait as well.
  const ignored = failing.filter((one) => one.ignored).length
  const succeeded = isIndexed(job) ? completed.size : (before.succeeded ?? 0) + noted.succeeded.size
  const failed = (before.failed ?? 0) + noted.failed.size
  return {
    succeeded,
    failed,
    allSucceeded: isIndexed(job) ? completed.size : succeeded + fresh.succeeded.length,
    allFailed: failed + fresh.failed.length,
    completed,
    failedIndexes,
    retries,
    uncounted: {
      ...(fresh.succeeded.length > 0 ? { succeeded: fresh.succeeded } : {}),
      ...(fresh.failed.length > 0 ? { failed: fresh.failed } : {}),
    },
    pending: fresh.succeeded.length + fresh.failed.length,
    failJob,
    untrack,
    newlySucceeded: fresh.succeeded.length,
    newlyFailed: fresh.failed.length + ignored,
  }
}

/** The condition that says how the Job ends, while its pods still do (KEP-3329, KEP-3998). */
export function endOf(job: Job): Record<string, any> | undefined {
  const conditions = (job.status?.conditions ?? []) as Record<string, any>[]
  return conditions.find(
    ({ type, status }) => (type === 'FailureTarget' || type === 'SuccessCriteriaMet') && status === 'True',
  )
}

/** Does this failure end its index? */
function fails(job: Job, pod: Pod, action: string): boolean {
  if (action === 'FailIndex') return true
  return action === 'Count' && failuresBefore(pod) + 1 > job.spec!.backoffLimitPerIndex!
}

function retriesOf(
  failing: readonly { pod: Pod; ignored: boolean }[],
  completed: ReadonlySet<number>,
  failedIndexes: ReadonlySet<number>,
): Tally['retries'] {
  const retries: Tally['retries'] = new Map()
  for (const { pod, ignored } of failing) {
    const index = indexOf(pod)!
    if (completed.has(index) || failedIndexes.has(index)) continue
    const failures = failuresBefore(pod) + (ignored ? 0 : 1)
    const known = retries.get(index)
    const notBefore = failures === 0 ? 0 : finishedAt(pod) + backoffDelay(failures - 1, pause)
    if (!known || known.failures < failures) retries.set(index, { failures, notBefore })
  }
  return retries
}

/** When a failed pod ended, as well as it can be told; ms since the epoch. It must not move with the clock. */
function finishedAt(pod: Pod): number {
  const ended = (pod.status?.containerStatuses ?? []).map(({ state }) => state?.terminated?.finishedAt)
  const { deletionTimestamp, creationTimestamp } = pod.metadata
  const known = (times: readonly (string | undefined)[]) =>
    times.map((time) => Date.parse(time ?? '')).filter((time) => !Number.isNaN(time))
  const ends = known(ended)
  if (ends.length > 0) return Math.max(...ends)
  return known([getCondition(pod, 'Ready')?.lastTransitionTime, deletionTimestamp, creationTimestamp])[0] ?? 0
}

/** Is there a pod of the same index that came after this one? */
function isReplaced(pod: Pod, pods: readonly Pod[]): boolean {
  const index = indexOf(pod)
  const born = pod.metadata.creationTimestamp ?? ''
  return pods.some((other) => {
    if (other === pod || indexOf(other) !== index) return false
    if (failuresBefore(other) !== failuresBefore(pod)) return failuresBefore(other) > failuresBefore(pod)
    return !isTerminal(other) || (other.metadata.creationTimestamp ?? '') > born
  })
}

/** A pod that was deleted counts as failed at once, unless only finished pods are to be replaced. */
function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  const waits = replacesOnlyFailed(job) || job.spec?.podFailurePolicy !== undefined
  return !waits && pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod)
}
