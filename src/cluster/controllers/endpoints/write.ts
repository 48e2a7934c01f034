import { EndpointSlice, isConflict, isNotFound, type KubeObject, type objects, type ResourceType } from '#kube'
import { equal } from '#lib'
import type { Axn } from '#operator'
import { controllerReference } from '../shared/index.ts'
import { triggerAnnotation } from './trigger.ts'

/**
 * Creates an object of the primary's, or patches those of its `fields` and labels that differ; nothing when nothing does. What
 * triggered the write is told only with one.
 */
export function write(
  axn: Axn<any>,
  owner: ResourceType<any> | undefined,
  type: ResourceType<any>,
  object: KubeObject,
  before: KubeObject | undefined,
  fields: readonly string[],
): Axn<any> {
  const { name, namespace, labels, annotations } = object.metadata
  if (!before) {
    const owned = owner && { ownerReferences: [controllerReference(owner, axn.object)] }
    return axn.create(type, { ...object, metadata: { ...object.metadata, ...owned } }, { owned: false })
  }
  const patch: Record<string, any> = {}
  for (const field of fields) {
    if (!equal(object[field] ?? [], before[field] ?? [])) patch[field] = object[field] ?? null
  }
  if (!equal(labels, before.metadata.labels)) {
    const dropped = Object.keys(before.metadata.labels ?? {}).filter((key) => labels?.[key] === undefined)
    patch.metadata = { labels: { ...Object.fromEntries(dropped.map((key) => [key, null])), ...labels } }
  }
  if (Object.keys(patch).length === 0) return axn
  const since = annotations?.[triggerAnnotation] ?? null
  if (since !== (before.metadata.annotations?.[triggerAnnotation] ?? null))
    patch.metadata = { ...patch.metadata, annotations: { [triggerAnnotation]: since } }
  return axn.patch({ type, name: name!, namespace }, patch, { type: 'merge' })
}

/** Deletes slices that are no longer wanted; after the writes, since an address that moves to another slice must not be nowhere in between. */
export function removeSurplus(
  axn: Axn<any>,
  existing: readonly objects.EndpointSlice[],
  wanted: readonly objects.EndpointSlice[],
): Axn<any> {
  const surplus = existing.filter(({ metadata }) => !wanted.some((slice) => slice.metadata.name === metadata.name))
  if (surplus.length === 0) return axn
  return axn.run('delete surplus slices', async (kube) => {
    for (const { metadata } of surplus) {
      try {
        await kube.delete(EndpointSlice, metadata.name!, metadata.namespace, { preconditions: { uid: metadata.uid! } })
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error
      }
    }
  })
}
