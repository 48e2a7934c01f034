import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import { configMap } from '../objects.ts'

const quiet = { record: false }
const events = 'events.k8s.io/v1/events'

contract('events of the core group', async (c) => {
  const event = (name: string, more: object = {}) => ({
    metadata: { name },
    involvedObject: { kind: 'Pod', namespace: c.ns, name: 'p', uid: '11111111-1111-4111-8111-111111111111' },
    reason: 'Started',
    message: 'it runs',
    type: 'Normal',
    source: { component: 'kubelet', host: 'node-0' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:05Z',
    count: 3,
    reportingComponent: 'kubelet',
    reportingInstance: 'node-0',
    ...more,
  })
  // A time that is not set is null there and absent here: only set ones are compared.
  const pick = ({ eventTime: _, ...rest }: any) => rest
  assert.equal((await c.post(c.path('events'), event('a'), { pick })).code, 201)
  await c.post(c.path('events'), event('b', { involvedObject: { kind: 'Pod', namespace: 'elsewhere', name: 'p' } }))
  await c.post(c.path('events'), event('c', { type: 'Strange' }), { pick })
  await c.patch('strategic', `${c.path('events')}/a`, { count: 4, lastTimestamp: '2026-01-01T00:00:09Z' }, { pick })
  const names = (body: any) => body.items.map(({ metadata }: any) => metadata.name)
  const found = await c.get(
    `${c.path('events')}?fieldSelector=involvedObject.name%3Dp,reason%3DStarted,type%3DNormal`,
    {
      pick: names,
    },
  )
  assert.deepEqual(names(found.body), ['a'])
  await c.get(`${c.path('events')}?fieldSelector=involvedObject.kind!%3DPod`, { pick: names })
  await c.get(`${c.path('events')}?fieldSelector=source%3Dkubelet`, { pick: names })
  await c.get(`${c.path('events')}?fieldSelector=nonsense%3D1`)
})

contract('one event under two names', async (c) => {
  const made = await c.post(
    c.path(events),
    {
      metadata: { name: 'e' },
      regarding: { kind: 'Pod', namespace: c.ns, name: 'p' },
      related: { kind: 'Node', name: 'n' },
      reason: 'Bound',
      note: 'to a node',
      type: 'Warning',
      action: 'Binding',
      reportingController: 'example.com/scheduler',
      reportingInstance: 'one',
      eventTime: '2026-01-01T00:00:00.123456Z',
      series: { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' },
    },
    { pick: ({ deprecatedFirstTimestamp: _, deprecatedLastTimestamp: __, ...rest }) => rest },
  )
  assert.equal(made.code, 201)
  const { body } = await c.get(`${c.path('events')}/e`, {
    pick: ({ firstTimestamp: _, lastTimestamp: __, ...rest }) => rest,
  })
  assert.deepEqual(
    [body.message, body.involvedObject.name, body.eventTime],
    ['to a node', 'p', '2026-01-01T00:00:00.123456Z'],
  )
  await c.get(`${c.path(events)}?fieldSelector=regarding.name%3Dp`, { pick: (list) => list.items?.length ?? list })
  const series = { count: 3, lastObservedTime: '2026-01-01T00:00:02.000000Z' }
  const later = await c.patch('strategic', `${c.path(events)}/e`, { series }, { pick: (event) => event.series })
  assert.equal(later.code, 200)
  await c.patch('merge', `${c.path(events)}/e`, { note: 'something else' })
  for (const missing of ['action', 'reason', 'reportingController', 'reportingInstance', 'eventTime', 'type']) {
    const event: any = {
      metadata: { name: `without-${missing.toLowerCase()}` },
      regarding: { kind: 'Pod', namespace: c.ns, name: 'p' },
      reason: 'R',
      type: 'Normal',
      action: 'A',
      reportingController: 'example.com/c',
      reportingInstance: 'i',
      eventTime: '2026-01-01T00:00:00.000000Z',
    }
    delete event[missing]
    await c.post(c.path(events), event, { pick: ({ code, reason, message, kind }) => [kind, code, reason, message] })
  }
})

contract('a lease is taken, renewed and lost', async (c) => {
  const path = c.path('coordination.k8s.io/v1/leases')
  const lease = (spec: object, metadata: object = {}) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', ...metadata },
    spec: { leaseDurationSeconds: 15, ...spec },
  })
  const times = { acquireTime: '2026-01-01T00:00:00.000000Z', renewTime: '2026-01-01T00:00:00.000000Z' }
  const taken = await c.post(path, lease({ holderIdentity: 'a', leaseTransitions: 0, ...times }))
  assert.equal(taken.code, 201)
  const { resourceVersion } = taken.body.metadata
  const renewed = await c.put(
    `${path}/l`,
    lease({ holderIdentity: 'a', ...times, renewTime: '2026-01-01T00:00:02.500000Z' }, { resourceVersion }),
  )
  assert.equal(renewed.code, 200)
  const late = await c.put(`${path}/l`, lease({ holderIdentity: 'b', ...times }, { resourceVersion }))
  assert.equal(late.code, 409)
  await c.put(`${path}/l`, lease({ holderIdentity: 'b', ...times, renewTime: '2026-01-01T00:00:02Z' }))
  await c.patch('merge', `${path}/l`, { spec: { leaseDurationSeconds: 0 } })
  await c.patch('merge', `${path}/l`, { spec: { leaseTransitions: -1 } })
  await c.patch('merge', `${path}/l`, { spec: { holderIdentity: '' } })
  await c.get(path, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    pick: ({ rows }) => rows?.map((row: any) => row.cells.slice(0, 2)),
  })
})

contract('a list in pages while others write', async (c) => {
  for (let index = 0; index < 10; index++) await c.post(c.path('configmaps'), configMap(`a${index}`), quiet)
  const mine = `${c.path('configmaps')}?limit=4&fieldSelector=metadata.name!%3Dkube-root-ca.crt`
  const names = ({ items }: any) => items.map(({ metadata }: any) => metadata.name)
  const first = await c.get(mine, { pick: names })
  await c.delete(`${c.path('configmaps')}/a7`, undefined, quiet)
  await c.post(c.path('configmaps'), configMap('a55'), quiet)
  await c.patch('merge', `${c.path('configmaps')}/a8`, { data: { new: 'yes' } }, quiet)
  const second = await c.get(`${mine}&continue=${first.body.metadata.continue}`, { pick: names })
  const third = await c.get(`${mine}&continue=${second.body.metadata.continue}`, {
    pick: (body) => [names(body), body.items.map(({ data }: any) => data ?? null), body.metadata.continue ?? ''],
  })
  // What is read is what was there when the first page was.
  assert.deepEqual(names(second.body), ['a4', 'a5', 'a6', 'a7'])
  assert.deepEqual(names(third.body), ['a8', 'a9'])
  assert.equal(third.body.items[0].data, undefined)
})

contract('a large list is compressed for those who take it', async (c) => {
  for (let index = 0; index < 4; index++)
    await c.post(c.path('configmaps'), configMap(`m${index}`, { text: 'x'.repeat(60_000) }), quiet)
  const zipped = await c.get(c.path('configmaps'), { ...quiet, headers: { 'accept-encoding': 'gzip' } })
  const plain = await c.get(c.path('configmaps'), { ...quiet, headers: { 'accept-encoding': 'identity' } })
  const small = await c.get(`${c.path('configmaps')}/m0`, { ...quiet, headers: { 'accept-encoding': 'gzip' } })
  assert.deepEqual(
    [zipped, plain, small].map(({ headers }) => headers['content-encoding']),
    ['gzip', undefined, undefined],
  )
  assert.equal(plain.body.items.filter(({ metadata }: any) => metadata.name.startsWith('m')).length, 4)
})

contract('who may be asked for a head', async (c) => {
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.send('HEAD', `${c.path('configmaps')}/a`)
  await c.send('HEAD', `${c.path('configmaps')}/none`)
  await c.send('HEAD', '/healthz')
  await c.send('HEAD', '/api')
})

contract('what Kubernetes warns of', async (c) => {
  const warned = (kind: string, body: object) =>
    c.post(`${c.path(kind)}?dryRun=All`, body, { pick: ({ kind, code, message }) => [kind, code, message] })
  const container = (more: object) => ({ name: 'c', image: 'i', ...more })
  const spec = (more: object, rest: object = {}) => ({ containers: [container(more)], ...rest })
  const made = (more: object, rest: object = {}) => warned('pods', { metadata: { name: 'p' }, spec: spec(more, rest) })
  await made({
    env: [
      { name: 'A', value: '1' },
      { name: 'A', value: '2' },
    ],
  })
  await made({
    env: [
      { name: 'A', value: '1' },
      { name: 'A', value: '$(A)2' },
    ],
  })
  await made({ ports: [{ containerPort: 80 }, { containerPort: 80, name: 'http' }] })
  await made({ ports: [{ containerPort: 80 }, { containerPort: 80, hostPort: 8080 }] })
  await made({ resources: { requests: { memory: '100m' } } })
  await made({}, { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } })
  await made({}, { imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}] })
  await made(
    {},
    {
      hostAliases: [
        { ip: '1.2.3.4', hostnames: ['a'] },
        { ip: '1.2.3.4', hostnames: ['b'] },
      ],
    },
  )
  await made(
    {},
    { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }] },
  )
  await made(
    {},
    {
      affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone' }] } },
    },
  )
  await warned('apps/v1/deployments', {
    metadata: { name: 'a.b' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: spec({ env: [{ name: 'A' }, { name: 'A' }] }) },
    },
  })
  await warned('services', {
    metadata: { name: 's' },
    spec: { clusterIP: 'None', externalIPs: ['1.2.3.4'], ports: [{ port: 1 }] },
  })
  await warned('services', {
    metadata: { name: 's' },
    spec: { externalIPs: ['1.2.3.4'], externalName: 'x', ports: [{ port: 1 }] },
  })
  await c.get(c.path('endpoints'), { pick: ({ kind }) => kind })
})

contract(
  'claims and volumes in use are kept',
  async (c) => {
    // Whoever provisions may hold them too.
    const pick = ({ metadata }: any) => metadata.finalizers.filter((name: string) => name.startsWith('kubernetes.io/'))
    const claim = {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'nobody', resources: { requests: { storage: '1Gi' } } },
    }
    const path = c.path('persistentvolumeclaims')
    const made = await c.post(path, claim, quiet)
    assert.deepEqual(made.body.metadata.finalizers, ['kubernetes.io/pvc-protection'])
    await c.post(
      c.path('pods'),
      {
        metadata: { name: 'p' },
        spec: {
          nodeName: c.ns,
          tolerations: [{ operator: 'Exists' }],
          containers: [{ name: 'c', image: 'i' }],
          volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
        },
      },
      quiet,
    )
    const going = await c.delete(`${path}/data`, undefined, { pick })
    assert.equal(going.code, 200)
    const still = await c.get(`${path}/data`, { pick })
    assert.equal(still.code, 200)
    await c.delete(`${c.path('pods')}/p?gracePeriodSeconds=0`, undefined, quiet)
    await c.until(`${path}/data`, ({ code }) => code === 404)
    await c.post(path, { ...claim, metadata: { name: 'unused' } }, quiet)
    await c.delete(`${path}/unused`, undefined, quiet)
    await c.until(`${path}/unused`, ({ code }) => code === 404)
  },
  { controllers: true },
)

contract('one autoscaler in two versions', async (c) => {
  const [v1, v2] = ['v1', 'v2'].map((version) => `${c.path(`autoscaling/${version}/horizontalpodautoscalers`)}/h`)
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }
  const pick = ({ metadata, spec, kind, apiVersion }: any) => ({
    kind,
    apiVersion,
    spec,
    owners: metadata.managedFields.filter(({ subresource }: any) => !subresource),
  })
  await c.post(
    c.path('autoscaling/v1/horizontalpodautoscalers'),
    { metadata: { name: 'h' }, spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50, scaleTargetRef } },
    { pick },
  )
  assert.equal((await c.patch('merge', v1, { spec: { maxReplicas: 4 } }, { pick })).code, 200)
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 70 } },
  }
  await c.patch('json', v2, [{ op: 'add', path: '/spec/metrics/-', value: memory }], quiet)
  const raised = await c.patch('merge', v1, { spec: { targetCPUUtilizationPercentage: 60 } }, quiet)
  assert.equal(raised.code, 200)
  const { body } = await c.get(v2, { pick: ({ spec }) => spec })
  assert.deepEqual(body.spec.metrics.map(({ resource }: any) => resource.target.averageUtilization).sort(), [60, 70])
})
