import type { Plugin } from './plugin.ts'

const annotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class']

/** DefaultStorageClass: a claim that names no class gets the default one, of several the newest. */
export const defaultStorageClass: Plugin = {
  mutate(rr, { operation, object }) {
    if (rr.resource !== 'core/persistentvolumeclaims' || operation !== 'CREATE' || rr.subresource !== undefined) return
    const { spec } = object
    if (typeof spec !== 'object' || spec === null || (spec.storageClassName ?? undefined) !== undefined) return
    if (object.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return
    const [newest] = rr.api.store
      .peekAll('storage.k8s.io/storageclasses')
      .map((stored) => stored.object.metadata)
      .filter((metadata) => annotations.some((name) => metadata.annotations?.[name] === 'true'))
      .sort(
        (a, b) =>
          Date.parse(b.creationTimestamp ?? '') - Date.parse(a.creationTimestamp ?? '') || (a.name! < b.name! ? -1 : 1),
      )
    if (newest) spec.storageClassName = newest.name
  },
}
