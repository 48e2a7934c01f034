import { isConflict, isNotFound, Pod } from '#kube'
import { errorMessage, rfc3339 } from '#lib'
import type { Axn } from '#operator'
import type { Cluster } from './cluster.ts'
import type { PodInfo } from './pod-info.ts'

export interface Eviction {
  node: string
  victims: readonly PodInfo[]
  /** Pods of lower priority that had been promised the node. */
  displaced: readonly PodInfo[]
}

/** Clears a node for the primary: victims are told why (DisruptionTarget) and deleted, and the pod is nominated for the node. */
export function evict(
  axn: Axn<any>,
  { node, victims, displaced }: Eviction,
  cluster: Cluster,
  schedulerName: string,
): Axn<any> {
  const going = victims.filter(({ deleting }) => !deleting)
  for (const { name, namespace, uid } of going) {
    const about = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, uid } }
    axn = axn.event('Preempted', `Preempted by pod ${axn.object.metadata.uid} on node ${node}`, { about })
  }
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: `${schedulerName}: preempting to accommodate a higher priority pod`,
    lastTransitionTime: rfc3339(axn.clock.now()),
  }
  return axn.status({ nominatedNodeName: node }).run(`clear ${node}`, async (kube) => {
    const status = (ref: PodInfo, fields: object) =>
      kube.patch(Pod, ref, { status: fields }, { type: 'strategic', subresource: 'status' }).catch(unlessGone)
    const results = await Promise.allSettled(
      going.map(async (victim) => {
        await status(victim, { conditions: [condition] })
        await kube.delete(Pod, victim.name, victim.namespace, { preconditions: { uid: victim.uid } }).catch(unlessGone)
      }),
    )
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') continue
      cluster.evicted.delete(going[index].uid)
      axn.log.warn({ pod: going[index].name }, `evicting failed: ${errorMessage(result.reason)}`)
    }
    for (const each of displaced) await status(each, { nominatedNodeName: null })
  })
}

function unlessGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error
}
