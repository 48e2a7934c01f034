import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import { configMap, deployment, pod } from '../objects.ts'

const quiet = { record: false }

contract('what deleting answers', async (c) => {
  for (const [resource, body] of [
    ['configmaps', configMap('a')],
    ['secrets', { metadata: { name: 'a' } }],
    ['serviceaccounts', { metadata: { name: 'a' } }],
    ['services', { metadata: { name: 'a' }, spec: { ports: [{ port: 80 }] } }],
    ['pods', pod('a')],
    ['resourcequotas', { metadata: { name: 'a' }, spec: {} }],
    ['rbac.authorization.k8s.io/v1/roles', { metadata: { name: 'a' }, rules: [] }],
    ['coordination.k8s.io/v1/leases', { metadata: { name: 'a' } }],
  ] as const) {
    const made = await c.post(c.path(resource), body, quiet)
    assert.equal(made.code, 201, made.text)
    const gone = await c.delete(`${c.path(resource)}/a`, undefined, {
      pick: ({ kind, status, details }) => ({ kind, status: kind === 'Status' ? status : undefined, details }),
    })
    assert.equal(gone.code, 200)
    assert.equal((await c.delete(`${c.path(resource)}/a`)).code, 404)
  }
})

contract('finalizers hold an object', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(c.path('configmaps'), configMap('a', {}, { finalizers: ['example.com/a', 'example.com/b'] }), quiet)
  const marked = await c.delete(path)
  assert.ok(marked.body.metadata.deletionTimestamp)
  const again = await c.delete(path)
  assert.equal(again.body.metadata.resourceVersion, marked.body.metadata.resourceVersion)
  await c.patch('merge', path, { metadata: { finalizers: ['example.com/a', 'example.com/b', 'example.com/c'] } })
  await c.patch('merge', path, { metadata: { deletionTimestamp: null } })
  await c.patch('merge', path, { data: { still: 'writable' } })
  await c.patch('merge', path, { metadata: { finalizers: ['example.com/b'] } })
  await c.post(c.path('configmaps'), configMap('a'))
  const last = await c.patch('merge', path, { metadata: { finalizers: [] } })
  assert.equal(last.code, 200)
  assert.equal((await c.get(path)).code, 404)
})

contract('preconditions', async (c) => {
  const path = `${c.path('configmaps')}/a`
  const { body } = await c.post(c.path('configmaps'), configMap('a'), quiet)
  const { uid, resourceVersion } = body.metadata
  assert.equal((await c.delete(path, { preconditions: { uid: '11111111-1111-4111-8111-111111111111' } })).code, 409)
  assert.equal((await c.delete(path, { preconditions: { resourceVersion: '1' } }, quiet)).code, 409)
  assert.equal(
    (await c.delete(path, { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid, resourceVersion } })).code,
    200,
  )
})

contract('options of deletion that are invalid', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.delete(`${path}?propagationPolicy=Bogus`)
  await c.delete(path, { propagationPolicy: 'Bogus' })
  await c.delete(path, { orphanDependents: true, propagationPolicy: 'Orphan' })
  await c.delete(`${path}?gracePeriodSeconds=x`)
  await c.delete(`${path}?dryRun=Some`)
  await c.delete(path, '{')
  await c.delete(path, { kind: 'Pod', apiVersion: 'v1' })
  await c.delete(`${path}?gracePeriodSeconds=-1`)
})

contract('deletion options in a query and as YAML', async (c) => {
  await c.post(c.path('pods'), pod('a', { nodeName: c.ns, terminationGracePeriodSeconds: 40 }), quiet)
  const pick = ({ metadata }: any) => [metadata.deletionGracePeriodSeconds, metadata.deletionTimestamp !== undefined]
  const first = await c.delete(`${c.path('pods')}/a?gracePeriodSeconds=20`, undefined, { pick })
  assert.equal(first.body.metadata.deletionGracePeriodSeconds, 20)
  await c.delete(`${c.path('pods')}/a`, { gracePeriodSeconds: 30 }, { pick })
  await c.delete(`${c.path('pods')}/a`, 'gracePeriodSeconds: 10\n', { pick, type: 'application/yaml' })
  await c.delete(`${c.path('pods')}/a?gracePeriodSeconds=0`, undefined, { pick })
  assert.equal((await c.get(`${c.path('pods')}/a`)).code, 404)
})

contract('a pod without a node goes at once, one with a node gracefully', async (c) => {
  await c.post(c.path('pods'), pod('free'), quiet)
  await c.delete(`${c.path('pods')}/free`, undefined, {
    pick: ({ kind, metadata }) => [kind, metadata.deletionGracePeriodSeconds],
  })
  assert.equal((await c.get(`${c.path('pods')}/free`)).code, 404)
  await c.post(c.path('pods'), pod('bound', { nodeName: c.ns }), quiet)
  const marked = await c.delete(`${c.path('pods')}/bound`, undefined, {
    pick: ({ kind, metadata }) => [kind, metadata.deletionGracePeriodSeconds, metadata.generation],
  })
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 30)
  const now = await c.delete(`${c.path('pods')}/bound`, { gracePeriodSeconds: 0 }, quiet)
  assert.equal(now.code, 200)
})

contract('a collection is deleted by selector', async (c) => {
  for (const [name, app] of [
    ['a', 'x'],
    ['b', 'y'],
    ['c', 'x'],
  ])
    await c.post(c.path('secrets'), { metadata: { name, labels: { app } } }, quiet)
  const dry = await c.delete(`${c.path('secrets')}?labelSelector=app%3Dx&dryRun=All`)
  assert.equal(dry.body.items.length, 2)
  const { body } = await c.delete(`${c.path('secrets')}?labelSelector=app%3Dx`)
  assert.equal(body.kind, 'SecretList')
  const left = await c.get(c.path('secrets'))
  assert.deepEqual(
    left.body.items.map(({ metadata }: any) => metadata.name),
    ['b'],
  )
  await c.delete(`${c.path('secrets')}?fieldSelector=metadata.name%3Db`, { preconditions: { uid: 'x' } })
  await c.delete(c.path('services'))
  await c.delete('/api/v1/namespaces')
})

contract('foreground and orphan are finalizers that someone must take away', async (c) => {
  const pick = ({ metadata }: any) => [metadata.finalizers, metadata.deletionGracePeriodSeconds]
  // Finalizers of its own keep it from the collector's quick hands.
  const held = { finalizers: ['example.com/held'] }
  for (const [name, policy] of [
    ['f', 'Foreground'],
    ['o', 'Orphan'],
    ['b', 'Background'],
  ]) {
    await c.post(c.path('configmaps'), configMap(name, {}, held), quiet)
    const { body } = await c.delete(`${c.path('configmaps')}/${name}?propagationPolicy=${policy}`, undefined, { pick })
    assert.ok(body.metadata.deletionTimestamp)
  }
})

contract(
  'dependents go with their owner',
  async (c) => {
    const { body } = await c.post(c.path('configmaps'), configMap('owner'), quiet)
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: body.metadata.uid }
    await c.post(c.path('secrets'), { metadata: { name: 'child', ownerReferences: [owner] } }, quiet)
    await c.delete(`${c.path('configmaps')}/owner?propagationPolicy=Background`)
    await c.until(`${c.path('secrets')}/child`, ({ code }) => code === 404)
  },
  { controllers: true },
)

contract(
  'in the foreground dependents go first',
  async (c) => {
    const { body } = await c.post(c.path('configmaps'), configMap('owner'), quiet)
    const owner = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'owner',
      uid: body.metadata.uid,
      blockOwnerDeletion: true,
    }
    await c.post(
      c.path('secrets'),
      { metadata: { name: 'child', ownerReferences: [owner], finalizers: ['example.com/f'] } },
      quiet,
    )
    const marked = await c.delete(`${c.path('configmaps')}/owner?propagationPolicy=Foreground`)
    assert.deepEqual(marked.body.metadata.finalizers, ['foregroundDeletion'])
    await c.until(`${c.path('secrets')}/child`, ({ body }) => body.metadata?.deletionTimestamp !== undefined)
    assert.equal((await c.get(`${c.path('configmaps')}/owner`)).code, 200)
    await c.patch('merge', `${c.path('secrets')}/child`, { metadata: { finalizers: null } }, quiet)
    await c.until(`${c.path('configmaps')}/owner`, ({ code }) => code === 404)
  },
  { controllers: true },
)

contract(
  'orphans stay and forget their owner',
  async (c) => {
    const { body } = await c.post(c.path('configmaps'), configMap('owner'), quiet)
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: body.metadata.uid }
    await c.post(c.path('secrets'), { metadata: { name: 'child', ownerReferences: [owner] } }, quiet)
    // The collector must know the child before it can spare it.
    await new Promise((resolve) => setTimeout(resolve, 500))
    await c.delete(`${c.path('configmaps')}/owner?propagationPolicy=Orphan`, undefined, {
      pick: ({ metadata }) => metadata.finalizers,
    })
    await c.until(`${c.path('configmaps')}/owner`, ({ code }) => code === 404)
    const child = await c.get(`${c.path('secrets')}/child`, quiet)
    assert.deepEqual([child.code, child.body.metadata.ownerReferences], [200, undefined])
  },
  { controllers: true },
)

contract(
  'an owner that never was',
  async (c) => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid: '11111111-1111-4111-8111-111111111111' }
    await c.post(c.path('secrets'), { metadata: { name: 'child', ownerReferences: [owner] } }, quiet)
    await c.until(`${c.path('secrets')}/child`, ({ code }) => code === 404)
  },
  { controllers: true },
)

contract(
  'a Deployment goes with ReplicaSet and pods',
  async (c) => {
    const path = `${c.path('apps/v1/deployments')}/d`
    await c.post(c.path('apps/v1/deployments'), deployment('d', { replicas: 2, paused: false }), quiet)
    const names = ({ body }: any) => body.items.map(({ metadata }: any) => metadata.name)
    await c.until(c.path('pods'), (answer) => names(answer).length === 2, quiet)
    await c.delete(`${path}?propagationPolicy=Foreground`, undefined, { pick: ({ metadata }) => metadata.finalizers })
    await c.until(path, ({ code }) => code === 404)
    assert.deepEqual(names(await c.get(c.path('apps/v1/replicasets'), quiet)), [])
    assert.deepEqual(names(await c.get(c.path('pods'), quiet)), [])
  },
  { controllers: true },
)

contract(
  'a namespace ends when all that is in it has ended',
  async (c) => {
    const name = `${c.ns}-x`
    const path = `/api/v1/namespaces/${name}`
    await c.post('/api/v1/namespaces', { metadata: { name, labels: { a: 'b' } } })
    await c.until(`${path}/serviceaccounts/default`, ({ code }) => code === 200, quiet)
    await c.post(`${path}/secrets`, { metadata: { name: 'held', finalizers: ['example.com/f'] } }, quiet)
    await c.post(`${path}/configmaps`, configMap('free'), quiet)
    const ending = await c.delete(path)
    assert.equal(ending.body.status.phase, 'Terminating')
    const late = await c.post(`${path}/configmaps`, configMap('late'))
    assert.equal(late.code, 403)
    await c.until(`${path}/configmaps/free`, ({ code }) => code === 404, quiet)
    const conditions = (body: any) =>
      body.status?.conditions?.map(({ type, status, reason, message }: any) => ({ type, status, reason, message }))
    await c.until(
      path,
      ({ body }) =>
        conditions(body)?.some(({ type, status }: any) => type === 'NamespaceFinalizersRemaining' && status === 'True'),
      { pick: conditions },
    )
    const held = await c.get(`${path}/secrets/held`, quiet)
    assert.ok(held.body.metadata.deletionTimestamp)
    await c.patch('merge', `${path}/secrets/held`, { metadata: { finalizers: null } }, quiet)
    await c.until(path, ({ code }) => code === 404)
  },
  { controllers: true },
)
