import type { ResourceRequest } from '../request.ts'
import { defaultStorageClass } from './default-storage-class.ts'
import { defaultTolerations } from './default-tolerations.ts'
import { limitRanges, quotas } from './limits.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeTaint } from './node-taint.ts'
import type { Attributes, Plugin } from './plugin.ts'
import { podSecurity } from './pod-security.ts'
import { priority } from './priority.ts'
import { processPorts } from './process-ports.ts'
import { rbacEscalation } from './rbac-escalation.ts'
import { serviceAccount } from './service-account.ts'
import { storageProtection } from './storage-protection.ts'

/** The plugins of one API server, in kube-apiserver's order. */
export function admissionChain(): readonly Plugin[] {
  return [
    namespaceLifecycle,
    limitRanges,
    serviceAccount,
    nodeTaint,
    podSecurity,
    priority,
    defaultTolerations,
    defaultStorageClass,
    storageProtection,
    processPorts(),
    rbacEscalation,
    quotas,
  ]
}

/** Runs one phase of every plugin. Throws the StatusError of the first that refuses. */
export function admit(rr: ResourceRequest, attributes: Attributes): void {
  for (const plugin of rr.api.admission) plugin[attributes.phase]?.(rr, attributes)
}
