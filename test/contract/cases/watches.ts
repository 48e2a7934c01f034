import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Client } from '../client.ts'
import { configMap, schemaOf } from '../objects.ts'

const quiet = { record: false }
const types = (events: any[]) => events.map(({ type }) => type)
const here = (c: Client) => c.path('secrets')
const make = (c: Client, name: string, labels: object = {}) => c.post(here(c), { metadata: { name, labels } }, quiet)

contract('a watch tells what happens, in order', async (c) => {
  const watch = await c.watch(here(c))
  await make(c, 'a')
  await c.patch('merge', `${here(c)}/a`, { metadata: { labels: { x: '1' } } }, quiet)
  await make(c, 'b')
  await c.delete(`${here(c)}/a`, undefined, quiet)
  const events = await watch.next(4)
  assert.deepEqual(types(events), ['ADDED', 'MODIFIED', 'ADDED', 'DELETED'])
  const revisions = events.map(({ object }) => Number(object.metadata.resourceVersion))
  assert.deepEqual(
    revisions,
    [...revisions].sort((a, b) => a - b),
  )
  assert.equal(new Set(revisions).size, 4)
})

contract('a watch without a revision begins with what is there', async (c) => {
  await make(c, 'b')
  await make(c, 'a')
  for (const query of ['', '?resourceVersion=0']) {
    const watch = await c.watch(here(c) + query)
    const events = await watch.next(2)
    assert.deepEqual(
      events.map(({ type, object }) => [type, object.metadata.name]),
      [
        ['ADDED', 'a'],
        ['ADDED', 'b'],
      ],
    )
  }
})

contract('a watch goes on from a revision', async (c) => {
  await make(c, 'a')
  const list = await c.get(here(c), quiet)
  await make(c, 'b')
  const watch = await c.watch(`${here(c)}?resourceVersion=${list.body.metadata.resourceVersion}`)
  assert.deepEqual(
    (await watch.next(1)).map(({ object }) => object.metadata.name),
    ['b'],
  )
  await make(c, 'c')
  await watch.next(1)
})

contract('a write that changes nothing is no event', async (c) => {
  const made = await make(c, 'a', { x: '1' })
  const watch = await c.watch(`${here(c)}?resourceVersion=${made.body.metadata.resourceVersion}`)
  const again = await c.patch('merge', `${here(c)}/a`, { metadata: { labels: { x: '1' } } }, quiet)
  assert.equal(again.body.metadata.resourceVersion, made.body.metadata.resourceVersion)
  await make(c, 'b')
  assert.deepEqual(
    (await watch.next(1)).map(({ object }) => object.metadata.name),
    ['b'],
  )
})

contract('what leaves a label selector is deleted, what enters it is added', async (c) => {
  const watch = await c.watch(`${here(c)}?labelSelector=on%3Dyes`)
  const label = (on: string | null) => c.patch('merge', `${here(c)}/a`, { metadata: { labels: { on } } }, quiet)
  await make(c, 'a', { on: 'no' })
  await label('yes')
  await c.patch('merge', `${here(c)}/a`, { metadata: { annotations: { n: '1' } } }, quiet)
  const left = await label('no')
  await label('yes')
  await c.delete(`${here(c)}/a`, undefined, quiet)
  const events = await watch.next(5)
  assert.deepEqual(types(events), ['ADDED', 'MODIFIED', 'DELETED', 'ADDED', 'DELETED'])
  assert.equal(events[2].object.metadata.labels.on, 'yes')
  assert.equal(events[2].object.metadata.resourceVersion, left.body.metadata.resourceVersion)
})

contract('a watch of one name', async (c) => {
  const watch = await c.watch(`${here(c)}?fieldSelector=metadata.name%3Db`)
  await make(c, 'a')
  await make(c, 'b')
  await c.delete(`${here(c)}/b`, undefined, quiet)
  assert.deepEqual(types(await watch.next(2)), ['ADDED', 'DELETED'])
})

contract('the old paths of watches', async (c) => {
  await make(c, 'a')
  const list = await c.watch(`/api/v1/watch/namespaces/${c.ns}/secrets`)
  await list.next(1)
  const one = await c.watch(`/api/v1/watch/namespaces/${c.ns}/secrets/a`)
  await one.next(1)
})

contract('initial events end with a bookmark', async (c) => {
  await make(c, 'a')
  const list = await c.get(here(c), quiet)
  const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const watch = await c.watch(`${here(c)}?${query}`)
  await watch.next(1)
  const bookmark = await watch.bookmark()
  assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true')
  assert.ok(Number(bookmark.object.metadata.resourceVersion) >= Number(list.body.metadata.resourceVersion))
  await make(c, 'b')
  await watch.next(1)
})

contract('initial events need their companions', async (c) => {
  for (const query of [
    'sendInitialEvents=true',
    'sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1',
    'resourceVersionMatch=NotOlderThan',
    'sendInitialEvents=true&resourceVersionMatch=NotOlderThan',
    'resourceVersion=abc',
  ]) {
    await c.get(`${here(c)}?watch=true&timeoutSeconds=1&${query}`)
  }
})

contract('initial events can be left out', async (c) => {
  const made = await make(c, 'a')
  const rv = made.body.metadata.resourceVersion
  const watch = await c.watch(
    `${here(c)}?sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=${rv}`,
  )
  await make(c, 'b')
  assert.deepEqual(
    (await watch.next(1)).map(({ object }) => object.metadata.name),
    ['b'],
  )
})

contract('a watch ends when its time is over', async (c) => {
  await make(c, 'a')
  const watch = await c.watch(`${here(c)}?timeoutSeconds=1`)
  await watch.ended
  await watch.next(1)
  assert.deepEqual(watch.rest(), [])
})

contract('bookmarks before the end', async (c) => {
  await make(c, 'a')
  const watch = await c.watch(`${here(c)}?timeoutSeconds=3&allowWatchBookmarks=true`)
  await watch.next(1)
  const { object } = await watch.bookmark()
  assert.deepEqual(Object.keys(object).sort(), ['apiVersion', 'kind', 'metadata'])
  await watch.ended
})

contract('a watch of a definition, by a field that it declares', async (c) => {
  const things = await c.define('Thing', {
    ...schemaOf({ spec: { type: 'object', properties: { color: { type: 'string' } } } }),
    selectableFields: [{ jsonPath: '.spec.color' }],
  })
  const thing = (name: string, color: string) => ({
    apiVersion: `${c.group}/v1`,
    kind: 'Thing',
    metadata: { name },
    spec: { color },
  })
  const watch = await c.watch(`${things}?fieldSelector=spec.color%3Dred`)
  await c.post(things, thing('a', 'blue'), quiet)
  await c.post(things, thing('b', 'red'), quiet)
  await c.patch('merge', `${things}/b`, { spec: { color: 'blue' } }, quiet)
  assert.deepEqual(types(await watch.next(2)), ['ADDED', 'DELETED'])
  await c.get(`${things}?fieldSelector=spec.color%3Dblue`)
  await c.get(`${things}?fieldSelector=spec.size%3D1`)
})

contract('a watch as metadata only', async (c) => {
  const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
  const watch = await c.watch(c.path('configmaps') + '?fieldSelector=metadata.name%3Da', { headers: { accept } })
  await c.post(c.path('configmaps'), configMap('a', { k: 'v' }), quiet)
  const [{ object }] = await watch.next(1)
  assert.deepEqual([object.kind, object.data], ['PartialObjectMetadata', undefined])
})

contract('finalizers make two events of a deletion', async (c) => {
  const watch = await c.watch(here(c))
  await c.post(here(c), { metadata: { name: 'a', finalizers: ['example.com/f'] } }, quiet)
  await c.delete(`${here(c)}/a`, undefined, quiet)
  await c.patch('merge', `${here(c)}/a`, { metadata: { finalizers: null } }, quiet)
  const events = await watch.next(3)
  assert.deepEqual(types(events), ['ADDED', 'MODIFIED', 'DELETED'])
})
