import type { Plugin } from './plugin.ts'

const finalizers: Record<string, string> = {
  'core/persistentvolumeclaims': 'kubernetes.io/pvc-protection',
  'core/persistentvolumes': 'kubernetes.io/pv-protection',
}

/** StorageObjectInUseProtection: what is in use is kept until it is no more; controllers take the finalizers away. */
export const storageProtection: Plugin = {
  mutate(rr, { operation, object }) {
    const finalizer = finalizers[rr.resource]
    if (finalizer === undefined || operation !== 'CREATE' || rr.subresource !== undefined) return
    const own = Array.isArray(object.metadata.finalizers) ? object.metadata.finalizers : []
    if (!own.includes(finalizer)) object.metadata.finalizers = [...own, finalizer]
  },
}
