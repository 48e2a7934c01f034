import { isConflict, isNotFound, type Kube, keyOf, Node, type objects, Pod, PodDisruptionBudget } from '#kube'
import { backoffDelay, type Clock, errorMessage, rfc3339 } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { Backlog } from './backlog.ts'
import { Cluster, type Effect } from './cluster.ts'
import { type Eviction, evict } from './evict.ts'
import { explain, Placer } from './place.ts'
import { podInfo } from './pod-info.ts'
import { preempt } from './preempt.ts'

type Ref = { name: string; namespace?: string }

export interface SchedulerOptions {
  clock: Clock
  /** Pods that name another scheduler are left to it. @default default-scheduler */
  schedulerName?: string
}

/** What came of an attempt to place a pod. */
type Decision = { node: string } | { node?: undefined; message: string; eviction?: Eviction }

/**
 * The scheduler as a controller of pods without a node. Decisions are made one at a time on a picture of the cluster that
 * events keep up to date, the most important pods first; bindings travel in parallel, and a pod whose binding is under way
 * counts as placed. Pods that fit nowhere may have others evicted, and wait for a change that may let them in, each with its own
 * backoff of 1 to 10 s.
 */
export function schedulerController({ clock, schedulerName = 'default-scheduler' }: SchedulerOptions): Controller<any> {
  const cluster = new Cluster()
  const placer = new Placer(cluster)
  const waiting = new Map<string, { pod: objects.Pod; attempts: number; notBefore: number; neighbourly: boolean }>()
  const backlog = new Backlog()
  /** Made when a less important pod's turn came first; carried out when the pod's own does. */
  const decisions = new Map<string, Decision>()

  function wake(effect: Effect): Ref[] {
    if (effect === 'none' || waiting.size === 0) return []
    const refs: Ref[] = []
    for (const { pod, notBefore, neighbourly } of waiting.values()) {
      if (effect === 'neighbour' && !neighbourly) continue
      if (notBefore <= clock.monotonic()) backlog.add(pod)
      refs.push({ name: pod.metadata.name!, namespace: pod.metadata.namespace })
    }
    return refs
  }

  function onPod(pod: objects.Pod, lister: Lister): Ref[] {
    const { name, namespace } = pod.metadata
    const uid = pod.metadata.uid!
    const current = lister.get(Pod, name!, namespace)
    if (current === pod) {
      if (isMine(pod, schedulerName)) note(pod)
      return wake(cluster.setPod(pod))
    }
    if (current?.metadata.uid === uid) return []
    waiting.delete(uid)
    backlog.delete(uid)
    decisions.delete(uid)
    return wake(cluster.removePod(uid))
  }

  function note(pod: objects.Pod): void {
    const uid = pod.metadata.uid!
    if (cluster.isPlaced(uid)) return
    const nominated = pod.status?.nominatedNodeName
    if (nominated && cluster.nominations.nodeOf(uid) === undefined) cluster.nominations.set(podInfo(pod), nominated)
    const isNew = !waiting.has(uid) && !decisions.has(uid) && !pod.spec?.schedulingGates?.length
    if (isNew) backlog.add(pod)
  }

  function onNode(node: objects.Node, lister: Lister): Ref[] {
    const current = lister.get(Node, node.metadata.name!)
    if (current === node) return wake(cluster.setNode(node))
    if (!current) cluster.removeNode(node.metadata.name!)
    return []
  }

  function decide(pod: objects.Pod, lister: Lister): Decision {
    const uid = pod.metadata.uid!
    const info = podInfo(pod)
    const { node, refusals } = placer.place(info)
    if (node !== undefined) {
      waiting.delete(uid)
      cluster.assume(info, node)
      return { node }
    }
    const attempts = (waiting.get(uid)?.attempts ?? 0) + 1
    const wait = attempts === 1 ? 0 : backoffDelay(attempts - 2, { initial: 1000, max: 10_000, jitter: 0 })
    const neighbourly = info.affinity.length + info.spread.length > 0
    waiting.set(uid, { pod, attempts, notBefore: clock.monotonic() + wait, neighbourly })
    const outcome = preempt(info, refusals, cluster, lister.list(PodDisruptionBudget))
    if (outcome.node === undefined) return { message: explain(refusals, outcome.reasons) }
    const displaced = cluster.nominations.displace(outcome.node, info.priority)
    cluster.nominations.set(info, outcome.node)
    for (const victim of outcome.victims) cluster.evicted.add(victim.uid)
    const eviction = { node: outcome.node, victims: outcome.victims, displaced }
    return { message: explain(refusals, undefined), eviction }
  }

  function schedule(axn: Axn<any>): Axn<any> {
    const pod = axn.object as objects.Pod
    const uid = pod.metadata.uid!
    const made = decisions.get(uid)
    decisions.delete(uid)
    backlog.delete(uid)
    if (!isMine(pod, schedulerName) || (!made && cluster.isPlaced(uid))) {
      if (made?.node !== undefined) cluster.forget(uid)
      waiting.delete(uid)
      return axn
    }
    if (made) return carryOut(axn, made)
    if (pod.spec?.schedulingGates?.length) {
      return gated(axn)
    }
    const left = (waiting.get(uid)?.notBefore ?? 0) - clock.monotonic()
    if (left > 0) return axn.requeueAfter(left)
    for (const other of backlog.takeAbove(pod.spec?.priority ?? 0))
      decisions.set(other.metadata.uid!, decide(other, axn.lister))
    return carryOut(axn, decide(pod, axn.lister))
  }

  function carryOut(axn: Axn<any>, decision: Decision): Axn<any> {
    const pod = axn.object as objects.Pod
    const uid = pod.metadata.uid!
    if (decision.node === undefined) {
      const { message, eviction } = decision
      const next = report(axn, 'Unschedulable', message).event('FailedScheduling', message, { type: 'Warning' })
      return eviction ? evict(next, eviction, cluster, schedulerName) : next
    }
    const { node } = decision
    return axn
      .run(`bind to ${node}`, async (kube) => {
        try {
          await bind(kube, pod, node)
        } catch (error) {
          cluster.forget(uid)
          // Gone, or somebody else was quicker: its event tells.
          if (isNotFound(error) || isConflict(error)) return
          axn.log.warn({ pod: keyOf(pod) }, `binding failed: ${errorMessage(error)}`)
          throw error
        }
      })
      .event('Scheduled', `Successfully assigned ${axn.namespace}/${axn.name} to ${node}`)
  }

  return controller(Pod, {
    name: schedulerName,
    watches: [
      { type: Pod, map: onPod },
      { type: Node, map: onNode },
    ],
    reads: [PodDisruptionBudget],
    filter: (pod) => isMine(pod, schedulerName),
    concurrency: 64,
  }).step('schedule', schedule)
}

function isMine(pod: objects.Pod, schedulerName: string): boolean {
  return (
    !pod.spec?.nodeName &&
    pod.metadata.deletionTimestamp === undefined &&
    pod.status?.phase !== 'Succeeded' &&
    pod.status?.phase !== 'Failed' &&
    (pod.spec?.schedulerName ?? 'default-scheduler') === schedulerName
  )
}

/** PodScheduled=False as the real API server writes it when it takes a gated pod in: without a generation. */
function gated(axn: Axn<any>): Axn<any> {
  const conditions: readonly Record<string, any>[] = axn.object.status?.conditions ?? []
  if (conditions.some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated')) return axn
  const others = conditions.filter(({ type }) => type !== 'PodScheduled')
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
    lastTransitionTime: rfc3339(axn.clock.now()),
  }
  return axn.status({ conditions: [...others, condition] })
}

/** PodScheduled=False; nothing is written when it says so already. */
function report(axn: Axn<any>, reason: string, message: string): Axn<any> {
  return axn.condition('PodScheduled', false, reason, message)
}

/** POST …/binding: sets spec.nodeName and PodScheduled=True, and is refused when the pod has a node or is being deleted. */
async function bind(kube: Kube, pod: objects.Pod, node: string): Promise<void> {
  const { name, namespace, uid } = pod.metadata
  await kube.request('POST', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, {
    body: {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    },
  })
}
