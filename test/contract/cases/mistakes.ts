import { contract } from '../case.ts'

const container = { name: 'c', image: 'i' }
const job = { spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } }

contract('what people get wrong in requests', async (c) => {
  await c.post(c.path('configmaps'), { metadata: { name: 'a' } }, { record: false })
  const path = c.path('configmaps')
  await c.get(`${path}?limit=-1`, { pick: ({ kind }) => kind })
  for (const query of ['limit=x', 'timeoutSeconds=x', 'labelSelector=a%20in%20b', 'fieldSelector=a'])
    await c.get(`${path}?${query}`)
  await c.delete(`${path}/a?dryRun=x`)
  await c.delete(`${path}/a?gracePeriodSeconds=x`)
  await c.post(`${path}?dryRun=x`, { metadata: { name: 'b' } })
})

contract('what people get wrong in objects', async (c) => {
  const wrong = (resource: string, object: object) =>
    c.post(`${c.path(resource)}?dryRun=All`, { metadata: { name: 'x' }, ...object })
  await wrong('pods', { spec: { serviceAccountName: 'none', containers: [container] } })
  await wrong('pods', { spec: { priorityClassName: 'none', containers: [container] } })
  await wrong('services', { spec: { type: 'Odd', ports: [{ port: 80 }] } })
  await c.post(c.path('services'), {
    metadata: { name: 'x' },
    spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] },
  })
  await wrong('services', { spec: { ports: [{ port: 80, protocol: 'tcp' }] } })
  await wrong('batch/v1/jobs', { spec: { backoffLimit: -1, ...job.spec } })
  await wrong('batch/v1/cronjobs', { spec: { schedule: 'x', jobTemplate: job } })
  await wrong('persistentvolumeclaims', {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '-1Gi' } } },
  })
  await wrong('networking.k8s.io/v1/networkpolicies', {
    spec: { podSelector: { matchLabels: { 'a b': 'c' } }, policyTypes: ['Odd'] },
  })
  await wrong('rbac.authorization.k8s.io/v1/rolebindings', {
    roleRef: { kind: 'Odd', name: '' },
    subjects: [{ kind: 'Odd', name: '' }],
  })
  await wrong('secrets', { type: 'kubernetes.io/basic-auth' })
  await wrong('secrets', { type: 'kubernetes.io/service-account-token' })
  await wrong('limitranges', { spec: { limits: [{ type: 'Container', max: { cpu: '1' }, min: { cpu: '2' } }] } })
  await wrong('limitranges', { spec: { limits: [{ type: 'PersistentVolumeClaim' }] } })
  await wrong('resourcequotas', { spec: { hard: { nonsense: '1', pods: '-1' } } })
})
