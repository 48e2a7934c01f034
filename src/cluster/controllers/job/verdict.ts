import type { objects } from '#kube'
import { restarts } from '../shared/index.ts'
import { parseIndexes } from './indexes.ts'
import { isIndexed, isPerIndex } from './kinds.ts'
import type { Tally } from './tally.ts'

type Job = objects.Job

export interface Verdict {
  type: 'Complete' | 'Failed'
  reason: string
  message: string
}

/** Is the Job over, and how? Failures are looked for first, as upstream does. */
export function judge(
  { job, now }: { job: Job; now: number },
  tally: Tally,
  active: readonly objects.Pod[],
  startTime: string | undefined,
): Verdict | undefined {
  const { backoffLimit = 6, activeDeadlineSeconds, completions, suspend } = job.spec ?? {}
  const failed = (reason: string, message: string): Verdict => ({ type: 'Failed', reason, message })
  if (tally.failJob) return failed('PodFailurePolicy', tally.failJob)
  if (tally.allFailed > backoffLimit || pastRestarts(job, active, backoffLimit))
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  if (activeDeadlineSeconds !== undefined && startTime && !suspend) {
    if (now - Date.parse(startTime) >= activeDeadlineSeconds * 1000)
      return failed('DeadlineExceeded', 'Job was active longer than specified deadline')
  }
  if (isPerIndex(job)) {
    const { maxFailedIndexes } = job.spec!
    if (maxFailedIndexes !== undefined && tally.failedIndexes.size > maxFailedIndexes)
      return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes')
    if (tally.failedIndexes.size > 0 && tally.completed.size + tally.failedIndexes.size >= (completions ?? 0))
      return failed('FailedIndexes', 'Job has failed indexes')
  }
  const rule = successRule(job, tally.completed)
  if (rule !== undefined)
    return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` }
  const done =
    completions === undefined
      ? tally.allSucceeded > 0 && active.length === 0
      : tally.allSucceeded >= completions && (completions > 0 || active.length === 0)
  if (!done) return undefined
  const message = 'Reached expected number of succeeded pods'
  return { type: 'Complete', reason: 'CompletionsReached', message }
}

/** The first rule of the successPolicy that what is completed fulfils (KEP-3998). */
export function successRule(job: Job, completed: ReadonlySet<number>): number | undefined {
  if (!isIndexed(job)) return undefined
  const at = (job.spec?.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && completed.size >= succeededCount
    const wanted = parseIndexes(succeededIndexes, job.spec?.completions ?? 0)
    const reached = [...wanted].filter((index) => completed.has(index)).length
    return reached >= (succeededCount ?? wanted.size)
  })
  return at < 0 ? undefined : at
}

/** restartPolicy OnFailure: containers are restarted in place, and those restarts are what counts. */
function pastRestarts(job: Job, active: readonly objects.Pod[], limit: number): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== 'OnFailure') return false
  const sum = active.reduce((total, pod) => total + restarts(pod), 0)
  return limit === 0 ? sum > 0 : sum >= limit
}
