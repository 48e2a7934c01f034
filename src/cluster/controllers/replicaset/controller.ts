import {
  controllerOf,
  isConflict,
  isNotFound,
  type Kube,
  type KubeObject,
  keyOf,
  matches,
  type objects,
  Pod,
  ReplicaSet,
} from '#kube'
import { backoffDelay, type Clock, errorMessage } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import {
  claim,
  Expectations,
  generatedName,
  isActive,
  isTerminal,
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
 * really happened decides the status (ReplicaFailure) and when to look again.
 */
export function replicaSetController({ clock }: { clock: Clock }): Controller<any> {
  const expectations = new Expectations(clock)
  const failures = new Map<string, number>()
  const orphans = new Set<string>()

  /** Every pod event passes here: the cache's progress is noted, and orphans wake who could adopt them. */
  function onPod(pod: objects.Pod, lister: Lister): { name: string; namespace?: string }[] {
    expectations.observe(pod)
    if (controllerOf(pod)) {
      orphans.delete(keyOf(pod))
      return []
    }
    if (pod.metadata.deletionTimestamp || !lister.get(Pod, pod.metadata.name!, pod.metadata.namespace)) {
      orphans.delete(keyOf(pod))
      return []
    }
    orphans.add(keyOf(pod))
    return lister
      .list(ReplicaSet, { namespace: pod.metadata.namespace })
      .filter((rs) => matches(rs.spec?.selector, pod.metadata.labels))
      .map((rs) => ({ name: rs.metadata.name!, namespace: rs.metadata.namespace }))
  }

  async function reconcile(axn: Axn<any>): Promise<Axn<any>> {
    const rs = axn.object as objects.ReplicaSet
    const uid = rs.metadata.uid!
    const found = claim(rs, rs.spec?.selector, axn.lister.owned(Pod, uid), [...candidates(axn, orphans)])
    if (found.adopt.length + found.release.length > 0) {
      if (await settleClaim(axn.kube, ReplicaSet, rs, Pod, found)) found.owned.push(...found.adopt)
    }
    const active = found.owned.filter((pod) => isActive(pod) && !expectations.isDeleting(pod.metadata.uid!))
    const terminating = found.owned.filter((pod) => !isTerminal(pod)).length - active.length
    expectations.settle(uid, new Set(found.owned.map((pod) => pod.metadata.uid!)))

    let outcome: Outcome = { events: [] }
    if (rs.metadata.deletionTimestamp === undefined && expectations.satisfied(uid)) {
      const missing = (rs.spec?.replicas ?? 1) - active.length
      if (missing > 0) outcome = await createPods(axn.kube, rs, Math.min(missing, burst), expectations)
      else if (missing < 0) {
        const victims = victimsFirst(active, clock.now()).slice(0, Math.min(-missing, burst))
        outcome = await deletePods(axn.kube, rs, victims, expectations)
      }
    }
    const { status, nextIn } = replicaSetStatus({
      replicaSet: rs,
      active,
      terminating,
      failure: outcome.failure,
      now: clock.now(),
    })
    for (const event of outcome.events) axn = axn.event(event.reason, event.message, { type: event.type })
    if (nextIn !== undefined) axn = axn.requeueAfter(nextIn)
    if (outcome.failure) {
      const attempt = failures.get(uid) ?? 0
      failures.set(uid, attempt + 1)
      axn = axn.requeueAfter(backoffDelay(attempt, { initial: 50, max: 60_000 }))
    } else failures.delete(uid)
    return axn.status(status)
  }

  return controller(ReplicaSet, {
    name: 'replicaset-controller',
    owns: [Pod],
    watches: [{ type: Pod, map: onPod }],
    concurrency: 8,
  }).step('replicas', reconcile)
}

interface Outcome {
  events: { type: 'Normal' | 'Warning'; reason: string; message: string }[]
  failure?: { reason: 'FailedCreate' | 'FailedDelete'; message: string }
}

function* candidates(axn: Axn<any>, orphans: ReadonlySet<string>): Iterable<KubeObject & objects.Pod> {
  const prefix = `${axn.namespace}/`
  for (const key of orphans) {
    if (!key.startsWith(prefix)) continue
    const pod = axn.lister.get(Pod, key.slice(prefix.length), axn.namespace)
    if (pod) yield pod
  }
}

/** Creates `count` pods from the template in slow-start batches. */
async function createPods(
  kube: Kube,
  rs: objects.ReplicaSet,
  count: number,
  expectations: Expectations,
): Promise<Outcome> {
  const outcome: Outcome = { events: [] }
  const { error } = await slowStart(count, async () => {
    const pod = podFromTemplate(ReplicaSet, rs, rs.spec!.template!, generatedName(`${rs.metadata.name}-`))
    const created = await kube.create(Pod, pod as any)
    expectations.created(rs.metadata.uid!, created)
    outcome.events.push({
      type: 'Normal',
      reason: 'SuccessfulCreate',
      message: `Created pod: ${created.metadata.name}`,
    })
  })
  if (error !== undefined) {
    outcome.failure = { reason: 'FailedCreate', message: errorMessage(error) }
    outcome.events.push({
      type: 'Warning',
      reason: 'FailedCreate',
      message: `Error creating: ${errorMessage(error)}`,
    })
  }
  return outcome
}

async function deletePods(
  kube: Kube,
  rs: objects.ReplicaSet,
  victims: readonly objects.Pod[],
  expectations: Expectations,
): Promise<Outcome> {
  const outcome: Outcome = { events: [] }
  const remove = async (pod: objects.Pod) => {
    const { name, namespace, uid } = pod.metadata
    expectations.deleting(rs.metadata.uid!, uid!)
    try {
      await kube.delete(Pod, name!, namespace, { preconditions: { uid: uid! } })
      outcome.events.push({ type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` })
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return
      expectations.undelete(uid!)
      outcome.failure = { reason: 'FailedDelete', message: errorMessage(error) }
      outcome.events.push({
        type: 'Warning',
        reason: 'FailedDelete',
        message: `Error deleting: ${errorMessage(error)}`,
      })
    }
  }
  await Promise.all(victims.map(remove))
  return outcome
}
