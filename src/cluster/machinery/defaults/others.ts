import { fill } from './pod.ts'
import type { Defaulter } from './registry.ts'

const rbac = 'rbac.authorization.k8s.io'

function binding(object: any): void {
  if (!object.roleRef.apiGroup) object.roleRef.apiGroup = rbac
  for (const subject of object.subjects ?? [])
    if (!subject.apiGroup && subject.kind !== 'ServiceAccount') subject.apiGroup = rbac
}

function scaling(rules: any, policies: any[], window?: number): any {
  return {
    ...(window !== undefined && { stabilizationWindowSeconds: window }),
    selectPolicy: 'Max',
    policies,
    ...rules,
  }
}

function webhooks(object: any): void {
  for (const webhook of object.webhooks ?? []) {
    fill(webhook, 'failurePolicy', 'Fail')
    fill(webhook, 'matchPolicy', 'Equivalent')
    fill(webhook, 'namespaceSelector', {})
    fill(webhook, 'objectSelector', {})
    fill(webhook, 'timeoutSeconds', 10)
    if (object.kind.startsWith('Mutating')) fill(webhook, 'reinvocationPolicy', 'Never')
    if (webhook.clientConfig?.service) fill(webhook.clientConfig.service, 'port', 443)
    for (const rule of webhook.rules ?? []) fill(rule, 'scope', '*')
  }
}

/** Groups whose defaults are a few lines each, by group and kind. */
export const defaults: Record<string, Record<string, Defaulter>> = {
  'networking.k8s.io': {
    IngressClass({ spec }) {
      if (spec?.parameters) fill(spec.parameters, 'scope', 'Cluster')
    },
    NetworkPolicy({ spec }) {
      for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
        for (const port of rule.ports ?? []) fill(port, 'protocol', 'TCP')
      if (!spec.policyTypes) spec.policyTypes = spec.egress ? ['Ingress', 'Egress'] : ['Ingress']
    },
  },
  autoscaling: {
    HorizontalPodAutoscaler(object) {
      const { spec } = object
      fill(spec, 'minReplicas', 1)
      if (object.apiVersion !== 'autoscaling/v2') return
      if (!spec.metrics)
        spec.metrics = [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
        ]
      if (!spec.behavior) return
      const up = [
        { type: 'Pods', value: 4, periodSeconds: 15 },
        { type: 'Percent', value: 100, periodSeconds: 15 },
      ]
      spec.behavior.scaleUp = scaling(spec.behavior.scaleUp, up, 0)
      spec.behavior.scaleDown = scaling(spec.behavior.scaleDown, [{ type: 'Percent', value: 100, periodSeconds: 15 }])
    },
  },
  [rbac]: { RoleBinding: binding, ClusterRoleBinding: binding },
  'storage.k8s.io': {
    StorageClass(object) {
      fill(object, 'reclaimPolicy', 'Delete')
      fill(object, 'volumeBindingMode', 'Immediate')
    },
    CSIDriver({ spec }) {
      fill(spec, 'attachRequired', true)
      fill(spec, 'podInfoOnMount', false)
      fill(spec, 'storageCapacity', false)
      fill(spec, 'fsGroupPolicy', 'ReadWriteOnceWithFSType')
      fill(spec, 'volumeLifecycleModes', ['Persistent'])
      fill(spec, 'requiresRepublish', false)
      fill(spec, 'seLinuxMount', false)
    },
  },
  'scheduling.k8s.io': {
    PriorityClass(object) {
      fill(object, 'preemptionPolicy', 'PreemptLowerPriority')
    },
  },
  'discovery.k8s.io': {
    EndpointSlice(object) {
      for (const port of object.ports ?? []) {
        fill(port, 'name', '')
        fill(port, 'protocol', 'TCP')
      }
    },
  },
  'admissionregistration.k8s.io': {
    MutatingWebhookConfiguration: webhooks,
    ValidatingWebhookConfiguration: webhooks,
    ValidatingAdmissionPolicy({ spec }) {
      fill(spec, 'failurePolicy', 'Fail')
      if (!spec.matchConstraints) return
      fill(spec.matchConstraints, 'matchPolicy', 'Equivalent')
      fill(spec.matchConstraints, 'namespaceSelector', {})
      fill(spec.matchConstraints, 'objectSelector', {})
      for (const rule of spec.matchConstraints.resourceRules ?? []) fill(rule, 'scope', '*')
    },
  },
  'apiextensions.k8s.io': {
    CustomResourceDefinition({ spec }) {
      const { names } = spec
      if (!names.singular && names.kind) names.singular = names.kind.toLowerCase()
      if (!names.listKind && names.kind) names.listKind = `${names.kind}List`
      fill(spec, 'conversion', { strategy: 'None' })
    },
  },
  'apiregistration.k8s.io': {
    APIService({ spec }) {
      if (spec?.service) fill(spec.service, 'port', 443)
    },
  },
  'authentication.k8s.io': {
    TokenRequest({ spec }) {
      fill(spec, 'expirationSeconds', 3600)
    },
  },
}
