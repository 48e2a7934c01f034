import type { objects } from '#kube'
import { rfc3339 } from '#lib'
import { finishedCondition } from '../job/plan.ts'
import type { Schedule } from './schedule.ts'

type Job = objects.Job

export interface CronPlan {
  status: Record<string, any>
  /** The scheduled time (ms) of the Job to start. */
  start?: number
  remove: Job[]
  events: { type: 'Normal' | 'Warning'; reason: string; message: string }[]
  nextIn?: number
}

/** A look at the clock at least so often: the wall clock may be set. */
const glanceMs = 60_000
const tooMany = 100
const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

/**
 * One pass over a CronJob (upstream's syncCronJob): forget finished Jobs, keep the history short, and start the latest
 * run that is due. Missed runs are not made up for: only the latest of them starts.
 */
export function planCron(cronJob: objects.CronJob, jobs: readonly Job[], schedule: Schedule, now: number): CronPlan {
  const plan: CronPlan = { status: { ...cronJob.status }, remove: [], events: [] }
  const unfinished = jobs.filter((job) => !finishedCondition(job) && job.metadata.deletionTimestamp === undefined)
  const running = unfinished.filter((job) => isOwn(cronJob, job))
  for (const { metadata } of unfinished.filter((job) => !running.includes(job))) {
    const message = `Saw a job that the controller did not create or forgot: ${metadata.name}`
    plan.events.push({ type: 'Warning', reason: 'UnexpectedJob', message })
  }
  noteFinished(plan, cronJob, jobs)
  trimHistory(plan, cronJob, jobs)
  plan.status.active = activeReferences(cronJob, running)
  if (cronJob.metadata.deletionTimestamp !== undefined || cronJob.spec?.suspend) return plan

  const due = dueTime(plan, cronJob, schedule, now)
  const next = schedule.next(now)
  if (next !== undefined) plan.nextIn = Math.min(Math.max(next - now, 1), glanceMs)
  if (due === undefined || jobs.some(({ metadata }) => metadata.name === jobName(cronJob, due))) return plan
  const policy = cronJob.spec?.concurrencyPolicy ?? 'Allow'
  if (running.length > 0 && policy === 'Forbid') {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid'
    plan.events.push({ type: 'Normal', reason: 'JobAlreadyActive', message })
    return plan
  }
  if (policy === 'Replace') {
    plan.remove.push(...running)
    plan.status.active = undefined
  }
  plan.start = due
  plan.status.lastScheduleTime = rfc3339(due)
  return plan
}

/** `<cron job>-<minutes since the epoch>`: one Job per scheduled time, whoever creates it and how often. */
export function jobName(cronJob: objects.CronJob, scheduled: number): string {
  return `${cronJob.metadata.name}-${Math.floor(scheduled / 60_000)}`
}

export function newJob(cronJob: objects.CronJob, scheduled: number) {
  const template = cronJob.spec!.jobTemplate as Record<string, any>
  return {
    metadata: {
      name: jobName(cronJob, scheduled),
      namespace: cronJob.metadata.namespace,
      labels: template.metadata?.labels,
      annotations: {
        ...template.metadata?.annotations,
        [scheduledAnnotation]: rfc3339(scheduled),
      },
    },
    spec: template.spec,
  }
}

/** The latest time that is due and not too late; undefined when there is none. */
function dueTime(plan: CronPlan, cronJob: objects.CronJob, schedule: Schedule, now: number): number | undefined {
  const deadline = cronJob.spec?.startingDeadlineSeconds
  let earliest = Date.parse(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp ?? '')
  if (Number.isNaN(earliest)) earliest = now
  const from = deadline === undefined ? earliest : Math.max(earliest, now - deadline * 1000)
  const latest = schedule.latest(from, now)
  if (latest === undefined) {
    const missed = deadline === undefined ? undefined : schedule.latest(earliest, now)
    if (missed !== undefined && missed < from) {
      const message = `Missed scheduled time to start a job: ${rfc3339(missed)}`
      plan.events.push({ type: 'Warning', reason: 'MissSchedule', message })
    }
    return undefined
  }
  let missed = 0
  for (let time = schedule.next(from); time !== undefined && time <= now && missed <= tooMany; missed++)
    time = schedule.next(time)
  if (missed > tooMany) {
    const message = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
    plan.events.push({ type: 'Warning', reason: 'TooManyMissedTimes', message })
  }
  return latest
}

function noteFinished(plan: CronPlan, cronJob: objects.CronJob, jobs: readonly Job[]): void {
  const active = (cronJob.status?.active ?? []) as { uid?: string; name?: string }[]
  for (const job of jobs) {
    const finished = finishedCondition(job)
    if (!finished) continue
    if (active.some(({ uid }) => uid === job.metadata.uid)) {
      const message = `Saw completed job: ${job.metadata.name}, condition: ${finished.type}`
      plan.events.push({ type: 'Normal', reason: 'SawCompletedJob', message })
    }
    const time = job.status?.completionTime
    if (finished.type === 'Complete' && time && time > (plan.status.lastSuccessfulTime ?? ''))
      plan.status.lastSuccessfulTime = time
  }
}

function trimHistory(plan: CronPlan, cronJob: objects.CronJob, jobs: readonly Job[]): void {
  const { successfulJobsHistoryLimit: succeeded = 3, failedJobsHistoryLimit: failed = 1 } = cronJob.spec ?? {}
  for (const [type, limit] of [
    ['Complete', succeeded],
    ['Failed', failed],
  ] as const) {
    const finished = jobs
      .filter((job) => finishedCondition(job)?.type === type && job.metadata.deletionTimestamp === undefined)
      .sort((a, b) => ((a.status?.startTime ?? '') < (b.status?.startTime ?? '') ? -1 : 1))
    plan.remove.push(...finished.slice(0, Math.max(0, finished.length - limit)))
  }
}

/** References to the Jobs that run; a reference that says the same stays as it is. */
function activeReferences(cronJob: objects.CronJob, running: readonly Job[]): object[] | undefined {
  if (running.length === 0) return undefined
  const known = (cronJob.status?.active ?? []) as { uid?: string }[]
  return running.map((job) => known.find(({ uid }) => uid === job.metadata.uid) ?? reference(job))
}

/** Started by the schedule: a Job that somebody made by hand is neither waited for nor replaced. */
function isOwn(cronJob: objects.CronJob, { metadata }: Job): boolean {
  const known = (cronJob.status?.active ?? []) as { uid?: string }[]
  return known.some(({ uid }) => uid === metadata.uid) || metadata.annotations?.[scheduledAnnotation] !== undefined
}

export function reference({ metadata: { name, namespace, uid, resourceVersion } }: Pick<Job, 'metadata'>) {
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion }
}
