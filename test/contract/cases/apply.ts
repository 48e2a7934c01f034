import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import { configMap, deployment, podTemplate, schemaOf, withoutController } from '../objects.ts'

const quiet = { record: false }
const managers = (object: any) =>
  object.metadata.managedFields.map(({ manager, operation }: any) => `${manager} ${operation}`)

contract('apply creates, and owns what it says', async (c) => {
  const path = `${c.path('configmaps')}/a`
  const made = await c.apply('m', path, configMap('a', { k: 'v' }, { labels: { x: 'y' } }))
  assert.equal(made.code, 201)
  const again = await c.apply('m', path, configMap('a', { k: 'v' }, { labels: { x: 'y' } }))
  assert.deepEqual([again.code, again.body.metadata.resourceVersion], [200, made.body.metadata.resourceVersion])
  await c.apply('m', path, configMap('a', { k: 'w' }))
})

contract('two appliers conflict, share, and force', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.apply('one', path, configMap('a', { k: '1', shared: 's' }))
  const conflict = await c.apply('two', path, configMap('a', { k: '2' }))
  assert.equal(conflict.code, 409)
  await c.apply('two', path, configMap('a', { k: '2', shared: 'x', other: 'o' }))
  const shared = await c.apply('two', path, configMap('a', { shared: 's' }))
  assert.deepEqual(managers(shared.body).sort(), ['one Apply', 'two Apply'])
  const forced = await c.apply('two', path, configMap('a', { k: '2', shared: 's' }), { force: true })
  assert.equal(forced.body.data.k, '2')
  await c.apply('one', path, configMap('a', {}))
  const { body } = await c.apply('two', path, configMap('a', {}))
  assert.equal(body.data, undefined)
})

contract('what an applier drops goes, unless another owns it', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.apply('one', path, configMap('a', { mine: '1', both: '2' }))
  await c.apply('two', path, configMap('a', { both: '2' }))
  const { body } = await c.apply('one', path, configMap('a', {}))
  assert.deepEqual(body.data, { both: '2' })
})

contract('writes that are no applies take what they change', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.apply('one', path, configMap('a', { k: '1', l: '1' }))
  await c.patch('merge', `${path}?fieldManager=patcher`, { data: { k: '2' } })
  const conflict = await c.apply('one', path, configMap('a', { k: '3', l: '1' }))
  assert.equal(conflict.code, 409)
  await c.put(`${path}?fieldManager=putter`, configMap('a', { k: '2', new: 'n' }))
  const { body } = await c.apply('one', path, configMap('a', { k: '3' }), { force: true })
  assert.equal(body.data.new, 'n')
})

contract('lists by key have an owner for each item', async (c) => {
  const path = `${c.path('podtemplates')}/t`
  const of = (...containers: object[]) => podTemplate('t', { containers })
  await c.apply('one', path, of({ name: 'a', image: 'a:1' }, { name: 'b', image: 'b:1' }))
  const added = await c.apply('two', path, of({ name: 'c', image: 'c:1', env: [{ name: 'X', value: '1' }] }))
  assert.equal(added.body.template.spec.containers.length, 3)
  await c.apply('two', path, of({ name: 'a', image: 'a:2' }, { name: 'c', image: 'c:1' }))
  const dropped = await c.apply('one', path, of({ name: 'b', image: 'b:1' }))
  assert.deepEqual(
    dropped.body.template.spec.containers.map(({ name }: any) => name),
    ['b', 'c'],
  )
  await c.apply('two', path, of({ name: 'c', image: 'c:1' }, { name: 'c', image: 'c:2' }))
  await c.apply('two', path, of({ image: 'nameless' }))
})

contract('ports are keyed by number and protocol, which has a default', async (c) => {
  const path = `${c.path('podtemplates')}/t`
  const of = (...ports: object[]) => podTemplate('t', { containers: [{ name: 'c', image: 'i', ports }] })
  const made = await c.apply('one', path, of({ containerPort: 80 }, { containerPort: 80, protocol: 'UDP' }))
  assert.equal(made.code, 201)
  await c.apply('two', path, of({ containerPort: 80, name: 'http' }))
  const { body } = await c.apply('one', path, of({ containerPort: 80, protocol: 'TCP' }))
  assert.equal(body.template.spec.containers[0].ports.length, 1)
})

contract('atomic things have one owner', async (c) => {
  const path = `${c.path('podtemplates')}/t`
  const of = (spec: object) => podTemplate('t', spec)
  await c.apply(
    'one',
    path,
    of({ nodeSelector: { a: '1' }, containers: [{ name: 'c', image: 'i', args: ['x'], command: ['y'] }] }),
  )
  await c.apply('two', path, of({ nodeSelector: { b: '1' }, containers: [{ name: 'c', image: 'i', args: ['z'] }] }))
})

contract('dropping a value with a default brings the default back', async (c) => {
  const path = `${c.path('apps/v1/deployments')}/d`
  const pick = { pick: withoutController }
  const { replicas: _, ...without } = deployment('d').spec
  await c.apply('one', path, deployment('d', { replicas: 2, revisionHistoryLimit: 3 }), pick)
  const { body } = await c.apply('one', path, { ...deployment('d'), spec: without }, pick)
  assert.deepEqual([body.spec.replicas, body.spec.revisionHistoryLimit], [1, 10])
})

contract('applies that are refused', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.patch('apply', path, configMap('a'))
  await c.apply('m', path, configMap('b'))
  await c.apply('m', path, { metadata: { name: 'a' } })
  await c.apply('m', path, { ...configMap('a'), kind: 'Secret' })
  await c.apply('m', path, { ...configMap('a'), apiVersion: 'v2' })
  await c.apply('m', path, configMap('a', {}, { managedFields: [] }))
  await c.apply(
    'm',
    path,
    configMap(
      'a',
      {},
      { managedFields: [{ manager: 'x', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} }] },
    ),
  )
  await c.apply('m', path, configMap('a', {}, { namespace: 'elsewhere' }))
  await c.apply('m', path, configMap('a', {}, { uid: '11111111-1111-4111-8111-111111111111' }))
  await c.apply('m', path, configMap('a', {}, { resourceVersion: '5' }))
  await c.apply('m', path, '{')
  await c.apply('m', path, '[]')
  await c.apply('m', path, 'a: b: c')
  await c.apply('m', `${path}?force=true`, { ...configMap('a'), data: { k: 5 } })
  await c.patch('merge', `${path}?force=true`, {})
})

contract('apply with a revision', async (c) => {
  const path = `${c.path('configmaps')}/a`
  const { body } = await c.apply('m', path, configMap('a', { k: '1' }), quiet)
  await c.apply('m', path, configMap('a', { k: '2' }), quiet)
  const stale = await c.apply('m', path, configMap('a', { k: '3' }, { resourceVersion: body.metadata.resourceVersion }))
  assert.equal(stale.code, 409)
})

contract('apply in YAML, with a comment and an anchor', async (c) => {
  const text =
    '# a comment\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: &l {x: "y"}\n  annotations: *l\ndata:\n  k: |\n    two\n    lines\n'
  const { body } = await c.apply('m', `${c.path('configmaps')}/a`, text)
  assert.equal(body.data.k, 'two\nlines\n')
})

contract('status is applied apart', async (c) => {
  const things = await c.define('Thing', {
    ...schemaOf({
      spec: { type: 'object', properties: { size: { type: 'integer' } } },
      status: { type: 'object', properties: { phase: { type: 'string' } } },
    }),
    subresources: { status: {} },
  })
  const thing = (more: object) => ({ apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'a' }, ...more })
  const made = await c.apply('one', `${things}/a`, thing({ spec: { size: 1 }, status: { phase: 'No' } }))
  assert.equal(made.body.status, undefined)
  const status = await c.apply('two', `${things}/a/status`, thing({ spec: { size: 5 }, status: { phase: 'Up' } }))
  assert.deepEqual([status.body.spec.size, status.body.status.phase], [1, 'Up'])
  assert.equal(status.body.metadata.managedFields[1].subresource, 'status')
  await c.apply('one', `${things}/a`, thing({ spec: { size: 2 } }))
  await c.apply('two', `${things}/a/status`, thing({}))
})

contract('list types of a definition', async (c) => {
  const item = { type: 'object', required: ['key'], properties: { key: { type: 'string' }, value: { type: 'string' } } }
  const things = await c.define(
    'Thing',
    schemaOf({
      spec: {
        type: 'object',
        properties: {
          byKey: { type: 'array', items: item, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['key'] },
          set: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
          whole: { type: 'array', items: { type: 'string' } },
          map: { type: 'object', additionalProperties: { type: 'string' } },
          atom: { type: 'object', 'x-kubernetes-map-type': 'atomic', additionalProperties: { type: 'string' } },
        },
      },
    }),
  )
  const thing = (spec: object) => ({ apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'a' }, spec })
  await c.apply(
    'one',
    `${things}/a`,
    thing({ byKey: [{ key: 'a', value: '1' }], set: ['x', 'y'], whole: ['w'], map: { m: '1' }, atom: { a: '1' } }),
  )
  await c.apply('two', `${things}/a`, thing({ byKey: [{ key: 'b', value: '2' }], set: ['y', 'z'], map: { n: '2' } }))
  await c.apply('two', `${things}/a`, thing({ whole: ['v'], atom: { b: '2' } }))
  const { body } = await c.apply('one', `${things}/a`, thing({ set: ['x'] }))
  assert.deepEqual(body.spec.set, ['x', 'y', 'z'])
  await c.apply('one', `${things}/a`, thing({ set: ['x', 'x'] }))
  await c.post(things, { ...thing({ byKey: [{ key: 'a' }, { key: 'a' }] }), metadata: { name: 'b' } })
})

contract('managed fields are reset by an empty entry', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.apply('m', path, configMap('a', { k: 'v' }), quiet)
  const reset = await c.patch('merge', path, { metadata: { managedFields: [{}] } })
  assert.equal(reset.body.metadata.managedFields, undefined)
  await c.apply('m', path, configMap('a', { k: 'w' }))
})

contract('what an object owned before apply was used stays owned', async (c) => {
  const path = `${c.path('configmaps')}/a`
  await c.post(`${c.path('configmaps')}?fieldManager=maker`, configMap('a', { k: 'v' }), quiet)
  const equal = await c.apply('m', path, configMap('a', { k: 'v' }))
  assert.deepEqual(managers(equal.body), ['m Apply', 'maker Update'])
  const conflict = await c.apply('m', path, configMap('a', { k: 'w' }))
  assert.equal(conflict.code, 409)
  await c.apply('m', path, configMap('a', {}))
})

contract('applying scale', async (c) => {
  const path = `${c.path('apps/v1/deployments')}/d`
  await c.apply('one', path, deployment('d', { replicas: 1 }), quiet)
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'd' }, spec: { replicas: 2 } }
  const conflict = await c.apply('two', `${path}/scale`, scale)
  assert.equal(conflict.code, 409)
  const forced = await c.apply('two', `${path}/scale`, scale, { force: true })
  assert.equal(forced.body.spec.replicas, 2)
  await c.get(path, { pick: withoutController })
})
