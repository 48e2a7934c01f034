import type { objects } from '#kube'
import { rfc3339 } from '#lib'
import { isReady, isTerminal, restarts, setCondition, unlessZero } from '../shared/index.ts'
import { failureAction } from './failure-policy.ts'
import { formatIndexes, parseIndexes } from './indexes.ts'

type Job = objects.Job
type Pod = objects.Pod

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
export const indexKey = 'batch.kubernetes.io/job-completion-index'

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
  /** Pods to create; with their completion index, if the Job is Indexed. */
  create: { index?: number }[]
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

interface Verdict {
  type: 'Complete' | 'Failed'
  reason: string
  message: string
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
  const tally = count(plan, input)
  const active = pods.filter((pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined)
  const terminating = pods.filter((pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp !== undefined)
  let startTime: string | undefined = before.startTime
  if (!startTime && !suspended) startTime = rfc3339(now)

  const target = conditions.find(
    ({ type, status }) => (type === 'FailureTarget' || type === 'SuccessCriteriaMet') && status === 'True',
  )
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
    uncountedTerminatedPods: { ...tally.uncounted },
    completionTime: isTrue(conditions, 'Complete') ? (before.completionTime ?? rfc3339(now)) : undefined,
    conditions: conditions.length > 0 ? conditions : undefined,
  }
  return plan
}

interface Tally {
  /** Counted, and through untracking about to be. */
  succeeded: number
  failed: number
  /** With those that are only noted so far. */
  allSucceeded: number
  allFailed: number
  completed: Set<number>
  /** What status will still have to count. */
  uncounted: { succeeded?: string[]; failed?: string[] }
  pending: number
  failJob?: string
}

/** Moves finished pods through the stages noted → untracked → counted. */
function count(plan: JobPlan, { job, pods }: JobInput): Tally {
  const before = (job.status ?? {}) as Record<string, any>
  const noted = {
    succeeded: new Set<string>(before.uncountedTerminatedPods?.succeeded ?? []),
    failed: new Set<string>(before.uncountedTerminatedPods?.failed ?? []),
  }
  const completed = parseIndexes(before.completedIndexes, job.spec?.completions ?? 0)
  const fresh = { succeeded: [] as string[], failed: [] as string[] }
  let failJob: string | undefined
  for (const pod of pods) {
    const uid = pod.metadata.uid!
    if (!pod.metadata.finalizers?.includes(trackingFinalizer)) continue
    if (noted.succeeded.has(uid) || noted.failed.has(uid)) {
      plan.untrack.push(pod)
      continue
    }
    if (pod.status?.phase === 'Succeeded') {
      fresh.succeeded.push(uid)
      const index = indexOf(pod)
      if (index !== undefined) completed.add(index)
    } else if (hasFailed(job, pod)) {
      const { action, message } = failureAction(job, pod)
      if (action === 'FailJob') failJob ??= message
      if (action === 'Ignore') plan.untrack.push(pod)
      else fresh.failed.push(uid)
    }
  }
  plan.newlySucceeded = fresh.succeeded.length
  plan.newlyFailed = fresh.failed.length
  const succeeded = isIndexed(job) ? completed.size : (before.succeeded ?? 0) + noted.succeeded.size
  const failed = (before.failed ?? 0) + noted.failed.size
  return {
    succeeded,
    failed,
    allSucceeded: isIndexed(job) ? completed.size : succeeded + fresh.succeeded.length,
    allFailed: failed + fresh.failed.length,
    completed,
    uncounted: {
      ...(fresh.succeeded.length > 0 ? { succeeded: fresh.succeeded } : {}),
      ...(fresh.failed.length > 0 ? { failed: fresh.failed } : {}),
    },
    pending: fresh.succeeded.length + fresh.failed.length,
    failJob,
  }
}

/** Is the Job over, and how? */
function judge(
  { job, now }: JobInput,
  tally: Tally,
  active: readonly Pod[],
  startTime: string | undefined,
): Verdict | undefined {
  const { backoffLimit = 6, activeDeadlineSeconds, completions, suspend } = job.spec ?? {}
  if (tally.failJob) return { type: 'Failed', reason: 'PodFailurePolicy', message: tally.failJob }
  if (tally.allFailed > backoffLimit || pastRestarts(job, active, backoffLimit))
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  if (activeDeadlineSeconds !== undefined && startTime && !suspend) {
    if (now - Date.parse(startTime) >= activeDeadlineSeconds * 1000) {
      const message = 'Job was active longer than specified deadline'
      return { type: 'Failed', reason: 'DeadlineExceeded', message }
    }
  }
  const done =
    completions === undefined
      ? tally.allSucceeded > 0 && active.length === 0
      : tally.allSucceeded >= completions && (completions > 0 || active.length === 0)
  if (!done) return undefined
  const message = 'Reached expected number of succeeded pods'
  return { type: 'Complete', reason: 'CompletionsReached', message }
}

/** restartPolicy OnFailure: containers are restarted in place, and those restarts are what counts. */
function pastRestarts(job: Job, active: readonly Pod[], limit: number): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== 'OnFailure') return false
  const sum = active.reduce((total, pod) => total + restarts(pod), 0)
  return limit === 0 ? sum > 0 : sum >= limit
}

/** How many pods should run now. */
function steer(
  plan: JobPlan,
  { job, now, notBefore = 0 }: JobInput,
  tally: Tally,
  active: readonly Pod[],
  terminating: readonly Pod[],
): void {
  const { parallelism = 1, completions } = job.spec ?? {}
  let wanted = parallelism
  if (completions !== undefined) wanted = Math.min(parallelism, completions - tally.allSucceeded)
  // A work queue that has seen a success only drains: no pod replaces another.
  else if (tally.allSucceeded > 0) wanted = Math.min(parallelism, active.length)
  const slow = job.spec?.podReplacementPolicy === 'Failed' ? terminating.length : 0
  const missing = wanted - active.length - slow
  if (missing < 0) {
    const victims = [...active].sort((a, b) => rank(a) - rank(b))
    plan.discard = victims.slice(0, Math.min(active.length - Math.max(0, wanted), victims.length))
    return
  }
  if (missing === 0) return
  if (notBefore > now) {
    plan.nextIn = notBefore - now
    return
  }
  if (!isIndexed(job)) {
    plan.create = Array.from({ length: missing }, () => ({}))
    return
  }
  const taken = new Set([...active, ...(slow > 0 ? terminating : [])].map(indexOf))
  for (let index = 0; index < (completions ?? 0) && plan.create.length < missing; index++)
    if (!taken.has(index) && !tally.completed.has(index)) plan.create.push({ index })
}

/** Who goes first when there are too many: unassigned, not ready, ready. */
function rank(pod: Pod): number {
  return !pod.spec?.nodeName ? 0 : isReady(pod) ? 2 : 1
}

/** A pod that was deleted counts as failed at once, unless only finished pods are to be replaced. */
function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  const waits = job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined
  return !waits && pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod)
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

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed'
}

function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey]
  return text === undefined ? undefined : Number(text)
}

function isTrue(conditions: readonly Record<string, any>[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === 'True')
}
