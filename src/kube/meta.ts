import type { Condition, OwnerReference } from './generated/types.ts'
import type { KubeObject } from './types.ts'

type WithMeta = { metadata: KubeObject['metadata'] }

/** `namespace/name`, or `name` for a cluster-scoped object: the key of client-go's MetaNamespaceKeyFunc. */
export function keyOf(object: WithMeta | { name: string; namespace?: string | undefined }): string {
  const { name, namespace } = 'metadata' in object ? object.metadata : object
  return namespace ? `${namespace}/${name}` : (name ?? '')
}

/** Takes a key of keyOf apart again. */
export function parseKey(key: string): { name: string; namespace?: string } {
  const slash = key.indexOf('/')
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** A reference that makes `owner` the controller of another object, as metav1.NewControllerRef does. */
export function ownerReference(
  owner: KubeObject,
  { controller = true, blockOwnerDeletion = true }: { controller?: boolean; blockOwnerDeletion?: boolean } = {},
): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name ?? '',
    uid: owner.metadata.uid ?? '',
    controller,
    blockOwnerDeletion,
  }
}

/** The one ownerReference with `controller: true`. */
export function controllerOf(object: WithMeta): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true)
}

export function getCondition(object: object, type: string): Condition | undefined {
  const conditions: unknown = (object as KubeObject)['status']?.conditions
  return Array.isArray(conditions) ? conditions.find((condition: Condition) => condition?.type === type) : undefined
}

/** True when status.conditions[type].status is `True`. */
export function conditionTrue(object: object, type: string): boolean {
  return getCondition(object, type)?.status === 'True'
}

/**
 * Orders two resourceVersions of one resource: negative, 0, positive. They are decimal integers of any size
 * (KEP-5504), so longer is newer and equal lengths compare as text; undefined is oldest.
 */
export function compareResourceVersions(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined) return -1
  if (b === undefined) return 1
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : 1
}
