import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import { configMap, deployment, pod, podTemplate, schemaOf, withoutController } from '../objects.ts'

const quiet = { record: false }

contract('create, read, replace, delete', async (c) => {
  const created = await c.post(
    c.path('configmaps'),
    configMap('a', { k: 'v' }, { labels: { x: 'y' }, annotations: { n: '1' } }),
  )
  assert.equal(created.code, 201)
  assert.deepEqual((await c.get(`${c.path('configmaps')}/a`)).body, created.body)
  await c.put(`${c.path('configmaps')}/a`, configMap('a', { k: 'w' }))
  assert.equal((await c.delete(`${c.path('configmaps')}/a`)).code, 200)
  assert.equal((await c.get(`${c.path('configmaps')}/a`)).code, 404)
})

contract('what a client may not set is set by the server', async (c) => {
  await c.post(
    c.path('configmaps'),
    configMap(
      'a',
      {},
      {
        uid: '11111111-1111-4111-8111-111111111111',
        creationTimestamp: '2001-01-01T00:00:00Z',
        generation: 7,
        selfLink: '/x',
        deletionTimestamp: '2001-01-01T00:00:00Z',
        deletionGracePeriodSeconds: 5,
      },
    ),
  )
  await c.post(
    c.path('apps/v1/deployments'),
    { ...deployment('d'), status: { replicas: 9 } },
    { pick: withoutController },
  )
})

contract('names', async (c) => {
  for (const name of ['A', 'a_b', '-a', 'a-', 'a..b', 'x'.repeat(254), '', 'ä', 'a/b', '.', '..']) {
    await c.post(c.path('configmaps'), configMap(name))
  }
  for (const name of ['a.b', '1s', 'x'.repeat(64), 'web']) {
    await c.post(
      c.path('services'),
      { metadata: { name }, spec: { ports: [{ port: 80 }] } },
      { pick: ({ spec: _, ...rest }) => rest },
    )
  }
  await c.post(c.path('pods'), pod('a.b'), { pick: ({ code, message }) => ({ code, message }) })
  await c.post('/api/v1/namespaces', { metadata: { name: 'a.b' } })
  await c.post(c.path('configmaps'), { data: {} })
})

contract('generateName', async (c) => {
  const made = await c.post(c.path('configmaps'), { metadata: { generateName: 'made-' } })
  assert.match(made.body.metadata.name, /^made-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  const long = await c.post(c.path('configmaps'), { metadata: { generateName: 'x'.repeat(80) } }, quiet)
  assert.equal(long.body.metadata.name.length, 63)
  const both = await c.post(c.path('configmaps'), { metadata: { name: 'named', generateName: 'made-' } })
  assert.equal(both.body.metadata.name, 'named')
  await c.post(
    c.path('configmaps'),
    { metadata: { generateName: 'BAD-' } },
    { pick: ({ message: _, details: __, ...rest }) => rest },
  )
})

contract('what exists already', async (c) => {
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.post(c.path('configmaps'), configMap('a'))
  await c.post(c.path('apps/v1/deployments'), deployment('d'), quiet)
  await c.post(c.path('apps/v1/deployments'), deployment('d'))
  await c.post('/api/v1/namespaces', { metadata: { name: 'default' } })
})

contract('a body that is not for this address', async (c) => {
  await c.post(c.path('configmaps'), configMap('a', {}, { namespace: 'elsewhere' }))
  await c.post(c.path('configmaps'), { ...configMap('a'), apiVersion: 'v2' })
  await c.post(c.path('configmaps'), { ...configMap('a'), kind: 'Secret' })
  await c.post(c.path('configmaps'), { ...configMap('a'), kind: 'Gadget' })
  await c.post('/api/v1/namespaces/there-is-none/configmaps', configMap('a'))
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.put(`${c.path('configmaps')}/a`, configMap('b'))
  await c.put(`${c.path('configmaps')}/a`, configMap('a', {}, { namespace: 'elsewhere' }))
  await c.put(`${c.path('configmaps')}/a`, configMap('a', {}, { uid: '11111111-1111-4111-8111-111111111111' }))
  await c.post(c.path('configmaps'), configMap('x', {}, { resourceVersion: '5' }))
  await c.post(`${c.path('configmaps')}/a`, configMap('a'))
  await c.put(c.path('configmaps'), configMap('a'))
  await c.patch('merge', c.path('configmaps'), {})
  await c.send('OPTIONS', c.path('configmaps'))
})

contract('bodies that are none', async (c) => {
  for (const body of [
    '',
    '{',
    '[]',
    'null',
    '"text"',
    '{"kind":1}',
    '{"metadata":[]}',
    '{"metadata":{"name":5}}',
    '{"metadata":{"name":"a","labels":{"x":1}}}',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":[1]}}',
  ]) {
    const { code } = await c.post(c.path('configmaps'), body)
    assert.ok(code === 400 || code === 422, body)
  }
  await c.post(c.path('configmaps'), configMap('a'), { type: 'text/plain' })
  await c.post(c.path('configmaps'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\n', {
    type: 'application/yaml',
  })
  const large = await c.post(c.path('configmaps'), `{"data":{"k":"${'x'.repeat(3_200_000)}"}}`)
  assert.equal(large.code, 413)
})

contract('a conflict of revisions', async (c) => {
  const { body } = await c.post(c.path('configmaps'), configMap('a', { n: '1' }), quiet)
  await c.put(`${c.path('configmaps')}/a`, configMap('a', { n: '2' }), quiet)
  const stale = await c.put(`${c.path('configmaps')}/a`, body)
  assert.equal(stale.code, 409)
  await c.patch('merge', `${c.path('configmaps')}/a`, {
    metadata: { resourceVersion: body.metadata.resourceVersion },
    data: { n: '3' },
  })
  await c.put(`${c.path('configmaps')}/a`, configMap('a', {}, { resourceVersion: 'abc' }))
  await c.put(`${c.path('configmaps')}/a`, configMap('a', {}, { resourceVersion: '0' }))
})

contract('who must say the revision that is replaced', async (c) => {
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l' },
    spec: { holderIdentity: 'me' },
  }
  const made = await c.put(`${c.path('coordination.k8s.io/v1/leases')}/l`, lease)
  assert.equal(made.code, 201)
  await c.put(`${c.path('coordination.k8s.io/v1/leases')}/l`, { ...lease, spec: { holderIdentity: 'you' } })
  const things = await c.define('Thing', schemaOf({ spec: { type: 'object' } }))
  const thing = { apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'a' } }
  await c.post(things, thing, quiet)
  await c.put(`${things}/a`, thing)
  await c.put(`${things}/b`, { ...thing, metadata: { name: 'b' } })
})

contract('replacing creates a few kinds', async (c) => {
  await c.put(
    `${c.path('services')}/s`,
    { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } },
    { pick: ({ spec: _, ...rest }) => rest },
  )
  await c.put(`${c.path('rbac.authorization.k8s.io/v1/roles')}/r`, { metadata: { name: 'r' }, rules: [] })
  await c.put(`${c.path('limitranges')}/l`, { metadata: { name: 'l' }, spec: { limits: [] } })
  await c.put(`${c.path('secrets')}/s`, { metadata: { name: 's' } })
  await c.put(`${c.path('apps/v1/deployments')}/d`, deployment('d'))
})

contract('the generation counts changes of the spec', async (c) => {
  const path = `${c.path('policy/v1/poddisruptionbudgets')}/p`
  await c.post(c.path('networking.k8s.io/v1/ingresses'), {
    metadata: { name: 'i' },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  })
  const ingress = `${c.path('networking.k8s.io/v1/ingresses')}/i`
  const labelled = await c.patch('merge', ingress, { metadata: { labels: { a: 'b' } } })
  assert.equal(labelled.body.metadata.generation, 1)
  const changed = await c.patch('merge', ingress, { spec: { ingressClassName: 'other' } })
  assert.equal(changed.body.metadata.generation, 2)
  const same = await c.patch('merge', ingress, { spec: { ingressClassName: 'other' } })
  assert.equal(same.body.metadata.resourceVersion, changed.body.metadata.resourceVersion)
  await c.get(path)
})

contract('dry run', async (c) => {
  const dry = '?dryRun=All'
  const made = await c.post(c.path('configmaps') + dry, configMap('a', { k: 'v' }))
  assert.deepEqual([made.code, made.body.metadata.resourceVersion], [201, undefined])
  assert.equal((await c.get(`${c.path('configmaps')}/a`)).code, 404)
  await c.post(c.path('configmaps'), configMap('a', { k: 'v' }), quiet)
  await c.post(c.path('configmaps') + dry, configMap('a'))
  await c.put(`${c.path('configmaps')}/a${dry}`, configMap('a', { k: 'w' }))
  await c.patch('merge', `${c.path('configmaps')}/a${dry}`, { data: { k: 'x' } })
  await c.apply('m', `${c.path('configmaps')}/b${dry}`, configMap('b'))
  await c.delete(`${c.path('configmaps')}/a${dry}`)
  assert.equal((await c.get(`${c.path('configmaps')}/a`)).body.data.k, 'v')
  await c.post(`${c.path('configmaps')}?dryRun=Some`, configMap('x'))
  await c.post(`${c.path('configmaps')}?dryRun=All&dryRun=All`, configMap('x'))
})

contract('unknown fields: warned of, refused, ignored', async (c) => {
  const odd = (name: string) => ({ ...configMap(name), dta: { a: 'b' }, metadata: { name, lables: {} } })
  const warned = await c.post(c.path('configmaps'), odd('warned'))
  assert.match(String(warned.headers['warning']), /unknown field \\"dta\\"/)
  const strict = await c.post(`${c.path('configmaps')}?fieldValidation=Strict`, odd('strict'))
  assert.equal(strict.code, 400)
  const ignored = await c.post(`${c.path('configmaps')}?fieldValidation=Ignore`, odd('ignored'))
  assert.equal(ignored.headers['warning'], undefined)
  await c.post(`${c.path('configmaps')}?fieldValidation=Bogus`, odd('bogus'))
  await c.patch('merge', `${c.path('configmaps')}/warned?fieldValidation=Strict`, { dta: 1 })
  await c.patch('strategic', `${c.path('configmaps')}/warned?fieldValidation=Strict`, { dta: 1 })
  await c.patch('json', `${c.path('configmaps')}/warned?fieldValidation=Strict`, [
    { op: 'add', path: '/dta', value: 1 },
  ])
  await c.apply('m', `${c.path('configmaps')}/warned?fieldValidation=Strict`, { ...configMap('warned'), dta: {} })
  await c.put(`${c.path('configmaps')}/warned?fieldValidation=Strict`, odd('warned'))
  const template = podTemplate('t', {
    containers: [{ name: 'c', image: 'i', imagee: 'x', ports: [{ port: 1, containerPort: 80 }] }],
    foo: {},
  })
  await c.post(`${c.path('podtemplates')}?fieldValidation=Strict`, template)
  await c.post(c.path('podtemplates'), template, { pick: () => undefined })
})

contract('duplicate fields', async (c) => {
  const twice =
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"NAME"},"data":{"a":"1","a":"2"},"data":{"b":"3"}}'
  await c.post(c.path('configmaps'), twice.replace('NAME', 'warned'))
  await c.post(`${c.path('configmaps')}?fieldValidation=Strict`, twice.replace('NAME', 'strict'))
})

contract('labels, annotations, finalizers and owners that are invalid', async (c) => {
  const bad = (metadata: object) => c.post(c.path('configmaps'), configMap('a', {}, metadata))
  await bad({ labels: { 'a b': 'x' } })
  await bad({ labels: { a: 'x y' } })
  await bad({ labels: { a: 'x'.repeat(64) } })
  await bad({ annotations: { 'a/b/c': 'x' } })
  await bad({ annotations: { a: 'x'.repeat(300_000) } })
  await bad({ finalizers: ['nodomain'] })
  await bad({ finalizers: ['a b/c'] })
  await bad({ ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: '', uid: '' }] })
  const owner = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    name,
    uid: `0000000${name}-0000-4000-8000-000000000000`,
    controller: true,
  })
  await bad({ ownerReferences: [owner('1'), owner('2')] })
  await bad({ ownerReferences: [{ ...owner('1'), kind: 'Event' }] })
})

contract('field managers', async (c) => {
  await c.post(`${c.path('configmaps')}?fieldManager=someone`, configMap('a', { k: 'v' }))
  await c.post(`${c.path('configmaps')}?fieldManager=${'x'.repeat(129)}`, configMap('b'))
  await c.post(`${c.path('configmaps')}?fieldManager=a%0Ab`, configMap('c'))
  const none = await c.post(c.path('configmaps'), configMap('d', { k: 'v' }))
  assert.equal(none.body.metadata.managedFields[0].manager, 'contract')
})

contract('immutable things', async (c) => {
  await c.post(c.path('configmaps'), { ...configMap('frozen', { a: '1' }), immutable: true }, quiet)
  await c.patch('merge', `${c.path('configmaps')}/frozen`, { data: { a: '2' } })
  await c.patch('merge', `${c.path('configmaps')}/frozen`, { immutable: false })
  await c.post(c.path('secrets'), { metadata: { name: 's' }, type: 'example.com/x' }, quiet)
  await c.patch('merge', `${c.path('secrets')}/s`, { type: 'example.com/y' })
  await c.post(c.path('apps/v1/deployments'), deployment('d'), quiet)
  await c.patch('merge', `${c.path('apps/v1/deployments')}/d`, {
    spec: { selector: { matchLabels: { b: 'c' } }, template: { metadata: { labels: { b: 'c' } } } },
  })
  await c.patch('merge', `${c.path('configmaps')}/frozen`, { metadata: { name: 'other' } })
  await c.patch('merge', `${c.path('configmaps')}/frozen`, {
    metadata: { uid: '11111111-1111-4111-8111-111111111111' },
  })
  await c.patch(
    'merge',
    `${c.path('configmaps')}/frozen`,
    { metadata: { creationTimestamp: '2001-01-01T00:00:00Z' } },
    { pick: ({ message: _, details: __, ...rest }) => rest },
  )
})

contract('Secrets fold text into data', async (c) => {
  const { body } = await c.post(c.path('secrets'), {
    metadata: { name: 's' },
    stringData: { a: 'x' },
    data: { a: 'eQ==', b: 'eg==' },
  })
  assert.deepEqual(body.data, { a: 'eA==', b: 'eg==' })
  await c.post(c.path('secrets'), { metadata: { name: 't' }, data: { a: 'not base64!' } })
  await c.post(c.path('secrets'), { metadata: { name: 't' }, data: { 'a b': '' } })
  await c.post(c.path('secrets'), { metadata: { name: 't' }, type: 'kubernetes.io/tls' })
  await c.post(c.path('secrets'), {
    metadata: { name: 't' },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': '{' },
  })
})
