import { isConflict, isNotFound, type objects, Pod, ReplicaSet } from '#kube'
import { backoffDelay, type Clock, errorMessage } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import {
  claim,
  Departed,
  isActive,
  isTerminal,
  Orphans,
  podFromTemplate,
  settleClaim,
  slowStart,
} from '../shared/index.ts'
import { replicaSetStatus } from './status.ts'
import { victimsFirst } from './victims.ts'

/** At most this many creates or deletes per pass, as upstream's BurstReplicas. */
const burst = 500

/**
 * Keeps `spec.replicas` active pods per ReplicaSet. Creates and deletes run inside the step, not as effects: what
 * really happened decides the status (ReplicaFailure) and when to look again. The caches read our own writes, so that
 * a pod is never created twice for want of an event.
 */
export function replicaSetController({ clock }: { clock: Clock }): Controller<any> {
  const departed = new Departed()
  const failures = new Map<string, number>()
  const orphans = new Orphans(ReplicaSet)

  async function reconcile(axn: Axn<any>): Promise<Axn<any>> {
    const rs = axn.object as objects.ReplicaSet
    const uid = rs.metadata.uid!
    const found = claim(
      rs,
      rs.spec?.selector,
      axn.lister.owned(Pod, uid),
      orphans.of(rs.metadata.namespace!, axn.lister),
    )
    if (found.adopt.length + found.release.length > 0) {
      if (await settleClaim(axn.kube, ReplicaSet, rs, Pod, found)) found.owned.push(...found.adopt)
    }
    departed.settle(uid, new Set(found.owned.map((pod) => pod.metadata.uid!)))
    let active = found.owned.filter((pod) => isActive(pod) && !departed.has(pod.metadata.uid!))
    const unfinished = found.owned.filter((pod) => !isTerminal(pod)).length

    let outcome: Outcome = { events: [], created: [] }
    if (rs.metadata.deletionTimestamp === undefined) {
      const missing = (rs.spec?.replicas ?? 1) - active.length
      if (missing > 0) outcome = await createPods(axn, rs, Math.min(missing, burst))
      else if (missing < 0) {
        const victims = victimsFirst(active, clock.now()).slice(0, Math.min(-missing, burst))
        outcome = await deletePods(axn, rs, victims, departed)
      }
    }
    active = [...active.filter((pod) => !departed.has(pod.metadata.uid!)), ...outcome.created]
    const terminating = unfinished + outcome.created.length - active.length
    const { failure } = outcome
    const { status, nextIn } = replicaSetStatus({ replicaSet: rs, active, terminating, failure, now: clock.now() })
    for (const { reason, message } of outcome.events) axn = axn.event(reason, message)
    if (nextIn !== undefined) axn = axn.requeueAfter(nextIn)
    if (failure) {
      const doing = failure.reason === 'FailedCreate' ? 'creating' : 'deleting'
      axn = axn.event(failure.reason, `Error ${doing}: ${failure.message}`, { type: 'Warning' })
      const attempt = failures.get(uid) ?? 0
      failures.set(uid, attempt + 1)
      axn = axn.requeueAfter(backoffDelay(attempt, { initial: 50, max: 60_000 }))
    } else failures.delete(uid)
    return axn.status(status)
  }

  return controller(ReplicaSet, {
    name: 'replicaset-controller',
    owns: [Pod],
    watches: [{ type: Pod, map: (pod: objects.Pod, lister) => orphans.observe(pod, lister) }],
    concurrency: 8,
  }).step('replicas', reconcile)
}

interface Outcome {
  events: { reason: string; message: string }[]
  created: objects.Pod[]
  failure?: { reason: 'FailedCreate' | 'FailedDelete'; message: string }
}

/** Creates `count` pods from the template in slow-start batches. */
async function createPods(axn: Axn<any>, rs: objects.ReplicaSet, count: number): Promise<Outcome> {
  const outcome: Outcome = { events: [], created: [] }
  const { error } = await slowStart(count, async () => {
    const pod = podFromTemplate(ReplicaSet, rs, rs.spec!.template!, { generateName: `${rs.metadata.name}-` })
    const created = await axn.kube.create(Pod, pod as any)
    outcome.created.push(created)
    outcome.events.push({ reason: 'SuccessfulCreate', message: `Created pod: ${created.metadata.name}` })
  })
  if (error !== undefined) outcome.failure = { reason: 'FailedCreate', message: errorMessage(error) }
  return outcome
}

async function deletePods(
  axn: Axn<any>,
  rs: objects.ReplicaSet,
  victims: readonly objects.Pod[],
  departed: Departed,
): Promise<Outcome> {
  const outcome: Outcome = { events: [], created: [] }
  const remove = async ({ metadata: { name, namespace, uid } }: objects.Pod) => {
    departed.add(rs.metadata.uid!, uid!)
    try {
      await axn.kube.delete(Pod, name!, namespace, { preconditions: { uid: uid! } })
      outcome.events.push({ reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` })
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return
      departed.remove(uid!)
      outcome.failure = { reason: 'FailedDelete', message: errorMessage(error) }
    }
  }
  await Promise.all(victims.map(remove))
  return outcome
}
