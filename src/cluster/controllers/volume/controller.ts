import { type objects, PersistentVolume, PersistentVolumeClaim } from '#kube'
import { parseQuantity } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { claimFinalizer, patience } from './protection.ts'

/** The class of claims that ask for none: a directory on this machine, as its node agent keeps it. */
const className = 'cuddle-local'

/**
 * Provisions what claims ask for. Every claim without a class, or with ours, gets a PersistentVolume of its own and is Bound;
 * the directory is named by the claim's uid, so that a claim of the same name never finds another's data. When the claim goes the
 * volume goes (reclaim policy Delete), and the node agent clears the directory.
 */
export function volumeController(): Controller<any> {
  return controller(PersistentVolumeClaim, {
    name: 'persistentvolume-binder',
    reads: [PersistentVolume],
    writes: [PersistentVolume],
    watches: [{ type: PersistentVolume, map: claimOf }],
  })
    .finalize('cuddle.dev/volume', (axn) => {
      // A claim that a pod uses keeps its volume.
      if (axn.object.metadata.finalizers?.includes(claimFinalizer)) return axn.requeueAfter(patience)
      return axn.delete({ type: PersistentVolume, name: volumeName(axn) })
    })
    .step('bind', bind)
}

function claimOf(volume: objects.PersistentVolume) {
  const ref = volume.spec?.claimRef
  return ref?.name ? [{ name: ref.name, namespace: ref.namespace }] : []
}

const volumeName = (axn: Axn<any>) => `pvc-${axn.object.metadata.uid}`

function bind(axn: Axn<any>): Axn<any> {
  const claim = axn.object as objects.PersistentVolumeClaim
  const { storageClassName = className, volumeName: bound, accessModes, resources } = claim.spec ?? {}
  if (axn.deleting || storageClassName !== className || (bound && bound !== volumeName(axn))) return axn
  const capacity = { storage: resources?.requests?.storage ?? '1Gi' }
  if (!parseQuantity(capacity.storage)) return axn
  const name = volumeName(axn)
  if (!axn.lister.get(PersistentVolume, name)) {
    axn = axn.apply(PersistentVolume, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        capacity,
        accessModes,
        persistentVolumeReclaimPolicy: 'Delete',
        storageClassName: className,
        volumeMode: 'Filesystem',
        claimRef: {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          name: axn.name,
          namespace: axn.namespace,
          uid: claim.metadata.uid,
        },
        hostPath: { path: `/var/lib/cuddle/volumes/${claim.metadata.uid}` },
      },
    })
  }
  axn = axn.patch({ type: PersistentVolume, name }, { status: { phase: 'Bound' } }, { subresource: 'status' })
  if (!bound) {
    axn = axn.patch(
      { type: PersistentVolumeClaim, name: axn.name, namespace: axn.namespace },
      { spec: { volumeName: name } },
    )
  }
  return axn.status({ phase: 'Bound', accessModes, capacity })
}
