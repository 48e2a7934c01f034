import {
  isNotFound,
  type KubeObject,
  type OwnerReference,
  type objects,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
} from '#kube'
import { clone, equal } from '#lib'
import type { Axn } from '#operator'
import { controllerReference } from '../shared/index.ts'

/** `<template>-<set>-<ordinal>`: the claims of one pod, owned as the retention policy says. */
export function claimsOf(set: objects.StatefulSet, ordinal: number): KubeObject[] {
  return (set.spec?.volumeClaimTemplates ?? []).map(({ metadata, spec }) => {
    const claim: KubeObject = clone({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        ...metadata,
        name: `${metadata.name}-${set.metadata.name}-${ordinal}`,
        namespace: set.metadata.namespace,
        labels: { ...metadata.labels, ...set.spec?.selector?.matchLabels },
      },
      spec,
    })
    const ownerReferences = claimOwners(set, undefined, false, undefined)
    if (ownerReferences.length > 0) claim.metadata.ownerReferences = ownerReferences
    return claim
  })
}

/**
 * Who a claim belongs to, so that the garbage collector carries persistentVolumeClaimRetentionPolicy out (KEP-1847):
 * with whenScaled: Delete the claims of a condemned pod go with the pod, with whenDeleted: Delete all others go with the set.
 * Owners of other kinds are left as they are.
 *
 * @param condemned the pod's ordinal is beyond the replicas
 */
export function claimOwners(
  set: objects.StatefulSet,
  pod: objects.Pod | undefined,
  condemned: boolean,
  before: readonly OwnerReference[] | undefined,
): OwnerReference[] {
  const { whenDeleted, whenScaled } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {}
  const others = (before ?? []).filter(({ uid, kind }) => uid !== set.metadata.uid && kind !== 'Pod')
  if (others.some((owner) => owner.controller)) return [...(before ?? [])]
  if (condemned && whenScaled === 'Delete' && pod) return [...others, controllerReference(Pod, pod as KubeObject)]
  if (whenDeleted === 'Delete' && !(condemned && whenScaled === 'Delete'))
    return [...others, controllerReference(StatefulSet, set as KubeObject)]
  return others
}

/** Brings the owners of a pod's claims up to date; it must be done before the pod is deleted. */
export async function settleClaims(axn: Axn<any>, pod: objects.Pod, ordinal: number): Promise<void> {
  const set = axn.object as objects.StatefulSet
  const { replicas = 1, ordinals } = set.spec ?? {}
  const start = ordinals?.start ?? 0
  const condemned = ordinal < start || ordinal >= start + replicas
  for (const { metadata } of set.spec?.volumeClaimTemplates ?? []) {
    const name = `${metadata.name}-${set.metadata.name}-${ordinal}`
    const claim = axn.lister.get(PersistentVolumeClaim, name, set.metadata.namespace)
    if (!claim) continue
    const { uid, resourceVersion, ownerReferences: before = [] } = claim.metadata
    const owners = claimOwners(set, pod, condemned, before)
    if (equal(owners, before)) continue
    const patch = { metadata: { uid, resourceVersion, ownerReferences: owners.length > 0 ? owners : null } }
    try {
      await axn.kube.patch(PersistentVolumeClaim, { name, namespace: set.metadata.namespace }, patch, { type: 'merge' })
    } catch (error) {
      // A conflict ends the pass: the pod must not go before its claims know whose they are.
      if (!isNotFound(error)) throw error
    }
  }
}
