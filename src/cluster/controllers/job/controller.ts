import { isConflict, isNotFound, Job, type KubeObject, type objects, Pod } from '#kube'
import { backoffDelay, type Clock, errorMessage } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { claim, isTerminal, Orphans, podFromTemplate, settleClaim, slowStart } from '../shared/index.ts'
import { failuresKey, indexKey, isIndexed, isPerIndex, pause, trackingFinalizer } from './kinds.ts'
import { type JobPlan, planJob } from './plan.ts'

/** Runs Jobs to their end. What each pass does is decided by `planJob`; the order in which it is carried out matters (see there). */
export function jobController({ clock }: { clock: Clock }): Controller<any> {
  const orphans = new Orphans(Job)
  const failures = new Map<string, { count: number; notBefore: number }>()

  async function reconcile(axn: Axn<any>): Promise<Axn<any>> {
    const job = axn.object as objects.Job
    const uid = job.metadata.uid!
    let pods: readonly objects.Pod[] = axn.lister.owned(Pod, uid)
    if (job.metadata.deletionTimestamp !== undefined) {
      // Nobody counts any more: let the pods go with their Job.
      await untrack(
        axn,
        pods.filter((pod) => pod.metadata.finalizers?.includes(trackingFinalizer)),
      )
      failures.delete(uid)
      return axn
    }
    pods = await claimPods(axn, orphans)
    const plan = planJob({ job, pods, now: clock.now(), notBefore: failures.get(uid)?.notBefore })
    if (plan.newlySucceeded > 0) failures.delete(uid)
    else if (plan.newlyFailed > 0 && !isPerIndex(job)) {
      const count = (failures.get(uid)?.count ?? 0) + plan.newlyFailed
      const delay = backoffDelay(count - 1, pause)
      failures.set(uid, { count, notBefore: clock.now() + delay })
      if (plan.create.length > 0) plan.nextIn = Math.min(plan.nextIn ?? delay, delay)
      plan.create = []
    }
    await untrack(axn, plan.untrack)
    if (plan.remove) {
      failures.delete(uid)
      const ref = { type: Job, name: axn.name, namespace: axn.namespace }
      return axn.delete(ref, { uid, propagationPolicy: 'Foreground' })
    }
    axn = await createPods(axn, plan)
    axn = await endPods(axn, plan)
    for (const { type, reason, message } of plan.events) axn = axn.event(reason, message, { type })
    if (plan.newlySucceeded + plan.newlyFailed > 0) axn = axn.requeueAfter(0)
    if (plan.nextIn !== undefined) axn = axn.requeueAfter(plan.nextIn)
    return axn.status(plan.status)
  }

  return controller(Job, {
    name: 'job-controller',
    owns: [Pod],
    watches: [{ type: Pod, map: (pod: objects.Pod, lister) => orphans.observe(pod, lister) }],
    concurrency: 8,
  }).step('run', reconcile)
}

/** The Job's pods: with those that its selector takes in, without those that it no longer matches. */
async function claimPods(axn: Axn<any>, orphans: Orphans): Promise<readonly objects.Pod[]> {
  const job = axn.object as objects.Job
  const owned = axn.lister.owned(Pod, job.metadata.uid!)
  const { selector } = job.spec ?? {}
  if (!selector) return owned
  const found = claim(job as KubeObject, selector, owned, orphans.of(axn.namespace!, axn.lister))
  if (found.adopt.length + found.release.length === 0) return owned
  const adopted = await settleClaim(axn.kube, Job, job as KubeObject, Pod, found, trackingFinalizer)
  if (!adopted) return found.owned
  const now = found.adopt.map(({ metadata }) => axn.lister.get(Pod, metadata.name!, metadata.namespace))
  return [...found.owned, ...now.filter((pod) => pod !== undefined)]
}

/** Gives finished pods free; one that is gone, or that somebody else gave free, is as good. */
async function untrack(axn: Axn<any>, pods: readonly objects.Pod[]): Promise<void> {
  await Promise.all(
    pods.map(async (pod) => {
      const { name, namespace, uid, resourceVersion } = pod.metadata
      const finalizers = pod.metadata.finalizers!.filter((finalizer) => finalizer !== trackingFinalizer)
      const metadata = { uid, resourceVersion, finalizers: finalizers.length > 0 ? finalizers : null }
      try {
        await axn.kube.patch(Pod, { name: name!, namespace }, { metadata }, { type: 'merge' })
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    }),
  )
}

async function createPods(axn: Axn<any>, plan: JobPlan): Promise<Axn<any>> {
  const job = axn.object as objects.Job
  const created: string[] = []
  const { error } = await slowStart(plan.create.length, async (at) => {
    const pod = podOf(job, plan.create[at])
    const { metadata } = await axn.kube.create(Pod, pod as any)
    created.push(metadata.name!)
  })
  for (const name of created) axn = axn.event('SuccessfulCreate', `Created pod: ${name}`)
  if (error !== undefined)
    axn = axn.event('FailedCreate', `Error creating: ${errorMessage(error)}`, { type: 'Warning' }).requeueAfter(1000)
  if (created.length > 0) plan.status = { ...plan.status, active: (plan.status['active'] ?? 0) + created.length }
  return axn
}

async function endPods(axn: Axn<any>, plan: JobPlan): Promise<Axn<any>> {
  // What is discarded must not be seen as failed, so its finalizer goes before it does.
  await untrack(
    axn,
    plan.discard.filter((pod) => pod.metadata.finalizers?.includes(trackingFinalizer)),
  )
  const victims = [...plan.discard, ...plan.end].filter((pod) => !isTerminal(pod))
  await Promise.all(
    victims.map(async ({ metadata: { name, namespace, uid } }) => {
      try {
        await axn.kube.delete(Pod, name!, namespace, { preconditions: { uid: uid! } })
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error
      }
    }),
  )
  for (const { metadata } of victims) axn = axn.event('SuccessfulDelete', `Deleted pod: ${metadata.name}`)
  return axn
}

/** A Job's pod: its labels, the tracking finalizer and, if Indexed, its index in every form that is promised. */
function podOf(job: objects.Job, { index, failures }: { index?: number; failures?: number }): KubeObject {
  const generateName = index === undefined ? `${job.metadata.name}-` : `${job.metadata.name}-${index}-`
  const pod = podFromTemplate(Job, job, job.spec!.template!, { generateName })
  const { name, uid } = job.metadata
  pod.metadata.labels = {
    ...pod.metadata.labels,
    'batch.kubernetes.io/controller-uid': uid!,
    'batch.kubernetes.io/job-name': name!,
    'controller-uid': uid!,
    'job-name': name!,
  }
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer]
  if (index === undefined || !isIndexed(job)) return pod
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [indexKey]: String(index),
    ...(failures === undefined ? {} : { [failuresKey]: String(failures) }),
  }
  pod.metadata.labels[indexKey] = String(index)
  pod.spec.hostname = `${name}-${index}`
  for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) {
    const env = (container.env ?? []).filter((each: { name: string }) => each.name !== 'JOB_COMPLETION_INDEX')
    container.env = [
      ...env,
      {
        name: 'JOB_COMPLETION_INDEX',
        valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } },
      },
    ]
  }
  return pod
}
