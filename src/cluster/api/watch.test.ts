import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, until } from '#lib/testing'
import { configMap, configMaps, testApi } from './testing.ts'

const merge = { type: 'application/merge-patch+json' }
const seen = (events: any[]) =>
  events.map(({ type, object }) => [type, object.metadata.name, object.metadata.resourceVersion])

test('a watch without revision shows what there is, then every change', async (t) => {
  const { send, watch } = await testApi(t)
  await send('POST', configMaps, configMap('a'))
  const { events, code, close } = await watch(`${configMaps}?watch=true`)
  t.after(close)
  assert.equal(code, 200)
  await send('PATCH', `${configMaps}/a`, { data: { x: 'y' } }, merge)
  await send('DELETE', `${configMaps}/a`)
  await until(() => events.length === 3)
  assert.deepEqual(
    events.map((event) => event.type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  )
  assert.ok(Number(events[2].object.metadata.resourceVersion) > Number(events[1].object.metadata.resourceVersion))
})

test('a watch resumes after a revision; one that is compacted gets an ERROR with 410', async (t) => {
  const { send, watch } = await testApi(t, { store: { historyBytes: 30_000 } })
  const first = (await send('POST', configMaps, configMap('a'))).body.metadata.resourceVersion
  const second = (await send('PATCH', `${configMaps}/a`, { data: { n: '1' } }, merge)).body.metadata.resourceVersion
  const resumed = await watch(`${configMaps}?watch=1&resourceVersion=${first}`)
  t.after(resumed.close)
  await until(() => resumed.events.length === 1)
  assert.deepEqual(seen(resumed.events), [['MODIFIED', 'a', second]])
  for (let index = 0; index < 80; index++) await send('PATCH', `${configMaps}/a`, { data: { n: `x${index}` } }, merge)
  const late = await watch(`${configMaps}?watch=1&resourceVersion=${first}`)
  await late.ended
  assert.equal(late.code, 200)
  assert.equal(late.events[0].type, 'ERROR')
  assert.deepEqual([late.events[0].object.code, late.events[0].object.reason], [410, 'Expired'])
  const list = await send('GET', `${configMaps}?resourceVersion=${first}&resourceVersionMatch=Exact`)
  assert.deepEqual([list.code, list.body.reason], [410, 'Expired'])
})

test('entering and leaving a selector are ADDED and DELETED, leaving with the object as it was', async (t) => {
  const { send, watch, store } = await testApi(t)
  await send('POST', configMaps, configMap('s', {}, { app: 'x' }))
  const { events, close } = await watch(`${configMaps}?watch=1&resourceVersion=${store.revision}&labelSelector=app%3Dx`)
  t.after(close)
  const left = (await send('PATCH', `${configMaps}/s`, { metadata: { labels: { app: 'y' } } }, merge)).body
  const entered = (await send('PATCH', `${configMaps}/s`, { metadata: { labels: { app: 'x' } } }, merge)).body
  await send('DELETE', `${configMaps}/s`)
  await until(() => events.length === 3)
  assert.deepEqual(seen(events).slice(0, 2), [
    ['DELETED', 's', left.metadata.resourceVersion],
    ['ADDED', 's', entered.metadata.resourceVersion],
  ])
  assert.equal(events[0].object.metadata.labels.app, 'x')
  assert.equal(events[2].type, 'DELETED')
})

test('a watch-list ends its initial events with the annotated bookmark', async (t) => {
  const { send, watch } = await testApi(t)
  await send('POST', configMaps, configMap('a'))
  const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const { events, close } = await watch(`${configMaps}?${query}`)
  t.after(close)
  await until(() => events.length === 2)
  assert.equal(events[0].type, 'ADDED')
  assert.equal(events[1].object.metadata.annotations['k8s.io/initial-events-end'], 'true')
  const refused = await send('GET', `${configMaps}?watch=true&sendInitialEvents=true`)
  assert.equal(refused.code, 422)
})

test('timeoutSeconds ends the stream properly, with a bookmark of the newest revision', async (t) => {
  const clock = new FakeClock()
  const { send, watch, store } = await testApi(t, { clock })
  const { events, ended } = await watch(
    `${configMaps}?watch=1&timeoutSeconds=300&allowWatchBookmarks=true&labelSelector=none`,
  )
  await send('POST', configMaps, configMap('other'))
  await clock.advance(61_000)
  // The first says that all that was there has been told.
  await until(() => events.length === 2)
  assert.equal(events[1].object.metadata.resourceVersion, String(store.revision))
  await clock.advance(240_000)
  await ended
  assert.equal(events.at(-1).type, 'BOOKMARK')
})

test('a watcher that does not read is cut off and blocks nobody', async (t) => {
  const { send, server } = await testApi(t)
  const stream = await server.transport().request({ method: 'GET', path: `${configMaps}?watch=true`, headers: {} })
  const data = { filler: 'x'.repeat(900_000) }
  for (let index = 0; index < 20; index++)
    assert.equal((await send('POST', configMaps, configMap(`big${index}`, data))).code, 201)
  await assert.rejects(async () => {
    for await (const _ of stream.body);
  }, /cut the stream off/)
})

test('paging: consistent pages, remaining count, and tokens that are checked', async (t) => {
  const { send } = await testApi(t)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await send('POST', configMaps, configMap(name))
  const first = (await send('GET', `${configMaps}?limit=2`)).body
  assert.equal(first.metadata.remainingItemCount, 3)
  await send('DELETE', `${configMaps}/d`)
  await send('POST', configMaps, configMap('cc'))
  const names: string[] = first.items.map((item: any) => item.metadata.name)
  let token = first.metadata.continue
  while (token) {
    const page = (await send('GET', `${configMaps}?limit=2&continue=${encodeURIComponent(token)}`)).body
    assert.equal(page.metadata.resourceVersion, first.metadata.resourceVersion)
    names.push(...page.items.map((item: any) => item.metadata.name))
    token = page.metadata.continue
  }
  assert.deepEqual(names, ['a', 'b', 'c', 'd', 'e'])
  assert.equal((await send('GET', `${configMaps}?limit=1&continue=zzz`)).code, 400)
  assert.equal((await send('GET', `${configMaps}?resourceVersion=0&limit=1`)).body.items.length, 5)
})

test('label selectors', async (t) => {
  const { send } = await testApi(t)
  await send('POST', configMaps, configMap('one', {}, { app: 'a', tier: '1' }))
  await send('POST', configMaps, configMap('two', {}, { app: 'b', tier: '5' }))
  await send('POST', configMaps, configMap('three'))
  const select = async (selector: string) => {
    const { body } = await send('GET', `${configMaps}?labelSelector=${encodeURIComponent(selector)}`)
    return body.items
      .map((item: any) => item.metadata.name)
      .sort()
      .join()
  }
  assert.equal(await select('app=a'), 'one')
  assert.equal(await select('app==a,tier=1'), 'one')
  assert.equal(await select('app!=a'), 'three,two')
  assert.equal(await select('app in (a, b)'), 'one,two')
  assert.equal(await select('app notin (a)'), 'three,two')
  assert.equal(await select('!app'), 'three')
  assert.equal(await select('app'), 'one,two')
  assert.equal(await select('tier>2'), 'two')
  assert.equal(await select(''), 'one,three,two')
})
