import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import { configMap, pod } from '../objects.ts'

/** Of lists only what this case made: each namespace has a ConfigMap of its own. */
const named = (body: any) => ({
  ...body,
  metadata: { ...body.metadata, resourceVersion: undefined },
  items: body.items?.map(({ metadata }: any) => metadata.name),
})

contract('lists are ordered by name and never null', async (c) => {
  const secrets = await c.get(c.path('secrets'))
  assert.deepEqual(secrets.body.items, [])
  for (const name of ['b', 'a', 'c', 'a.b', 'a-b'])
    await c.post(c.path('secrets'), { metadata: { name } }, { record: false })
  const { body } = await c.get(c.path('secrets'), { pick: named })
  assert.deepEqual(
    body.items.map(({ metadata }: any) => metadata.name),
    ['a', 'a-b', 'a.b', 'b', 'c'],
  )
  assert.equal(body.items[0].kind, undefined)
})

contract('a list in pages', async (c) => {
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    await c.post(c.path('secrets'), { metadata: { name } }, { record: false })
  const first = await c.get(`${c.path('secrets')}?limit=2`, { pick: named })
  assert.equal(first.body.metadata.remainingItemCount, 3)
  await c.post(c.path('secrets'), { metadata: { name: 'bb' } }, { record: false })
  await c.delete(`${c.path('secrets')}/d`, undefined, { record: false })
  const more = encodeURIComponent(first.body.metadata.continue)
  const second = await c.get(`${c.path('secrets')}?limit=2&continue=${more}`, { pick: named })
  assert.deepEqual(
    second.body.items.map(({ metadata }: any) => metadata.name),
    ['c', 'd'],
  )
  assert.equal(second.body.metadata.resourceVersion, first.body.metadata.resourceVersion)
  const last = await c.get(
    `${c.path('secrets')}?limit=2&continue=${encodeURIComponent(second.body.metadata.continue)}`,
    { pick: named },
  )
  assert.deepEqual(
    last.body.items.map(({ metadata }: any) => metadata.name),
    ['e'],
  )
  assert.equal(last.body.metadata.continue, undefined)
})

contract('pages with a selector do not say how many remain', async (c) => {
  for (const name of ['a', 'b', 'c'])
    await c.post(c.path('secrets'), { metadata: { name, labels: { x: 'y' } } }, { record: false })
  const { body } = await c.get(`${c.path('secrets')}?limit=1&labelSelector=x%3Dy`, { pick: named })
  assert.equal(body.metadata.remainingItemCount, undefined)
  assert.ok(body.metadata.continue)
})

contract('a limit at revision 0', async (c) => {
  for (const name of ['a', 'b', 'c']) await c.post(c.path('secrets'), { metadata: { name } }, { record: false })
  const { body } = await c.until(
    `${c.path('secrets')}?limit=1&resourceVersion=0`,
    ({ body }) => body.items.length === 3,
    { pick: named },
  )
  assert.equal(body.metadata.continue, undefined)
})

contract('continue tokens that are none', async (c) => {
  await c.get(`${c.path('secrets')}?limit=1&continue=nonsense`)
  await c.get(`${c.path('secrets')}?limit=-1`)
  await c.get(`${c.path('secrets')}?limit=x`)
  for (const name of ['a', 'b']) await c.post(c.path('secrets'), { metadata: { name } }, { record: false })
  const first = await c.get(`${c.path('secrets')}?limit=1`, { record: false })
  const token = encodeURIComponent(first.body.metadata.continue)
  const both = await c.get(`${c.path('secrets')}?limit=1&resourceVersion=5&continue=${token}`)
  assert.equal(both.code, 400)
})

contract('the rules of resourceVersion', async (c) => {
  const lists = c.path('secrets')
  for (const query of [
    'resourceVersion=abc',
    'resourceVersion=-1',
    'resourceVersionMatch=Exact',
    'resourceVersionMatch=Exact&resourceVersion=0',
    'resourceVersionMatch=Bogus&resourceVersion=1',
    'resourceVersionMatch=NotOlderThan',
    'sendInitialEvents=true',
    'sendInitialEvents=true&resourceVersionMatch=NotOlderThan',
  ]) {
    await c.get(`${lists}?${query}`, { pick: (body) => (body.items ? named(body) : body) })
  }
})

contract('a list of a revision that was', async (c) => {
  const first = await c.post(c.path('secrets'), { metadata: { name: 'a' } }, { record: false })
  await c.post(c.path('secrets'), { metadata: { name: 'b' } }, { record: false })
  const rv = first.body.metadata.resourceVersion
  const then = await c.get(`${c.path('secrets')}?resourceVersion=${rv}&resourceVersionMatch=Exact`, { record: false })
  assert.deepEqual(
    [then.body.items.map(({ metadata }: any) => metadata.name), then.body.metadata.resourceVersion],
    [['a'], rv],
  )
  const since = await c.get(`${c.path('secrets')}?resourceVersion=${rv}&resourceVersionMatch=NotOlderThan`, {
    record: false,
  })
  assert.ok(since.body.items.length >= 1)
})

contract('a revision of the future', async (c) => {
  const list = await c.get(`${c.path('secrets')}?resourceVersion=99999999`)
  assert.equal(list.code, 504)
  const one = await c.get(`${c.path('secrets')}/a?resourceVersion=99999999`)
  assert.equal(one.code, 504)
})

contract('label selectors', async (c) => {
  const labels: Record<string, Record<string, string>> = {
    a: { app: 'x', tier: 'web' },
    b: { app: 'y' },
    c: { app: 'x' },
    d: {},
    e: { n: '5' },
  }
  for (const [name, of] of Object.entries(labels))
    await c.post(c.path('secrets'), { metadata: { name, labels: of } }, { record: false })
  for (const selector of [
    'app=x',
    'app==x',
    'app!=x',
    'app',
    '!app',
    'app in (x,y)',
    'app notin (x)',
    'app=x,tier',
    'n>4',
    'n<5',
    'app=',
    'app in ()',
    'app=x=y',
    'a b',
    '(',
    'app in (x',
    '-bad=x',
    'app=$$',
    ',app',
    'app,',
    'x/y/z=1',
  ]) {
    await c.get(`${c.path('secrets')}?labelSelector=${encodeURIComponent(selector)}`, {
      pick: (body) => (body.items ? named(body) : body),
    })
  }
})

contract('field selectors', async (c) => {
  await c.post(c.path('pods'), pod('a'), { record: false })
  await c.post(c.path('pods'), pod('b', { restartPolicy: 'Never' }), { record: false })
  for (const selector of [
    'metadata.name=a',
    'metadata.name!=a',
    'status.phase=Pending',
    'status.phase!=Pending',
    'spec.nodeName=',
    'spec.restartPolicy=Never',
    'spec.schedulerName=nobody,metadata.name=b',
    'spec.foo=1',
    'metadata.name',
    'spec.serviceAccountName=default',
    'metadata.labels=x',
    'status.podIP=',
  ]) {
    await c.get(`${c.path('pods')}?fieldSelector=${encodeURIComponent(selector)}`, {
      pick: (body) => (body.items ? named(body) : body),
    })
  }
  await c.get(`${c.path('secrets')}?fieldSelector=type%3DOpaque`, { pick: (body) => (body.items ? named(body) : body) })
})

contract('across namespaces', async (c) => {
  await c.post(c.path('secrets'), { metadata: { name: c.ns } }, { record: false })
  const { body } = await c.get(`/api/v1/secrets?fieldSelector=metadata.name%3D${c.ns}`, { pick: named })
  assert.equal(body.items[0].metadata.namespace, c.ns)
  await c.get(`/api/v1/secrets?fieldSelector=metadata.namespace%3D${c.ns}`, { pick: named })
  const nowhere = await c.get('/api/v1/namespaces/there-is-none/secrets', { pick: named })
  assert.deepEqual(nowhere.body.items, [])
})

contract('what is not found', async (c) => {
  await c.get(`${c.path('pods')}/none`)
  await c.get(`${c.path('apps/v1/deployments')}/none`)
  await c.get('/api/v1/namespaces/there-is-none')
  await c.get('/api/v1/nodes/there-is-none')
  await c.get(`${c.path('apps/v1/deployments')}/none/scale`)
  await c.get(`${c.path('pods')}/none/log`)
  await c.delete(`${c.path('pods')}/none`)
  await c.put(`${c.path('configmaps')}/none`, configMap('none'))
  await c.patch('merge', `${c.path('configmaps')}/none`, {})
})

contract('pretty printing', async (c) => {
  await c.post(c.path('configmaps'), configMap('a', { k: 'v' }), { record: false })
  const pretty = await c.get(`${c.path('configmaps')}/a?pretty=true`, { record: false })
  assert.match(pretty.text, /^\{\n {2}"/)
  const curl = await c.get(`${c.path('configmaps')}/a`, { record: false, headers: { 'user-agent': 'curl/8.0' } })
  assert.match(curl.text, /^\{\n {2}"/)
  const plain = await c.get(`${c.path('configmaps')}/a`, { record: false })
  assert.match(plain.text, /^\{"[^\n]+\n?$/)
})

contract('an object as YAML', async (c) => {
  await c.post(c.path('configmaps'), configMap('a', { k: 'v' }), { record: false })
  const { headers, text } = await c.get(`${c.path('configmaps')}/a`, {
    record: false,
    headers: { accept: 'application/yaml' },
  })
  assert.match(headers['content-type'] as string, /yaml/)
  assert.match(text, /^data:\n {2}k: v\n/m)
})
