import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMap, configMaps, testApi, widget, widgetDefinition, widgets } from './testing.ts'

test('an object is created, read, replaced, patched four ways, and deleted', async (t) => {
  const { send } = await testApi(t)
  const created = await send('POST', configMaps, configMap('a', { n: '1' }))
  assert.equal(created.code, 201)
  assert.match(created.body.metadata.uid, /^[0-9a-f-]{36}$/)
  assert.equal(created.body.metadata.namespace, 'default')
  assert.deepEqual((await send('GET', `${configMaps}/a`)).body, created.body)
  const put = await send('PUT', `${configMaps}/a`, configMap('a', { n: '2' }))
  assert.equal(put.body.data.n, '2')
  assert.equal(put.body.metadata.uid, created.body.metadata.uid)
  assert.ok(Number(put.body.metadata.resourceVersion) > Number(created.body.metadata.resourceVersion))
  const patches: [string, unknown][] = [
    ['application/merge-patch+json', { data: { merge: 'x', n: null } }],
    ['application/json-patch+json', [{ op: 'add', path: '/data/json', value: 'y' }]],
    ['application/strategic-merge-patch+json', { data: { strategic: 'z' } }],
  ]
  for (const [type, body] of patches)
    assert.equal((await send('PATCH', `${configMaps}/a`, body, { type })).code, 200, type)
  const yaml = 'apiVersion: v1\nkind: ConfigMap\ndata: {applied: "yes"}\n'
  const applied = await send('PATCH', `${configMaps}/a?fieldManager=me`, yaml, { type: 'application/apply-patch+yaml' })
  assert.deepEqual(applied.body.data, { merge: 'x', json: 'y', strategic: 'z', applied: 'yes' })
  const removed = await send('DELETE', `${configMaps}/a`)
  assert.deepEqual(removed.body.details, { name: 'a', kind: 'configmaps', uid: created.body.metadata.uid })
  assert.equal((await send('GET', `${configMaps}/a`)).code, 404)
})

test('errors are worded as the real server words them', async (t) => {
  const { send } = await testApi(t)
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', widgetDefinition)
  await send('POST', widgets, widget('a'))
  const expect = async (method: string, path: string, body: unknown, code: number, message: string, type?: string) => {
    const answer = await send(method, path, body, type ? { type } : {})
    assert.equal(answer.code, code, `${method} ${path}: ${answer.text}`)
    assert.equal(answer.body.message, message)
    assert.equal(answer.body.kind, 'Status')
    return answer.body
  }
  await expect('GET', `${widgets}/nope`, undefined, 404, 'widgets.example.com "nope" not found')
  await expect('POST', widgets, widget('a'), 409, 'widgets.example.com "a" already exists')
  await expect('POST', '/api/v1/namespaces/nope/configmaps', configMap('x'), 404, 'namespaces "nope" not found')
  await expect(
    'PUT',
    `${widgets}/a`,
    widget('b'),
    400,
    'the name of the object (b) does not match the name on the URL (a)',
  )
  await expect(
    'PUT',
    `${widgets}/a`,
    widget('a'),
    422,
    'widgets.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
  )
  const stale =
    'Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again'
  await expect('PUT', `${widgets}/a`, widget('a', {}, { resourceVersion: '1' }), 409, stale)
  await expect(
    'PATCH',
    `${widgets}/a`,
    { metadata: { resourceVersion: '1' }, spec: { color: 'blue' } },
    409,
    stale,
    'application/merge-patch+json',
  )
  await expect(
    'POST',
    widgets,
    { ...widget('x'), apiVersion: 'example.com/v2' },
    400,
    'the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)',
  )
  await expect(
    'POST',
    widgets,
    { ...widget('x'), kind: 'Gadget' },
    422,
    'Gadget.example.com "x" is invalid: kind: Invalid value: "Gadget": must be Widget',
  )
  await expect(
    'POST',
    widgets,
    widget('x', {}, { namespace: 'other' }),
    400,
    'the namespace of the provided object does not match the namespace sent on the request',
  )
  await expect(
    'POST',
    widgets,
    widget('x', {}, { resourceVersion: '5' }),
    500,
    'resourceVersion should not be set on objects to be created',
  )
  await expect(
    'PATCH',
    `${widgets}/a`,
    [{ op: 'test', path: '/spec/color', value: 'zzz' }],
    422,
    'the server rejected our request due to an error in our request',
    'application/json-patch+json',
  )
  await expect(
    'PATCH',
    `${widgets}/a`,
    {},
    415,
    'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    'application/strategic-merge-patch+json',
  )
  await expect(
    'DELETE',
    `${widgets}/a?propagationPolicy=Bogus`,
    undefined,
    422,
    'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Bogus": supported values: "Foreground", "Background", "Orphan", "nil"',
  )
  await expect(
    'GET',
    `${widgets}?labelSelector=a%20in%20(`,
    undefined,
    400,
    "unable to parse requirement: found '', expected: ',', ')' or identifier",
  )
  await expect(
    'GET',
    `${widgets}?fieldSelector=spec.replicas=1`,
    undefined,
    400,
    'field label not supported: spec.replicas',
  )
  await expect(
    'GET',
    `${widgets}?resourceVersionMatch=Exact`,
    undefined,
    422,
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
  )
  await expect(
    'POST',
    `${widgets}?dryRun=Some`,
    widget('x'),
    422,
    'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
  )
  await expect(
    'POST',
    `${widgets}/a/status`,
    widget('a'),
    405,
    'create is not supported on resources of kind "widgets.example.com"',
  )
  await expect('OPTIONS', widgets, undefined, 405, ' is not supported on resources of kind "widgets.example.com"')
  const conflicting = await expect(
    'PATCH',
    `${widgets}/a?fieldManager=z`,
    { apiVersion: 'example.com/v1', kind: 'Widget', spec: { color: 'blue' } },
    409,
    'Apply failed with 1 conflict: conflict with "unknown" using example.com/v1: .spec.color',
    'application/apply-patch+yaml',
  )
  assert.equal(conflicting.details.causes[0].reason, 'FieldManagerConflict')
  assert.equal((await send('GET', '/apis/nope.io/v1/foos')).text, '404 page not found\n')
})

test('unknown fields are dropped with a warning, or refused when the client is strict', async (t) => {
  const { send } = await testApi(t)
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', widgetDefinition)
  const warned = await send('POST', widgets, widget('w', { color: 'blue', foo: 1 }))
  assert.equal(warned.code, 201)
  assert.equal(warned.headers['warning'], '299 - "unknown field \\"spec.foo\\""')
  assert.deepEqual(warned.body.spec, { color: 'blue', replicas: 1 })
  const strict = await send('POST', `${widgets}?fieldValidation=Strict`, widget('s', { color: 'blue', foo: 1 }))
  assert.equal(strict.code, 400)
  assert.equal(
    strict.body.message,
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.foo"',
  )
  const invalid = await send('POST', widgets, widget('i', { color: 'green' }))
  assert.equal(invalid.code, 422)
  assert.deepEqual(invalid.body.details.causes[0], {
    reason: 'FieldValueNotSupported',
    message: 'Unsupported value: "green": supported values: "red", "blue"',
    field: 'spec.color',
  })
})

test('a no-op write keeps the revision; generation counts spec changes only; status and spec do not mix', async (t) => {
  const { send, store } = await testApi(t)
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', widgetDefinition)
  const merge = { type: 'application/merge-patch+json' }
  const first = (await send('POST', widgets, widget('a'))).body
  const revision = store.revision
  const again = (await send('PATCH', `${widgets}/a`, { spec: { color: 'red' } }, merge)).body
  assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion)
  assert.equal(store.revision, revision)
  const labelled = (
    await send('PATCH', `${widgets}/a`, { metadata: { labels: { x: 'y' } }, status: { phase: 'No' } }, merge)
  ).body
  assert.equal(labelled.metadata.generation, 1)
  assert.equal(labelled.status, undefined)
  const status = (
    await send('PATCH', `${widgets}/a/status`, { spec: { color: 'blue' }, status: { phase: 'Up' } }, merge)
  ).body
  assert.deepEqual([status.spec.color, status.status, status.metadata.generation], ['red', { phase: 'Up' }, 1])
  const changed = (await send('PATCH', `${widgets}/a`, { spec: { color: 'blue' } }, merge)).body
  assert.deepEqual([changed.metadata.generation, changed.status], [2, { phase: 'Up' }])
  const scaled = (await send('PATCH', `${widgets}/a/scale`, { spec: { replicas: 3 } }, merge)).body
  assert.deepEqual([scaled.kind, scaled.spec.replicas], ['Scale', 3])
  const final = (await send('GET', `${widgets}/a`)).body
  assert.deepEqual([final.metadata.generation, final.spec.replicas], [3, 3])
  assert.ok(final.metadata.managedFields.some((entry: any) => entry.subresource === 'scale'))
})

test('generateName finds a free name; dryRun changes nothing', async (t) => {
  const { send, store } = await testApi(t)
  const names = new Set<string>()
  for (let index = 0; index < 20; index++) {
    const { body } = await send('POST', configMaps, { ...configMap(''), metadata: { generateName: 'g-' } })
    assert.match(body.metadata.name, /^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    names.add(body.metadata.name)
  }
  assert.equal(names.size, 20)
  const revision = store.revision
  const dry = await send('POST', `${configMaps}?dryRun=All`, configMap('dry'))
  assert.equal(dry.code, 201)
  assert.ok(dry.body.metadata.uid)
  assert.equal(dry.body.metadata.resourceVersion, undefined)
  assert.equal((await send('DELETE', `${configMaps}/${[...names][0]}?dryRun=All`)).code, 200)
  assert.equal(store.revision, revision)
})

test('finalizers hold an object until the last one goes; preconditions and propagation are honoured', async (t) => {
  const { send } = await testApi(t)
  const merge = { type: 'application/merge-patch+json' }
  await send('POST', configMaps, { ...configMap('f'), metadata: { name: 'f', finalizers: ['example.com/f'] } })
  const marked = (await send('DELETE', `${configMaps}/f`)).body
  assert.ok(marked.metadata.deletionTimestamp)
  assert.equal((await send('DELETE', `${configMaps}/f`)).body.metadata.resourceVersion, marked.metadata.resourceVersion)
  const more = await send(
    'PATCH',
    `${configMaps}/f`,
    { metadata: { finalizers: ['example.com/g', 'example.com/f'] } },
    merge,
  )
  assert.match(more.body.message, /no new finalizers can be added if the object is being deleted/)
  assert.equal((await send('PATCH', `${configMaps}/f`, { metadata: { finalizers: null } }, merge)).code, 200)
  assert.equal((await send('GET', `${configMaps}/f`)).code, 404)
  await send('POST', configMaps, configMap('p'))
  const wrong = await send('DELETE', `${configMaps}/p`, { preconditions: { uid: 'nope' } })
  assert.equal(wrong.code, 409)
  assert.match(wrong.body.message, /the UID in the precondition \(nope\) does not match the UID in record/)
  const foreground = (await send('DELETE', `${configMaps}/p`, { propagationPolicy: 'Foreground' })).body
  assert.deepEqual(foreground.metadata.finalizers, ['foregroundDeletion'])
})

test('a collection is deleted by selector', async (t) => {
  const { send } = await testApi(t)
  for (const [name, app] of [
    ['a', 'x'],
    ['b', 'y'],
    ['c', 'x'],
  ])
    await send('POST', configMaps, configMap(name, {}, { app }))
  const { body } = await send('DELETE', `${configMaps}?labelSelector=app%3Dx`)
  assert.deepEqual(
    body.items.map((item: any) => item.metadata.name),
    ['a', 'c'],
  )
  assert.deepEqual(
    (await send('GET', configMaps)).body.items.map((item: any) => item.metadata.name),
    ['b'],
  )
})

test('hostile input: bad UTF-8, nesting, __proto__, huge bodies, path traversal, half requests', async (t) => {
  const { send, server } = await testApi(t)
  assert.equal((await send('POST', configMaps, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))).code, 400)
  assert.equal((await send('POST', configMaps, `${'['.repeat(100_000)}${']'.repeat(100_000)}`)).code, 400)
  assert.equal((await send('POST', configMaps, '{"a":')).code, 400)
  assert.equal((await send('POST', configMaps, 'x'.repeat(3 * 1024 * 1024 + 1))).code, 413)
  const polluted =
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p","__proto__":{"evil":"1"}},"data":{"__proto__":"x","constructor":"y"},"__proto__":{"evil":1}}'
  const stored = await send('POST', configMaps, polluted)
  assert.equal(stored.code, 201)
  assert.equal(({} as any).evil, undefined)
  for (const path of ['/%2e%2e', '/..%2fsecrets', '/a%00b', '/%ff']) {
    assert.equal((await send('GET', configMaps + path)).code, 400, path)
  }
  const { connect } = await import('node:tls')
  const socket = connect({ port: server.port, rejectUnauthorized: false })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  socket.write(`POST ${configMaps} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"half`)
  socket.destroy()
  assert.equal((await send('GET', '/readyz')).text, 'ok')
})

test('a full disk is answered clearly and leaves nothing half-done', async (t) => {
  const { send } = await testApi(t, { store: { maxPages: 120 } })
  const big = await send('POST', configMaps, configMap('big', { v: 'x'.repeat(900_000) }))
  assert.equal(big.code, 507)
  assert.equal(big.body.message, 'the store cannot write: the disk is full')
  assert.equal((await send('GET', `${configMaps}/big`)).code, 404)
  assert.equal((await send('POST', configMaps, configMap('small'))).code, 201)
})
