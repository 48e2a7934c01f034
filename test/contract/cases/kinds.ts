import assert from 'node:assert/strict'
import { contract } from '../case.ts'

const container = { name: 'c', image: 'i' }
const template = (more: object = {}) => ({
  metadata: { labels: { a: 'b' } },
  spec: { containers: [container], ...more },
})

/** One small object of every kind that is not in other cases: what it is made into, and what is said when it is wrong. */
const cluster: Record<string, object> = {
  'scheduling.k8s.io/v1/priorityclasses': { metadata: { name: 'contract-high' }, value: 7 },
  'storage.k8s.io/v1/storageclasses': { metadata: { name: 'contract-fast' }, provisioner: 'example.com/p' },
  'storage.k8s.io/v1/csidrivers': { metadata: { name: 'csi.example.com' }, spec: {} },
  'storage.k8s.io/v1/volumeattachments': {
    metadata: { name: 'contract-a' },
    spec: { attacher: 'a.example.com', nodeName: 'n', source: { persistentVolumeName: 'v' } },
  },
  'node.k8s.io/v1/runtimeclasses': { metadata: { name: 'contract-r' }, handler: 'runc' },
  'networking.k8s.io/v1/ingressclasses': { metadata: { name: 'contract-i' }, spec: { controller: 'example.com/c' } },
  'rbac.authorization.k8s.io/v1/clusterroles': {
    metadata: { name: 'contract-c' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { x: 'y' } }] },
  },
  'rbac.authorization.k8s.io/v1/clusterrolebindings': {
    metadata: { name: 'contract-c' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'Group', name: 'g' }],
  },
  'admissionregistration.k8s.io/v1/validatingwebhookconfigurations': {
    metadata: { name: 'contract-v' },
    webhooks: [
      {
        name: 'v.example.com',
        clientConfig: { service: { namespace: 'default', name: 's' } },
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
        namespaceSelector: { matchLabels: { never: 'there' } },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  },
}

const namespaced: Record<string, object> = {
  replicationcontrollers: { metadata: { name: 'r' }, spec: { replicas: 0, template: template() } },
  resourcequotas: { metadata: { name: 'q' }, spec: { hard: { pods: '5', 'requests.cpu': '1000m' } } },
  endpoints: { metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: '1.2.3.4' }], ports: [{ port: 80 }] }] },
  serviceaccounts: { metadata: { name: 's' }, automountServiceAccountToken: false },
  podtemplates: { metadata: { name: 't' }, template: template({ hostNetwork: true }) },
  'discovery.k8s.io/v1/endpointslices': {
    metadata: { name: 's' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['1.2.3.4'] }],
    ports: [{ port: 80 }],
  },
  'networking.k8s.io/v1/networkpolicies': {
    metadata: { name: 'n' },
    spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }], egress: [{}] },
  },
  'policy/v1/poddisruptionbudgets': { metadata: { name: 'p' }, spec: { minAvailable: '50%', selector: {} } },
  'batch/v1/cronjobs': {
    metadata: { name: 'c' },
    spec: {
      schedule: '0 3 * * *',
      suspend: true,
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } },
    },
  },
  'apps/v1/replicasets': {
    metadata: { name: 'r' },
    spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: template() },
  },
  'apps/v1/controllerrevisions': { metadata: { name: 'r' }, revision: 1, data: { x: { y: 1 } } },
}

contract('every kind as it is created, and wrong', async (c) => {
  for (const [resource, object] of Object.entries(cluster)) {
    const path = `/apis/${resource}?dryRun=All`
    const { code, text } = await c.post(path, object)
    assert.equal(code, 201, `${resource}: ${text}`)
    await c.post(
      path,
      { ...object, metadata: { name: 'Not_a name' } },
      { pick: ({ message: _, details: __, ...rest }) => rest },
    )
  }
  for (const [resource, object] of Object.entries(namespaced)) {
    const { code, text } = await c.post(`${c.path(resource)}?dryRun=All`, object)
    assert.equal(code, 201, `${resource}: ${text}`)
  }
})

contract('objects of every kind that lack everything', async (c) => {
  const bare = { metadata: { name: 'bare' } }
  for (const resource of Object.keys(cluster)) await c.post(`/apis/${resource}?dryRun=All`, bare)
  for (const resource of Object.keys(namespaced)) await c.post(`${c.path(resource)}?dryRun=All`, bare)
  for (const resource of [
    'pods',
    'services',
    'persistentvolumeclaims',
    'limitranges',
    'events',
    'configmaps',
    'secrets',
  ])
    await c.post(`${c.path(resource)}?dryRun=All`, bare)
  for (const resource of ['apps/v1/statefulsets', 'apps/v1/daemonsets', 'apps/v1/deployments', 'batch/v1/jobs'])
    await c.post(`${c.path(resource)}?dryRun=All`, bare)
  for (const resource of ['autoscaling/v2/horizontalpodautoscalers', 'networking.k8s.io/v1/ingresses'])
    await c.post(`${c.path(resource)}?dryRun=All`, bare)
  await c.post('/api/v1/persistentvolumes?dryRun=All', bare)
})
