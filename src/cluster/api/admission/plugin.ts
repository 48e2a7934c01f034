import type { KubeObject } from '#kube'
import type { WriteOptions } from '../options.ts'
import type { ResourceRequest } from '../request.ts'

/** One write on its way to the store. `mutate` comes before defaults and may change `object` of a CREATE; `validate` comes after them. */
export interface Attributes {
  operation: 'CREATE' | 'UPDATE'
  phase: 'mutate' | 'validate'
  object: KubeObject
  old: KubeObject | undefined
  options: WriteOptions
}

/** A rule that may complete a new object or refuse a write by throwing a StatusError. Synchronous: it sees the store of this very turn. */
export interface Plugin {
  mutate?(rr: ResourceRequest, attributes: Attributes): void
  validate?(rr: ResourceRequest, attributes: Attributes): void
}

/** Every container of a pod's spec, however odd the spec is. */
export function containersOf(spec: any): any[] {
  const lists = [spec?.initContainers, spec?.containers, spec?.ephemeralContainers]
  return lists
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .filter((one) => typeof one === 'object' && one !== null)
}

/** True for the creation of a pod itself. */
export function isNewPod(rr: ResourceRequest, { operation }: Attributes): boolean {
  return rr.resource === 'core/pods' && operation === 'CREATE' && rr.subresource === undefined
}
