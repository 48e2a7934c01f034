import { HorizontalPodAutoscaler, type KubeObject, Pod, StatefulSet } from '#kube'
import type { Axn } from '#operator'
import type { AppObject } from '../kinds.ts'
import type { View } from '../rollout.ts'
import { planRoll, usualAnnotation } from './roll.ts'
import { resizePods } from './size.ts'

/** Moves the pods of StatefulSets on towards what is wanted: see `planRoll`. */
export function movePods(
  axn: Axn<AppObject>,
  objects: readonly KubeObject[],
  view: Pick<View, 'statefulSets' | 'pods' | 'loaded'>,
  now: number,
): Axn<AppObject> {
  for (const object of objects) {
    if (object.kind !== StatefulSet.kind) continue
    const { name } = object.metadata
    const live = view.statefulSets.find((item) => item.metadata.name === name)
    const { next } = planRoll(object, live, view.pods, view.loaded, now)
    if (!next) continue
    for (const { metadata } of next.remove) {
      axn = axn.delete({ type: Pod, name: metadata.name!, namespace: axn.name }, { uid: metadata.uid })
    }
    const { replicas, usual, resize } = next
    if (resize) axn = axn.run(`resize pods of ${name}`, (kube) => resizePods(kube, resize, object.spec.template))
    const autoscaler = objects.find(
      ({ kind, spec }) => kind === HorizontalPodAutoscaler.kind && spec.scaleTargetRef.name === name,
    )
    if (autoscaler && usual !== undefined) {
      // It would take away the pods beyond the usual, or count them as wanted.
      const { minReplicas, maxReplicas } = autoscaler.spec
      const most = Math.max(maxReplicas, replicas ?? 0)
      const bounds = usual === null ? { minReplicas, maxReplicas } : { minReplicas: replicas, maxReplicas: most }
      const ref = { type: HorizontalPodAutoscaler, name: autoscaler.metadata.name!, namespace: axn.name }
      axn = axn.patch(ref, { spec: bounds })
    }
    if (replicas === undefined && usual === undefined) continue
    const annotations = { [usualAnnotation]: usual === null ? null : String(usual) }
    axn = axn.patch(
      { type: StatefulSet, name: name!, namespace: axn.name },
      {
        ...(usual !== undefined && { metadata: { annotations } }),
        ...(replicas !== undefined && { spec: { replicas } }),
      },
    )
  }
  return axn
}
