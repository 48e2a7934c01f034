import { type objects, PersistentVolume, PersistentVolumeClaim, Pod } from '#kube'
import { type Axn, type Controller, controller } from '#operator'

/** A claim or volume that waits for others is looked at again when they change; this is for what was missed. */
export const patience = 60_000

/** Holds a claim until no pod uses it any more (kube-controller-manager's pvc-protection-controller). */
export const claimFinalizer = 'kubernetes.io/pvc-protection'

export function claimProtectionController(): Controller<any> {
  return controller(PersistentVolumeClaim, {
    name: 'pvc-protection-controller',
    watches: [{ type: Pod, map: claimsOf }],
  }).finalize(claimFinalizer, (axn: Axn<any>) => {
    const pods: readonly objects.Pod[] = axn.lister.list(Pod, { namespace: axn.namespace })
    const used = pods.some((pod) => pod.spec?.nodeName && claimsOf(pod).some(({ name }) => name === axn.name))
    return used ? axn.requeueAfter(patience) : axn
  })
}

/** The claims that a pod names, or has of its own. */
export function claimsOf(pod: objects.Pod) {
  const { namespace } = pod.metadata
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const name = volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral && `${pod.metadata.name}-${volume.name}`)
    return name ? [{ name, namespace }] : []
  })
}

/** Holds a volume until the claim that it is bound to is going (kube-controller-manager's pv-protection-controller). */
export function volumeProtectionController(): Controller<any> {
  return controller(PersistentVolume, {
    name: 'pv-protection-controller',
    reads: [PersistentVolumeClaim],
    watches: [{ type: PersistentVolumeClaim, map: volumeOf }],
  }).finalize('kubernetes.io/pv-protection', (axn: Axn<any>) => {
    const { claimRef } = (axn.object as objects.PersistentVolume).spec ?? {}
    const claim = claimRef?.name && axn.lister.get(PersistentVolumeClaim, claimRef.name, claimRef.namespace)
    const bound = claim && claim.metadata.uid === claimRef.uid && !claim.metadata.deletionTimestamp
    return bound ? axn.requeueAfter(patience) : axn
  })
}

export function volumeOf(claim: objects.PersistentVolumeClaim) {
  return claim.spec?.volumeName ? [{ name: claim.spec.volumeName }] : []
}
