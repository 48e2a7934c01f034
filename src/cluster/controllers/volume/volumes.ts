import { type objects, PersistentVolume, PersistentVolumeClaim } from '#kube'
import { type Axn, type Controller, controller } from '#operator'
import { isProvisioned } from './controller.ts'
import { volumeOf } from './protection.ts'

const boundByController = 'pv.kubernetes.io/bound-by-controller'

/** Says of each volume whether it may be claimed, is, or was; and does with the last what its reclaim policy asks for. */
export function volumePhaseController(): Controller<any> {
  return controller(PersistentVolume, {
    name: 'persistentvolume-reclaimer',
    reads: [PersistentVolumeClaim],
    watches: [{ type: PersistentVolumeClaim, map: volumeOf }],
  }).step('phase', async (axn: Axn<any>) => {
    const volume = axn.object as objects.PersistentVolume
    const ref = volume.spec?.claimRef
    if (axn.deleting) return axn
    if (!ref?.uid) return phase(axn, 'Available')
    const isOwn = (claim: objects.PersistentVolumeClaim | undefined) => claim?.metadata.uid === ref.uid
    let claim = axn.lister.get(PersistentVolumeClaim, ref.name!, ref.namespace)
    // Before data goes with it: is the claim really gone, or not yet known here?
    if (!isOwn(claim)) claim = await axn.kube.find(PersistentVolumeClaim, ref.name!, ref.namespace)
    if (!claim || !isOwn(claim)) return reclaim(axn, volume)
    if (claim.spec?.volumeName === axn.name) return phase(axn, 'Bound')
    // Not yet bound, or bound to another: this one is free again.
    return claim.spec?.volumeName ? unbind(axn, volume) : axn
  })
}

function phase(axn: Axn<any>, phase: string, message?: string): Axn<any> {
  return axn.object.status?.phase === phase ? axn : axn.status({ phase, message })
}

function reclaim(axn: Axn<any>, volume: objects.PersistentVolume): Axn<any> {
  if (volume.spec?.persistentVolumeReclaimPolicy !== 'Delete') return phase(axn, 'Released')
  if (isProvisioned(volume)) return axn.delete({ type: PersistentVolume, name: axn.name }, { uid: volume.metadata.uid })
  if (volume.status?.phase === 'Failed') return axn
  const message = 'what was made by hand is not deleted here: delete it and the volume, or set the policy to Retain'
  return phase(axn.event('VolumeFailedDelete', message, { type: 'Warning' }), 'Failed', message)
}

function unbind(axn: Axn<any>, volume: objects.PersistentVolume): Axn<any> {
  const { annotations, resourceVersion } = volume.metadata
  const ours = annotations?.[boundByController] !== undefined
  return phase(
    axn.patch(
      { type: PersistentVolume, name: axn.name },
      ours
        ? { metadata: { resourceVersion, annotations: { [boundByController]: null } }, spec: { claimRef: null } }
        : { metadata: { resourceVersion }, spec: { claimRef: { uid: null } } },
    ),
    'Available',
  )
}
