import { CronJob, isAlreadyExists, Job, type objects } from '#kube'
import { type Clock, errorMessage } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { controllerReference } from '../shared/index.ts'
import { newJob, planCron, reference } from './plan.ts'
import { readSchedule, type Schedule } from './schedule.ts'

/** Starts Jobs when they are due. */
export function cronJobController({ clock }: { clock: Clock }): Controller<any> {
  return controller(CronJob, { name: 'cronjob-controller', owns: [Job] }).step('schedule', async (axn: Axn<any>) => {
    const cronJob = axn.object as objects.CronJob
    let schedule: Schedule
    try {
      schedule = await readSchedule(cronJob.spec!.schedule, cronJob.spec!.timeZone)
    } catch (error) {
      const message = `unparseable schedule "${cronJob.spec?.schedule}": ${errorMessage(error)}`
      return axn.event('UnparseableSchedule', message, { type: 'Warning' })
    }
    const jobs = axn.lister.owned(Job, cronJob.metadata.uid!)
    const plan = planCron(cronJob, jobs, schedule, clock.now())
    for (const { type, reason, message } of plan.events) axn = axn.event(reason, message, { type })
    for (const { metadata } of plan.remove) {
      const ref = { type: Job, name: metadata.name!, namespace: axn.namespace }
      axn = axn.delete(ref, { uid: metadata.uid, propagationPolicy: 'Background' })
      axn = axn.event('SuccessfulDelete', `Deleted job ${metadata.name}`)
    }
    if (plan.start !== undefined) axn = await start(axn, cronJob, plan.start, plan.status)
    if (plan.nextIn !== undefined) axn = axn.requeueAfter(plan.nextIn)
    return axn.status(plan.status)
  })
}

/** The Job first, then the status that says so: a crash in between finds the Job by its name. */
async function start(axn: Axn<any>, cronJob: objects.CronJob, scheduled: number, status: Record<string, any>) {
  const wanted = newJob(cronJob, scheduled)
  const metadata = { ...wanted.metadata, ownerReferences: [controllerReference(CronJob, axn.object)] }
  try {
    const job = await axn.kube.create(Job, { apiVersion: 'batch/v1', kind: 'Job', ...wanted, metadata } as any)
    status['active'] = [...(status['active'] ?? []), reference(job)]
    return axn.event('SuccessfulCreate', `Created job ${job.metadata.name}`)
  } catch (error) {
    if (isAlreadyExists(error)) return axn
    delete status['lastScheduleTime']
    Object.assign(status, cronJob.status?.lastScheduleTime && { lastScheduleTime: cronJob.status.lastScheduleTime })
    return axn
      .event('FailedCreate', `Error creating job: ${errorMessage(error)}`, { type: 'Warning' })
      .requeueAfter(1000)
  }
}
