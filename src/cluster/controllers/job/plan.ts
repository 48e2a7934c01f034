import type { objects } from '#kube'
import { rfc3339 } from '#lib'
import { isReady, isTerminal, setCondition, unlessZero } from '../shared/index.ts'
import { formatIndexes } from './indexes.ts'
import { indexOf, isIndexed, isPerIndex, replacesOnlyFailed, trackingFinalizer } from './kinds.ts'
import { count, endOf, type Tally } from './tally.ts'
import { judge, type Verdict } from './verdict.ts'

type Job = objects.Job
type Pod = objects.Pod

export interface JobInput {
  job: Job
  /** The pods it owns. */
  pods: readonly Pod[]
  now: number
  /** No new pod before (ms since the epoch): the backoff after failures. */
  notBefore?: number
}

export interface JobPlan {
  /** Valid once `untrack` is done. */
  status: Record<string, any>
  /** Pods to create; with their completion index, if the Job is Indexed, and how often that has failed, if each has a limit. */
  create: { index?: number; failures?: number }[]
  /** Active pods to end that are not to count as failed: too many, or suspended. */
  discard: Pod[]
  /** Active pods to end because the Job is over; they count as what they end as. */
  end: Pod[]
  /** Finished pods whose tracking finalizer goes: status.uncountedTerminatedPods names them since an earlier pass. */
  untrack: Pod[]
  remove: boolean
  newlySucceeded: number
  newlyFailed: number
  events: { type: 'Normal' | 'Warning'; reason: string; message: string }[]
  nextIn?: number
}

/**
 * One pass over a Job (upstream's syncJob). No pod is counted twice or never: a finished pod's uid is first written to
 * uncountedTerminatedPods, in a later pass its finalizer is removed, and the same status write that takes the uid out again
 * adds to the counter. A crash between any two of these leaves something that the next pass completes.
 */
export function planJob(input: JobInput): JobPlan {
  const { job, pods, now } = input
  const plan: JobPlan = {
    status: {},
    create: [],
    discard: [],
    end: [],
    untrack: [],
    remove: false,
    newlySucceeded: 0,
    newlyFailed: 0,
    events: [],
  }
  const finished = finishedCondition(job)
  if (finished) return afterlife(plan, input, finished)

  const before = (job.status ?? {}) as Record<string, any>
  let conditions: readonly Record<string, any>[] = before.conditions ?? []
  const suspended = job.spec?.suspend === true
  const tally = count(input)
  plan.untrack = tally.untrack
  plan.newlySucceeded = tally.newlySucceeded
  plan.newlyFailed = tally.newlyFailed
  const active = pods.filter((pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined)
  const terminating = pods.filter((pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp !== undefined)
  let startTime: string | undefined = before.startTime
  if (!startTime && !suspended) startTime = rfc3339(now)

  const target = endOf(job)
  let verdict: Verdict | undefined = target && {
    type: target.type === 'FailureTarget' ? 'Failed' : 'Complete',
    reason: target.reason,
    message: target.message,
  }
  verdict ??= judge(input, tally, active, startTime)

  if (verdict) {
    const { reason, message } = verdict
    const type = verdict.type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet'
    conditions = setCondition(conditions, { type, status: 'True', reason, message }, now, { probe: true })
    plan.end = active
    const settled = active.length + terminating.length + tally.pending === 0
    if (settled) {
      conditions = setCondition(conditions, { type: verdict.type, status: 'True', reason, message }, now, {
        probe: true,
      })
      plan.events.push(
        verdict.type === 'Complete'
          ? { type: 'Normal', reason: 'Completed', message: 'Job completed' }
          : { type: 'Warning', reason, message },
      )
      if (job.spec?.ttlSecondsAfterFinished !== undefined) plan.nextIn = job.spec.ttlSecondsAfterFinished * 1000
    }
  } else if (suspended) {
    plan.discard = active
    if (!isTrue(conditions, 'Suspended')) {
      plan.events.push({ type: 'Normal', reason: 'Suspended', message: 'Job suspended' })
      const condition = { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' } as const
      conditions = setCondition(conditions, condition, now, { probe: true })
    }
    startTime = undefined
  } else {
    if (isTrue(conditions, 'Suspended')) {
      plan.events.push({ type: 'Normal', reason: 'Resumed', message: 'Job resumed' })
      const condition = { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' } as const
      conditions = setCondition(conditions, condition, now, { probe: true })
      startTime = rfc3339(now)
    }
    steer(plan, input, tally, active, terminating)
    const deadline = job.spec?.activeDeadlineSeconds
    if (deadline !== undefined && startTime) {
      const left = Math.max(0, Date.parse(startTime) + deadline * 1000 - now)
      plan.nextIn = Math.min(plan.nextIn ?? left, left)
    }
  }
  const ended = plan.discard.length + plan.end.length
  plan.status = {
    startTime,
    active: unlessZero(active.length - ended),
    ready: active.filter(isReady).length,
    terminating: terminating.length + ended,
    succeeded: unlessZero(tally.succeeded),
    failed: unlessZero(tally.failed),
    completedIndexes: isIndexed(job) ? formatIndexes(tally.completed) || undefined : undefined,
    failedIndexes: isPerIndex(job) ? formatIndexes(tally.failedIndexes) : undefined,
    uncountedTerminatedPods: { ...tally.uncounted },
    completionTime: isTrue(conditions, 'Complete') ? (before.completionTime ?? rfc3339(now)) : undefined,
    conditions: conditions.length > 0 ? conditions : undefined,
  }
  return plan
}

/** How many pods should run now. */
function steer(
  plan: JobPlan,
  input: JobInput,
  tally: Tally,
  active: readonly Pod[],
  terminating: readonly Pod[],
): void {
  const { job, now, notBefore = 0 } = input
  const { parallelism = 1, completions } = job.spec ?? {}
  let wanted = parallelism
  if (completions !== undefined)
    wanted = Math.min(parallelism, completions - tally.allSucceeded - tally.failedIndexes.size)
  // A work queue that has seen a success only drains: no pod replaces another.
  else if (tally.allSucceeded > 0) wanted = Math.min(parallelism, active.length)
  const slow = replacesOnlyFailed(job) ? terminating.length : 0
  const missing = wanted - active.length - slow
  if (active.length > wanted) {
    const victims = [...active].sort((a, b) => rank(a) - rank(b))
    plan.discard = victims.slice(0, Math.min(active.length - Math.max(0, wanted), victims.length))
    return
  }
  if (missing <= 0) return
  // With a limit of its own each index also waits on its own.
  if (notBefore > now && !isPerIndex(job)) {
    plan.nextIn = notBefore - now
    return
  }
  if (!isIndexed(job)) {
    plan.create = Array.from({ length: missing }, () => ({}))
    return
  }
  const taken = new Set([...active, ...(slow > 0 ? terminating : [])].map(indexOf))
  for (let index = 0; index < (completions ?? 0) && plan.create.length < missing; index++) {
    if (taken.has(index) || tally.completed.has(index) || tally.failedIndexes.has(index)) continue
    const failed = tally.retries.get(index)
    if (failed && failed.notBefore > now) {
      const left = failed.notBefore - now
      plan.nextIn = Math.min(plan.nextIn ?? left, left)
    } else plan.create.push(isPerIndex(job) ? { index, failures: failed?.failures ?? 0 } : { index })
  }
}

/** Who goes first when there are too many: unassigned, not ready, ready. */
function rank(pod: Pod): number {
  return !pod.spec?.nodeName ? 0 : isReady(pod) ? 2 : 1
}

/** A Job that is over: its last finalizers go, and after its time to live it goes itself. */
function afterlife(plan: JobPlan, { job, pods, now }: JobInput, finished: Record<string, any>): JobPlan {
  plan.untrack = pods.filter((pod) => pod.metadata.finalizers?.includes(trackingFinalizer))
  plan.status = { ...job.status }
  const ttl = job.spec?.ttlSecondsAfterFinished
  if (ttl !== undefined && job.metadata.deletionTimestamp === undefined) {
    const left = Date.parse(finished.lastTransitionTime) + ttl * 1000 - now
    if (left > 0) plan.nextIn = left
    else plan.remove = true
  }
  return plan
}

export function finishedCondition(job: Job): Record<string, any> | undefined {
  const conditions = (job.status?.conditions ?? []) as Record<string, any>[]
  return conditions.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')
}

function isTrue(conditions: readonly Record<string, any>[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === 'True')
}
