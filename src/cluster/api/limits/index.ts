import { type Attributes, isNewPod } from '../admission/plugin.ts'
import type { Api, ResourceRequest } from '../request.ts'
import { checkLimits, completePod } from './limit-range.ts'
import { checkQuota } from './quota.ts'
import { startQuotaStatus } from './status.ts'

/** LimitRange and ResourceQuota of one API server. */
export interface Limits {
  mutate(rr: ResourceRequest, attributes: Attributes): void
  validate(rr: ResourceRequest, attributes: Attributes): void
  close(): void
}

export function startLimits(api: Api): Limits {
  const close = startQuotaStatus(api)
  return {
    mutate(rr, attributes) {
      if (isNewPod(rr, attributes)) completePod(rr, attributes)
    },
    validate(rr, attributes) {
      if (rr.namespace === undefined) return
      const claim = rr.resource === 'core/persistentvolumeclaims' && rr.subresource === undefined
      const resized = rr.resource === 'core/pods' && rr.subresource === 'resize'
      if (isNewPod(rr, attributes) || claim || resized) checkLimits(rr, attributes)
      const created = attributes.operation === 'CREATE' && rr.subresource === undefined
      if (created || resized) checkQuota(rr, attributes)
    },
    close,
  }
}
