import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMaps, testApi } from './testing.ts'

const merge = { type: 'application/merge-patch+json' }
const pods = '/api/v1/namespaces/default/pods'
const pod = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'img:1', resources: { requests: { cpu: '100m' } } }] },
})

test('fields that come twice are warned of, or refused when that was asked for', async (t) => {
  const { send } = await testApi(t)
  const text =
    '{"apiVersion":"v1","kind":"ConfigMap", "metadata":{"name":"a","labels":{"x":"1","x":"2"}},"data":{"k\\"":"}","l":"{"},"data":{"k":"v"}}'
  const warned = await send('POST', configMaps, text)
  assert.equal(warned.code, 201, warned.text)
  assert.match(warned.headers['warning'], /duplicate field \\"metadata.labels.x\\"/)
  assert.match(warned.headers['warning'], /duplicate field \\"data\\"/)
  assert.deepEqual(warned.body.data, { k: 'v' })
  const strict = await send('POST', `${configMaps}?fieldValidation=Strict`, text.replace('"a"', '"b"'))
  assert.equal(strict.code, 400)
  assert.match(
    strict.body.message,
    /strict decoding error: duplicate field "metadata.labels.x", duplicate field "data"$/,
  )
  const spaced = await send(
    'POST',
    `${configMaps}?fieldValidation=Strict`,
    JSON.stringify({ ...warned.body, metadata: { name: 'c' } }, null, 3),
  )
  assert.equal(spaced.code, 201)
})

test('a Node is created with its status, a Deployment without', async (t) => {
  const { send } = await testApi(t)
  const status = { capacity: { cpu: '2' }, conditions: [{ type: 'Ready', status: 'True' }] }
  const node = await send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status })
  assert.equal(node.body.status.capacity.cpu, '2')
  assert.equal(node.body.status.allocatable.cpu, '2')
  const created = await send('POST', pods, { ...pod('p'), status: { phase: 'Running' } })
  assert.equal(created.body.status.phase, 'Pending')
})

test("a pod's resize changes resources and nothing else", async (t) => {
  const { send } = await testApi(t)
  await send('POST', pods, pod('p'))
  const to = (cpu: string, image = 'img:1') => ({
    spec: { containers: [{ name: 'c', image, resources: { requests: { cpu } } }] },
  })
  const type = 'application/strategic-merge-patch+json'
  assert.equal((await send('PATCH', `${pods}/p`, to('200m'), { type })).code, 422)
  const resized = await send('PATCH', `${pods}/p/resize`, to('200m', 'other:1'), { type })
  assert.equal(resized.code, 200, resized.text)
  const [container] = (await send('GET', `${pods}/p`)).body.spec.containers
  assert.deepEqual([container.resources.requests.cpu, container.image], ['200m', 'img:1'])
  const other = {
    spec: {
      containers: [{ name: 'c', resources: { limits: { cpu: '200m', memory: '1Gi' }, requests: { memory: '1Gi' } } }],
    },
  }
  const changed = await send('PATCH', `${pods}/p/resize`, other, { type })
  assert.equal(changed.code, 422)
  assert.match(changed.body.message, /Pod QOS Class may not change as a result of resizing/)
})

test('ephemeral containers come through their own endpoint and never go', async (t) => {
  const { send } = await testApi(t)
  await send('POST', pods, pod('p'))
  const debug = (image: string) => ({ spec: { ephemeralContainers: [{ name: 'debug', image }] } })
  assert.equal((await send('PATCH', `${pods}/p`, debug('sh:1'), merge)).code, 422)
  const added = await send('PATCH', `${pods}/p/ephemeralcontainers`, debug('sh:1'), merge)
  assert.equal(added.code, 200, added.text)
  assert.equal(added.body.spec.ephemeralContainers[0].name, 'debug')
  assert.equal((await send('PATCH', `${pods}/p/ephemeralcontainers`, debug('sh:2'), merge)).code, 422)
  const emptied = { spec: { ephemeralContainers: [] } }
  assert.match(
    (await send('PATCH', `${pods}/p/ephemeralcontainers`, emptied, merge)).body.message,
    /may not be removed/,
  )
})

test('an outdated OpenAPI address leads to the current one', async (t) => {
  const { send } = await testApi(t)
  const address = (await send('GET', '/openapi/v3')).body.paths['apis/apps/v1'].serverRelativeURL
  assert.equal((await send('GET', address)).code, 200)
  const outdated = await send('GET', address.replace(/hash=\w+/, 'hash=ABC'))
  assert.deepEqual([outdated.code, outdated.headers['location']], [301, address])
})

test('OpenAPI tells what a field is for, compressed for those who take it so', async (t) => {
  const { send } = await testApi(t)
  const path = '/openapi/v3/apis/apps/v1'
  const { strategy } = (await send('GET', path)).body.components.schemas['io.k8s.api.apps.v1.DeploymentSpec'].properties
  assert.match(strategy.description, /replace existing pods/)
  assert.equal(strategy.allOf[0].$ref, '#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy')
  const packed = await send('GET', path, undefined, { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(packed.headers['content-encoding'], 'gzip')
  assert.ok(packed.text.length < 200_000)
})
