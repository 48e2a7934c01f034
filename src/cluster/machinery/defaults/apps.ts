import { defaultPodSpec, fill } from './pod.ts'
import type { Defaulter } from './registry.ts'

export const defaults: Record<string, Defaulter> = {
  Deployment({ spec }) {
    fill(spec, 'replicas', 1)
    fill(spec.strategy, 'type', 'RollingUpdate')
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {}
      fill(spec.strategy.rollingUpdate, 'maxUnavailable', '25%')
      fill(spec.strategy.rollingUpdate, 'maxSurge', '25%')
    }
    fill(spec, 'revisionHistoryLimit', 10)
    fill(spec, 'progressDeadlineSeconds', 600)
    defaultPodSpec(spec.template.spec)
  },
  ReplicaSet({ spec }) {
    fill(spec, 'replicas', 1)
    if (spec.template?.spec) defaultPodSpec(spec.template.spec)
  },
  StatefulSet({ spec }) {
    fill(spec, 'podManagementPolicy', 'OrderedReady')
    fill(spec.updateStrategy, 'type', 'RollingUpdate')
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      fill(spec.updateStrategy.rollingUpdate, 'partition', 0)
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {}
    fill(spec.persistentVolumeClaimRetentionPolicy, 'whenDeleted', 'Retain')
    fill(spec.persistentVolumeClaimRetentionPolicy, 'whenScaled', 'Retain')
    fill(spec, 'replicas', 1)
    fill(spec, 'revisionHistoryLimit', 10)
    for (const claim of spec.volumeClaimTemplates ?? []) {
      fill(claim, 'apiVersion', 'v1')
      fill(claim, 'kind', 'PersistentVolumeClaim')
      fill(claim.spec, 'volumeMode', 'Filesystem')
      fill(claim.status, 'phase', 'Pending')
    }
    defaultPodSpec(spec.template.spec)
  },
  DaemonSet({ spec }) {
    fill(spec.updateStrategy, 'type', 'RollingUpdate')
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      fill(spec.updateStrategy.rollingUpdate, 'maxUnavailable', 1)
      fill(spec.updateStrategy.rollingUpdate, 'maxSurge', 0)
    }
    fill(spec, 'revisionHistoryLimit', 10)
    defaultPodSpec(spec.template.spec)
  },
}
