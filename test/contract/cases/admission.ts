import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Answer, Client } from '../client.ts'
import { deployment, pod, withoutController } from '../objects.ts'

const quiet = { record: false }
const enforce = (c: Client, labels: object) =>
  c.patch(
    'merge',
    `/api/v1/namespaces/${c.ns}`,
    { metadata: { labels } },
    { pick: (body) => body.metadata?.labels ?? body },
  )

contract('Pod Security: baseline', async (c) => {
  await enforce(c, { 'pod-security.kubernetes.io/enforce': 'baseline' })
  const make = (name: string, spec: object, metadata: object = {}) =>
    c.post(`${c.path('pods')}?dryRun=All`, pod(name, spec, metadata), {
      pick: (body) => (body.kind === 'Status' ? body : body.kind),
    })
  const container = (securityContext: object, more: object = {}) => ({
    containers: [{ name: 'c', image: 'i', securityContext, ...more }],
  })
  assert.equal((await make('plain', {})).code, 201)
  assert.equal((await make('privileged', container({ privileged: true }))).code, 403)
  await make('host', { hostNetwork: true, hostPID: true, hostIPC: true })
  await make('path', { volumes: [{ name: 'v', hostPath: { path: '/' } }] })
  await make('capability', container({ capabilities: { add: ['NET_ADMIN', 'CHOWN'] } }))
  await make('port', { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] })
  await make('seccomp', { securityContext: { seccompProfile: { type: 'Unconfined' } } })
  await make('sysctl', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } })
  await make('proc', container({ procMount: 'Unmasked' }))
  await make('selinux', container({ seLinuxOptions: { type: 'custom_t', user: 'x' } }))
  await make('apparmor', {}, { annotations: { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' } })
  await make('windows', { securityContext: { windowsOptions: { hostProcess: true } }, hostNetwork: true })
  await make('two', {
    hostNetwork: true,
    containers: [
      { name: 'a', image: 'i', securityContext: { privileged: true } },
      { name: 'b', image: 'i', securityContext: { privileged: true } },
    ],
  })
})

contract('Pod Security: restricted', async (c) => {
  await enforce(c, { 'pod-security.kubernetes.io/enforce': 'restricted' })
  const make = (name: string, spec: object) =>
    c.post(`${c.path('pods')}?dryRun=All`, pod(name, spec), {
      pick: (body) => (body.kind === 'Status' ? body : body.kind),
    })
  const good = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const container = (securityContext: object) => ({ containers: [{ name: 'c', image: 'i', securityContext }] })
  assert.equal((await make('good', container(good))).code, 201)
  assert.equal((await make('plain', {})).code, 403)
  await make('escalate', container({ ...good, allowPrivilegeEscalation: true }))
  await make('root', container({ ...good, runAsNonRoot: undefined }))
  await make('zero', container({ ...good, runAsUser: 0 }))
  await make('capability', container({ ...good, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CHOWN'] } }))
  await make('volume', { ...container(good), volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }] })
  await make('seccomp', container({ ...good, seccompProfile: { type: 'Unconfined' } }))
})

contract('Pod Security: warnings, also for templates', async (c) => {
  await enforce(c, {
    'pod-security.kubernetes.io/warn': 'restricted',
    'pod-security.kubernetes.io/warn-version': 'v1.30',
  })
  const warned = await c.post(c.path('pods'), pod('p'), { pick: ({ kind }) => kind })
  assert.match(String(warned.headers['warning']), /would violate PodSecurity/)
  await c.post(c.path('apps/v1/deployments'), deployment('d'), { pick: ({ kind }) => kind })
  await c.post(
    c.path('batch/v1/cronjobs'),
    {
      metadata: { name: 'j' },
      spec: {
        schedule: '* * * * *',
        suspend: true,
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
        },
      },
    },
    { pick: ({ kind }) => kind },
  )
})

contract('Pod Security: labels of a namespace', async (c) => {
  await enforce(c, { 'pod-security.kubernetes.io/enforce': 'nonsense' })
  await enforce(c, { 'pod-security.kubernetes.io/enforce-version': 'nonsense' })
  await c.post(c.path('pods'), pod('p', { hostNetwork: true }), quiet)
  await enforce(c, { 'pod-security.kubernetes.io/enforce': 'restricted' })
})

contract('a new Node is tainted until it is ready', async (c) => {
  // Nothing of other cases is to go there.
  const spec = { unschedulable: true, taints: [{ key: 'example.com/mine', effect: 'NoSchedule' }] }
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: c.ns }, spec }
  c.later(`/api/v1/nodes/${c.ns}`)
  const { body } = await c.post('/api/v1/nodes', node)
  assert.equal(body.spec.taints[1].key, 'node.kubernetes.io/not-ready')
  // The real controller puts on one taint and takes off the other in two writes.
  const settled = ({ body }: Answer) =>
    body.spec.taints.some(({ key }: any) => key === 'node.kubernetes.io/unschedulable') &&
    !body.spec.taints.some(({ key }: any) => key === 'node.kubernetes.io/not-ready') &&
    body.metadata.annotations?.['node.alpha.kubernetes.io/ttl'] === '0'
  await c.until(`/api/v1/nodes/${c.ns}`, settled, {
    pick: ({ metadata, spec }) => ({ annotations: metadata.annotations, keys: spec.taints.map(({ key }: any) => key) }),
  })
})

contract(
  'a pod gets an account, tolerations and a priority',
  async (c) => {
    const pick = ({ metadata, spec }: any) => ({ ...spec, managed: metadata.managedFields?.[0].fieldsV1 })
    const { body } = await c.post(c.path('pods'), pod('p'), { pick })
    assert.equal(body.spec.serviceAccountName, 'default')
    assert.equal(body.spec.tolerations.length, 2)
    await c.post(c.path('pods'), pod('q', { serviceAccountName: 'none' }))
    await c.post(
      c.path('pods'),
      pod('r', { automountServiceAccountToken: false, priorityClassName: 'system-node-critical' }),
      { pick },
    )
    await c.post(c.path('pods'), pod('s', { priorityClassName: 'none' }))
    await c.post(c.path('pods'), pod('t', { priority: 5 }))
  },
  { controllers: true },
)

contract(
  'a pod as it is created',
  async (c) => {
    await c.post(
      c.path('pods'),
      pod('p', {
        automountServiceAccountToken: false,
        initContainers: [{ name: 'i', image: 'example.com/i' }],
        containers: [
          {
            name: 'c',
            image: 'example.com/c:latest',
            env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
            resources: { limits: { cpu: '1', memory: '1Gi' } },
            readinessProbe: { httpGet: { port: 80 } },
            lifecycle: { preStop: { exec: { command: ['x'] } } },
            ports: [{ containerPort: 80 }],
            volumeMounts: [{ name: 'v', mountPath: '/v' }],
          },
        ],
        volumes: [
          { name: 'v', configMap: { name: 'x' } },
          { name: 's', secret: { secretName: 'x' } },
          { name: 'e', emptyDir: {} },
          { name: 'p', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
          { name: 'h', hostPath: { path: '/x' } },
        ],
      }),
    )
  },
  { controllers: true },
)

contract('pods that are invalid', async (c) => {
  const bad = async (spec: object, metadata: object = {}) => {
    const { code } = await c.post(c.path('pods'), pod('p', spec, metadata))
    assert.equal(code, 422, JSON.stringify(spec))
  }
  await bad({ containers: [] })
  await bad({ containers: [{ name: 'c' }] })
  await bad({ containers: [{ image: 'i' }] })
  await bad({ containers: [{ name: 'C', image: 'i' }] })
  await bad({
    containers: [
      { name: 'c', image: 'i' },
      { name: 'c', image: 'i' },
    ],
  })
  await bad({ containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 0 }] }] })
  await bad({ containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 70_000 }] }] })
  await bad({
    containers: [
      {
        name: 'c',
        image: 'i',
        ports: [
          { containerPort: 80, name: 'x' },
          { containerPort: 81, name: 'x' },
        ],
      },
    ],
  })
  await bad({ containers: [{ name: 'c', image: 'i', env: [{ name: '', value: 'x' }] }] })
  await bad({ containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'none', mountPath: '/x' }] }] })
  await bad({ containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }] })
  await bad({ containers: [{ name: 'c', image: 'i', imagePullPolicy: 'Sometimes' }] })
  await bad({ restartPolicy: 'Perhaps' })
  await bad({ dnsPolicy: 'None' })
  await bad({
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 'v', emptyDir: {} },
    ],
  })
  await bad({ volumes: [{ name: 'v', emptyDir: {}, configMap: { name: 'x' } }] })
  await bad({ activeDeadlineSeconds: 0 })
  await bad({ nodeSelector: { 'a b': 'c' } })
  await bad({ tolerations: [{ operator: 'Maybe' }] })
  await bad({ hostname: 'A.B' })
  await bad({ containers: [{ name: 'c', image: 'i', livenessProbe: { httpGet: { port: 80 }, periodSeconds: -1 } }] })
  await bad({ containers: [{ name: 'c', image: 'i', livenessProbe: {} }] })
})

contract('Deployments that are invalid', async (c) => {
  const bad = (spec: object) => c.post(c.path('apps/v1/deployments'), deployment('d', spec))
  await bad({ selector: { matchLabels: { other: 'x' } } })
  await bad({ selector: {} })
  await bad({ selector: undefined })
  await bad({ replicas: -1 })
  await bad({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } })
  await bad({ strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } })
  await bad({ strategy: { type: 'Magic' } })
  await bad({ minReadySeconds: 600, progressDeadlineSeconds: 600 })
  await bad({
    template: {
      metadata: { labels: { app: 'd' } },
      spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
    },
  })
  await bad({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '150x' } } })
})

contract('Services that are invalid, and what one gets', async (c) => {
  const make = (name: string, spec: object) =>
    c.post(c.path('services'), { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec })
  await make('a', { ports: [{ port: 80 }], selector: { a: 'b' } })
  await make('headless', { clusterIP: 'None', selector: { a: 'b' } })
  await make('external', { type: 'ExternalName', externalName: 'example.com' })
  const node = await make('node', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_123 }] })
  assert.equal(node.code, 201)
  await make('b', { ports: [] })
  await make('b', { ports: [{ port: 0 }] })
  await make('b', { ports: [{ port: 80 }, { port: 81 }] })
  await make('b', {
    ports: [
      { port: 80, name: 'x' },
      { port: 80, name: 'y' },
    ],
  })
  await make('b', { ports: [{ port: 80, protocol: 'ICMP' }] })
  await make('b', { type: 'Magic', ports: [{ port: 80 }] })
  await make('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_123 }] })
  await make('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })
  await make('b', { clusterIP: '1.2.3.4', ports: [{ port: 80 }] })
  await make('b', { clusterIP: 'nonsense', ports: [{ port: 80 }] })
  await make('b', { ports: [{ port: 80, targetPort: 'Not_A_Name' }] })
  await c.patch('merge', `${c.path('services')}/a`, { spec: { clusterIP: '10.96.1.2' } })
  await c.patch(
    'merge',
    `${c.path('services')}/a`,
    { spec: { type: 'NodePort' } },
    {
      pick: ({ spec }) => ({
        ...spec,
        ports: spec.ports.map(({ nodePort, ...rest }: any) => ({ ...rest, has: nodePort >= 30_000 })),
      }),
    },
  )
})

contract('other objects that are invalid', async (c) => {
  const job = (spec: object) =>
    c.post(c.path('batch/v1/jobs'), {
      metadata: { name: 'j' },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } }, ...spec },
    })
  await job({ template: { spec: { containers: [{ name: 'c', image: 'i' }] } } })
  await job({ parallelism: -1 })
  await job({ completionMode: 'Indexed' })
  await job({ selector: { matchLabels: { a: 'b' } } })
  const cron = (spec: object) =>
    c.post(c.path('batch/v1/cronjobs'), {
      metadata: { name: 'j' },
      spec: {
        schedule: '* * * * *',
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
        },
        ...spec,
      },
    })
  await cron({ schedule: 'every day' })
  await cron({ schedule: '' })
  await cron({ concurrencyPolicy: 'Whatever' })
  await cron({ timeZone: 'Mars/Olympus' })
  await cron({ schedule: 'TZ=UTC * * * * *' })
  await c.post(c.path('policy/v1/poddisruptionbudgets'), {
    metadata: { name: 'p' },
    spec: { minAvailable: 1, maxUnavailable: 1 },
  })
  await c.post(c.path('policy/v1/poddisruptionbudgets'), { metadata: { name: 'p' }, spec: { minAvailable: '150%' } })
  await c.post(c.path('autoscaling/v2/horizontalpodautoscalers'), {
    metadata: { name: 'h' },
    spec: { minReplicas: 5, maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd' } },
  })
  await c.post(c.path('autoscaling/v2/horizontalpodautoscalers'), {
    metadata: { name: 'h' },
    spec: { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } },
  })
  await c.post(c.path('networking.k8s.io/v1/ingresses'), { metadata: { name: 'i' }, spec: {} })
  await c.post(c.path('networking.k8s.io/v1/ingresses'), {
    metadata: { name: 'i' },
    spec: { rules: [{ host: 'BAD_host', http: { paths: [{ path: 'relative', pathType: 'Prefix', backend: {} }] } }] },
  })
  await c.post(c.path('rbac.authorization.k8s.io/v1/rolebindings'), {
    metadata: { name: 'r' },
    roleRef: { kind: 'Role', name: '' },
    subjects: [{ kind: 'User' }],
  })
  await c.post(c.path('rbac.authorization.k8s.io/v1/roles'), {
    metadata: { name: 'r' },
    rules: [{ apiGroups: [''], resources: [], verbs: [] }],
  })
  await c.post(c.path('apps/v1/statefulsets'), {
    metadata: { name: 's' },
    spec: {
      serviceName: 's',
      podManagementPolicy: 'Odd',
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  })
  await c.post(c.path('configmaps'), { metadata: { name: 'c' }, data: { 'a b': 'x', '..': 'y' } })
  await c.post(c.path('configmaps'), { metadata: { name: 'c' }, data: { a: 'x' }, binaryData: { a: 'eA==' } })
})

contract('defaults of the usual objects', async (c) => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  const selector = { matchLabels: { a: 'b' } }
  const once = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } }
  for (const [resource, spec] of [
    ['apps/v1/deployments', { replicas: 0, selector, template }],
    [
      'apps/v1/statefulsets',
      {
        replicas: 0,
        serviceName: 's',
        selector,
        template,
        volumeClaimTemplates: [
          {
            metadata: { name: 'v' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      },
    ],
    ['apps/v1/daemonsets', { selector, template }],
    ['apps/v1/replicasets', { replicas: 0, selector, template }],
    ['batch/v1/jobs', { suspend: true, template: once }],
    ['batch/v1/cronjobs', { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: once } } }],
    [
      'autoscaling/v2/horizontalpodautoscalers',
      {
        maxReplicas: 3,
        scaleTargetRef: { kind: 'Deployment', name: 'none', apiVersion: 'apps/v1' },
        behavior: { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } },
      },
    ],
    ['policy/v1/poddisruptionbudgets', { selector }],
    ['networking.k8s.io/v1/networkpolicies', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }],
    [
      'networking.k8s.io/v1/ingresses',
      {
        rules: [
          {
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { name: 'http' } } } }],
            },
          },
        ],
      },
    ],
    ['persistentvolumeclaims', { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }],
    ['limitranges', { limits: [{ type: 'Container', max: { cpu: '1' }, default: { memory: '1Gi' } }] }],
    ['resourcequotas', { hard: { pods: '5', 'requests.cpu': '1000m' } }],
  ] as const) {
    const { code, text } = await c.post(
      `${c.path(resource)}?dryRun=All`,
      { metadata: { name: 'x' }, spec },
      { pick: withoutController },
    )
    assert.equal(code, 201, text)
  }
  await c.post(`${c.path('rbac.authorization.k8s.io/v1/rolebindings')}?dryRun=All`, {
    metadata: { name: 'r' },
    roleRef: { kind: 'ClusterRole', name: 'view' },
    subjects: [
      { kind: 'User', name: 'jane' },
      { kind: 'ServiceAccount', name: 'sa' },
    ],
  })
  await c.post(`${c.path('secrets')}?dryRun=All`, { metadata: { name: 's' } })
  await c.post(`${c.path('serviceaccounts')}?dryRun=All`, { metadata: { name: 's' } })
  await c.post('/api/v1/namespaces?dryRun=All', { metadata: { name: `${c.ns}-x` } })
})

contract('quantities keep their form or take the usual one', async (c) => {
  const make = (name: string, requests: object) =>
    c.post(
      `${c.path('pods')}?dryRun=All`,
      pod(name, { containers: [{ name: 'c', image: 'i', resources: { requests } }] }),
      { pick: (body) => body.spec?.containers[0].resources ?? body },
    )
  await make('a', { cpu: 0.5, memory: '1024Ki' })
  await make('b', { cpu: '1000m', memory: '1000000000' })
  await make('c', { cpu: '0.1', memory: '1.5Gi' })
  await make('d', { cpu: '1e3m', memory: '1E' })
  await make('e', { cpu: 'lots' })
  await make('f', { cpu: '-1' })
  await make('g', { 'nvidia.com/gpu': '1', 'ephemeral-storage': '1G' })
})

contract(
  'quota and limits',
  async (c) => {
    await c.post(
      c.path('limitranges'),
      {
        metadata: { name: 'l' },
        spec: { limits: [{ type: 'Container', max: { cpu: '1' }, defaultRequest: { memory: '64Mi' } }] },
      },
      quiet,
    )
    const pick = (body: any) => (body.kind === 'Status' ? body : body.spec.containers[0].resources)
    const of = (resources: object) => ({ containers: [{ name: 'c', image: 'i', resources }] })
    await c.post(c.path('pods'), pod('a', of({})), { pick })
    await c.post(c.path('pods'), pod('b', of({ limits: { cpu: '2' } })), { pick })
    await c.post(c.path('resourcequotas'), { metadata: { name: 'q' }, spec: { hard: { 'count/secrets': '1' } } }, quiet)
    await c.until(`${c.path('resourcequotas')}/q`, ({ body }) => body.status?.used !== undefined, {
      pick: ({ status }) => status,
    })
    await c.post(c.path('secrets'), { metadata: { name: 'a' } }, quiet)
    await c.post(c.path('secrets'), { metadata: { name: 'b' } })
  },
  { controllers: true },
)
