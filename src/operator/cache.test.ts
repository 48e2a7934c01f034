import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#kube'
import { Cache, type Change, onlyIntended } from './cache.ts'

const object = (name: string, resourceVersion: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'n', uid: name, resourceVersion },
  data,
})

function setup() {
  const changes: Change[] = []
  const cache = new Cache<any>({ type: ConfigMap, onChange: (change) => changes.push(change) })
  cache.replace([], '10')
  return { cache, changes, names: () => cache.store.list().map(({ metadata }) => metadata.name) }
}

test('what enters is trimmed of managedFields and last-applied', () => {
  const { cache } = setup()
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', kept: 'yes' }
  const { metadata, ...rest } = object('a', '11')
  cache.observe({ ...rest, metadata: { ...metadata, annotations, managedFields: [{ manager: 'x' }] } })
  assert.deepEqual(cache.store.get('a', 'n').metadata, { ...metadata, annotations: { kept: 'yes' } })
})

test('an echo that overtakes the answer is no news to its author', () => {
  const { cache, changes } = setup()
  const author = {}
  cache.observe(object('a', '11'))
  const done = cache.writing('n/a')
  cache.observe(object('a', '12', { x: 'y' }))
  cache.observe(object('b', '13'))
  assert.equal(cache.store.get('a', 'n').metadata.resourceVersion, '11')
  cache.wrote(object('a', '12', { x: 'y' }), { data: { x: 'y' } }, author)
  done()
  assert.deepEqual(
    changes.map((change) => [change.object?.metadata.name, change.author === author]),
    [
      ['a', false],
      ['b', false],
      ['a', true],
    ],
  )
})

test('the late answer to a write does not bring back an object that is gone', () => {
  const { cache, names } = setup()
  cache.observe(object('a', '11'))
  cache.vanish(object('a', '12'))
  cache.wrote(object('a', '11'), {}, undefined)
  assert.deepEqual(names(), [])
})

test('an object that was deleted reads as being deleted until its event comes', () => {
  const { cache, names } = setup()
  cache.observe(object('a', '11'))
  cache.deleting('a', 'n', undefined, '2026-01-01T00:00:00Z')
  assert.equal(cache.store.get('a', 'n').metadata.deletionTimestamp, '2026-01-01T00:00:00Z')
  cache.vanish(object('a', '12'))
  assert.deepEqual(names(), [])
})

test('a list leaves what was written since, and is right about everything when the server went back in time', () => {
  const { cache, names, changes } = setup()
  cache.observe(object('old', '11'))
  cache.wrote(object('new', '20'), undefined, undefined)
  cache.replace([object('other', '12')], '15')
  assert.deepEqual(names().sort(), ['new', 'other'])
  assert.equal(changes.at(-1)?.previous?.metadata.name, 'old')
  cache.replace([object('other', '5', { restored: 'yes' })], '6')
  assert.deepEqual(names(), ['other'])
  assert.deepEqual(cache.store.get('other', 'n').data, { restored: 'yes' })
})

test('indexes follow every change', () => {
  const { cache } = setup()
  const owned = (uid: string, resourceVersion: string, app: string) => {
    const { metadata, ...rest } = object('a', resourceVersion)
    const ownerReferences = [{ apiVersion: 'v1', kind: 'X', name: 'x', uid, controller: true }]
    return { ...rest, metadata: { ...metadata, ownerReferences, labels: { app } } }
  }
  cache.observe(owned('one', '11', 'shop'))
  assert.equal(cache.store.list({ labels: { app: 'shop' } }).length, 1)
  cache.observe(owned('two', '12', 'blog'))
  assert.equal(cache.store.list({ labels: { app: 'shop' } }).length, 0)
  assert.equal(cache.store.list({ namespace: 'n', selector: { matchLabels: { app: 'blog' } } }).length, 1)
  assert.equal(cache.store.list({ namespace: 'other', labels: { app: 'blog' } }).length, 0)
  assert.deepEqual([cache.store.owned('one').length, cache.store.owned('two').length], [0, 1])
  cache.vanish(owned('two', '13', 'blog'))
  assert.deepEqual([cache.store.owned('two').length, cache.store.size], [0, 0])
})

test('whether a change is what was intended', () => {
  const before = { metadata: { resourceVersion: '1', labels: { a: '1' } }, status: { list: [{ x: 1, y: 1 }], gone: 1 } }
  const after = (change: object) => ({ ...before, metadata: { ...before.metadata, resourceVersion: '2' }, ...change })
  assert.equal(onlyIntended(before, after({}), {}), true)
  const status = { list: [{ x: 2, y: 1 }] }
  assert.equal(onlyIntended(before, after({ status }), { status: { ...status, gone: null } }), true)
  assert.equal(onlyIntended(before, after({ status }), { status }), false)
  assert.equal(onlyIntended(before, after({ spec: { replicas: 2 } }), { status }), false)
  assert.equal(onlyIntended(before, after({ metadata: { resourceVersion: '2' } }), { status }), false)
})
