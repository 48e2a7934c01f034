import { isConflict, isNotFound, type Kube, keyOf, Node, type objects, Pod } from '#kube'
import { backoffDelay, type Clock, errorMessage } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { Cluster, type Effect } from './cluster.ts'
import { Placer } from './place.ts'
import { podInfo } from './pod-info.ts'

type Ref = { name: string; namespace?: string }

export interface SchedulerOptions {
  clock: Clock
  /** Pods that name another scheduler are left to it. @default default-scheduler */
  schedulerName?: string
}

/**
 * The scheduler as a controller of pods without a node. Decisions are made one at a time on a picture of the cluster that
 * events keep up to date; bindings travel in parallel, and a pod whose binding is under way counts as placed. Pods that
 * fit nowhere wait for a change that may let them in, each with its own backoff of 1 to 10 s.
 */
export function schedulerController({ clock, schedulerName = 'default-scheduler' }: SchedulerOptions): Controller<any> {
  const cluster = new Cluster()
  const placer = new Placer(cluster)
  const waiting = new Map<string, { ref: Ref; attempts: number; notBefore: number; neighbourly: boolean }>()

  function wake(effect: Effect): Ref[] {
    if (effect === 'none' || waiting.size === 0) return []
    const all = [...waiting.values()]
    return all.filter(({ neighbourly }) => effect === 'room' || neighbourly).map(({ ref }) => ref)
  }

  function onPod(pod: objects.Pod, lister: Lister): Ref[] {
    const { name, namespace, uid } = pod.metadata
    const current = lister.get(Pod, name!, namespace)
    if (current === pod) return wake(cluster.setPod(pod))
    if (current?.metadata.uid === uid) return []
    waiting.delete(uid!)
    return wake(cluster.removePod(uid!))
  }

  function onNode(node: objects.Node, lister: Lister): Ref[] {
    const current = lister.get(Node, node.metadata.name!)
    if (current === node) return wake(cluster.setNode(node))
    if (!current) cluster.removeNode(node.metadata.name!)
    return []
  }

  function schedule(axn: Axn<any>): Axn<any> {
    const pod = axn.object as objects.Pod
    const uid = pod.metadata.uid!
    if (!isMine(pod, schedulerName) || cluster.isPlaced(uid)) {
      waiting.delete(uid)
      return axn
    }
    if (pod.spec?.schedulingGates?.length) {
      const message = 'Scheduling is blocked due to non-empty scheduling gates'
      return report(axn, 'SchedulingGated', message)
    }
    const before = waiting.get(uid)
    const left = (before?.notBefore ?? 0) - clock.monotonic()
    if (left > 0) return axn.requeueAfter(left)
    const info = podInfo(pod)
    const { node, message } = placer.place(info)
    if (node === undefined) {
      const attempts = (before?.attempts ?? 0) + 1
      const pause = attempts === 1 ? 0 : backoffDelay(attempts - 2, { initial: 1000, max: 10_000, jitter: 0 })
      const ref = { name: axn.name, namespace: axn.namespace }
      const neighbourly = info.affinity.length + info.spread.length > 0
      waiting.set(uid, { ref, attempts, notBefore: clock.monotonic() + pause, neighbourly })
      return report(axn, 'Unschedulable', message).event('FailedScheduling', message, { type: 'Warning' })
    }
    waiting.delete(uid)
    cluster.assume(info, node)
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
