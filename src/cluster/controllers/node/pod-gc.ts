import { getCondition, isNotFound, Node, type objects, Pod } from '#kube'
import type { Clock } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { isTerminal } from '../shared/index.ts'

/** A node that nobody has is waited for this long: it may just be registering anew. */
const quarantineMs = 40_000

/**
 * Removes pods that no kubelet will ever finish: on nodes that are gone for good, or being deleted before they had a node.
 * And finished pods beyond a limit, the oldest first.
 */
export function podGarbageController({
  clock,
  finishedLimit = 12_500,
}: {
  clock: Clock
  finishedLimit?: number
}): Controller<any> {
  const missingSince = new Map<string, number>()

  return controller(Pod, {
    name: 'pod-garbage-collector',
    watches: [
      {
        type: Node,
        map: (node, lister) =>
          lister.get(Node, node.metadata.name!)
            ? []
            : lister
                .list(Pod)
                .filter((pod) => pod.spec?.nodeName === node.metadata.name)
                .map(({ metadata: { name, namespace } }) => ({ name: name!, namespace })),
      },
    ],
    filter: (pod, previous) =>
      pod.spec?.nodeName !== previous?.spec?.nodeName || (isTerminal(pod) && (!previous || !isTerminal(previous))),
  }).step('collect', async (axn: Axn<any>) => {
    const pod = axn.object as objects.Pod
    const node = pod.spec?.nodeName
    if (!node) return pod.metadata.deletionTimestamp ? remove(axn) : axn
    if (axn.lister.get(Node, node)) {
      missingSince.delete(node)
      return isTerminal(pod) ? collectFinished(axn, finishedLimit) : axn
    }
    const since = missingSince.get(node) ?? clock.monotonic()
    missingSince.set(node, since)
    const left = since + quarantineMs - clock.monotonic()
    if (left > 0) return axn.requeueAfter(left)
    if (await axn.kube.find(Node, node)) return axn
    if (!isTerminal(pod) && !getCondition(pod, 'DisruptionTarget')) {
      axn = axn
        .condition('DisruptionTarget', true, 'DeletionByPodGC', 'PodGC: node no longer exists')
        .status({ phase: 'Failed' })
    }
    return remove(axn)
  })
}

/** With grace 0 the API server removes at once: there is no kubelet to wait for. */
function remove(axn: Axn<any>): Axn<any> {
  const { name, namespace, uid } = axn.object.metadata
  return axn.delete({ type: Pod, name, namespace }, { uid, gracePeriodSeconds: 0 })
}

function collectFinished(axn: Axn<any>, limit: number): Axn<any> {
  const finished = axn.lister.list(Pod).filter((pod) => isTerminal(pod) && !pod.metadata.deletionTimestamp)
  if (finished.length <= limit) return axn
  finished.sort((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1))
  return axn.run('delete the oldest finished pods', async (kube) => {
    for (const { metadata } of finished.slice(0, finished.length - limit)) {
      try {
        await kube.delete(Pod, metadata.name!, metadata.namespace, { gracePeriodSeconds: 0 })
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    }
  })
}
