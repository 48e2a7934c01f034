import type { KubeObject, objects } from '#kube'
import { shortHash } from '#lib'
import { withoutImages } from '#manifests'

/** Annotation of pods: what they were made from, but for what can change while they run: images (their code) and sizes. */
const shapeAnnotation = 'cuddle.dev/shape'

/** A pod into which the code of a release was loaded, in the run of its containers that this was. */
export interface LoadedPod {
  pod: string
  uid: string
  /** Restarts of its containers so far: one more, and it runs its image again. */
  restarts: number
}

/** Writes into a template what its pods can be told by: two templates that differ in images and sizes only have the same. */
export function rememberShape(template: Record<string, any>): void {
  const annotations = { ...template['metadata'].annotations }
  delete annotations[shapeAnnotation]
  const metadata = { ...template['metadata'], annotations }
  const containers = template['spec'].containers.map(({ resources: _, ...rest }: Record<string, unknown>) => rest)
  const shape = shortHash(withoutImages({ ...template, metadata, spec: { ...template['spec'], containers } }))
  template['metadata'].annotations = { ...annotations, [shapeAnnotation]: shape }
}

/** How often containers of a pod were started anew. */
export function restartsOf(pod: objects.Pod): number {
  return (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount = 0 }) => sum + restartCount, 0)
}

/** Whether a pod was made from this template, image and all, so that it can but run its code; its size may be another. */
export function isMadeFrom(pod: objects.Pod & KubeObject, template: Record<string, any>): boolean {
  return hasShape(pod, template) && images(pod.spec) === images(template['spec'])
}

/** Whether pods that start now are made from the StatefulSets among these objects. */
export function isApplied(
  objects: readonly KubeObject[],
  live: readonly (objects.StatefulSet & KubeObject)[],
): boolean {
  return objects.every(({ kind, metadata, spec }) => {
    if (kind !== 'StatefulSet') return true
    const template = live.find((set) => set.metadata.name === metadata.name)?.spec?.template
    return (
      template !== undefined &&
      isMadeFrom({ ...template, metadata: template.metadata ?? {} } as KubeObject, spec.template)
    )
  })
}

/** Whether a pod runs what the template says: made from it, or with the code loaded since. */
export function runs(
  pod: objects.Pod & KubeObject,
  template: Record<string, any>,
  loaded: readonly LoadedPod[],
): boolean {
  if (!hasShape(pod, template)) return false
  if (images(pod.spec) === images(template['spec'])) return true
  return loaded.some(({ uid, restarts }) => uid === pod.metadata.uid && restarts === restartsOf(pod))
}

/** Whether pods of the one template may become those of the other by their code alone. */
export function hasShape(pod: KubeObject, template: Record<string, any>): boolean {
  return pod.metadata.annotations?.[shapeAnnotation] === template['metadata']?.annotations?.[shapeAnnotation]
}

function images(spec: { containers?: { image?: string }[] } | undefined): string {
  return (spec?.containers ?? []).map(({ image }) => image).join()
}
