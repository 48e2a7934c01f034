import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { CompactedError, Store, type StoreEvent, StoreWriteError } from './index.ts'

const key = Buffer.alloc(32, 7)
const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
})
const put = (store: Store, name: string, data?: Record<string, string>) =>
  store.write('core/configmaps', `default/${name}`, () => ({ put: configMap(name, data) }))

test('writes of one turn share one commit, are seen by later writers at once and by readers after it', async (t) => {
  const store = Store.open({ path: join(temporaryDirectory(t), 'state.db'), encryptionKey: key })
  t.after(() => store.close())
  const first = put(store, 'a', { n: '1' })
  const second = store.write('core/configmaps', 'default/a', (current) => {
    assert.equal(current?.object.data.n, '1')
    return { put: configMap('a', { n: '2' }) }
  })
  assert.equal(store.get('core/configmaps', 'default/a'), undefined)
  await first
  assert.equal(store.get('core/configmaps', 'default/a')?.object.data.n, '2')
  const written = await second
  assert.equal(written.stored?.object.metadata.resourceVersion, String(store.revision))
  assert.deepEqual(JSON.parse(written.stored!.bytes.toString()), written.stored!.object)
})

test('listeners get every commit in order, with the previous state, and a deletion carries its own revision', async (t) => {
  const store = Store.open({ path: join(temporaryDirectory(t), 'state.db'), encryptionKey: key })
  t.after(() => store.close())
  const seen: StoreEvent[] = []
  store.subscribe('core/configmaps', (event) => seen.push(event))
  await put(store, 'a')
  await put(store, 'a', { x: 'y' })
  const { stored } = await store.write('core/configmaps', 'default/a', () => ({ delete: true }))
  assert.deepEqual(
    seen.map((event) => event.type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  )
  assert.equal(seen[2].previous?.rv, seen[1].rv)
  assert.equal(stored?.object.metadata.resourceVersion, String(seen[2].rv))
  assert.equal(stored?.object.data.x, 'y')
  assert.deepEqual(store.since('core/configmaps', seen[0].rv), seen.slice(1))
  assert.deepEqual(
    store.snapshot('core/configmaps', seen[1].rv).map((item) => item.rv),
    [seen[1].rv],
  )
  assert.deepEqual(store.snapshot('core/configmaps', seen[2].rv), [])
})

test('objects, revision and recent history survive a restart', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const before = Store.open({ path, encryptionKey: key })
  await put(before, 'a')
  const start = before.revision
  await put(before, 'b')
  await put(before, 'a', { x: 'y' })
  await before.write('core/configmaps', 'default/b', () => ({ delete: true }))
  const events = before.since('core/configmaps', start)
  before.close()
  const after = Store.open({ path, encryptionKey: key })
  t.after(() => after.close())
  assert.equal(after.revision, start + 3)
  assert.deepEqual(
    after.list('core/configmaps').map((item) => item.id),
    ['default/a'],
  )
  const plain = (list: StoreEvent[]) =>
    list.map(({ type, rv, after: a, previous: p }) => [type, rv, a.object, p?.object])
  assert.deepEqual(plain(after.since('core/configmaps', start)), plain(events))
})

test('history is bounded: who asks for older gets CompactedError, a quiet resource does not suffer', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const store = Store.open({ path, encryptionKey: key, historyBytes: 20_000 })
  await store.write('core/nodes', 'n', () => ({ put: { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } } }))
  const start = store.revision
  for (let round = 0; round < 30; round++) {
    await Promise.all(Array.from({ length: 50 }, (_, index) => put(store, `m${index}`, { round: String(round) })))
  }
  assert.throws(() => store.since('core/configmaps', start), CompactedError)
  assert.deepEqual(store.since('core/nodes', start), [])
  assert.equal(store.since('core/configmaps', store.revision - 1).length, 1)
  const revision = store.revision
  store.close()
  const again = Store.open({ path, encryptionKey: key, historyBytes: 20_000 })
  t.after(() => again.close())
  assert.equal(again.revision, revision)
  assert.throws(() => again.since('core/nodes', start), CompactedError)
  assert.equal(again.since('core/configmaps', revision - 1).length, 1)
})

test('a no-op keeps the revision; listing is in key order and by namespace', async (t) => {
  const store = Store.open({ path: join(temporaryDirectory(t), 'state.db'), encryptionKey: key })
  t.after(() => store.close())
  for (const name of ['b', 'a', 'c']) await put(store, name)
  await store.write('core/configmaps', 'a-ns/z', () => ({ put: configMap('z') }))
  const revision = store.revision
  assert.equal((await store.write('core/configmaps', 'default/a', () => ({ keep: true }))).type, 'kept')
  assert.equal(store.revision, revision)
  assert.deepEqual(
    store.list('core/configmaps').map((item) => item.id),
    ['a-ns/z', 'default/a', 'default/b', 'default/c'],
  )
  assert.deepEqual(
    store.list('core/configmaps', 'default').map((item) => item.id),
    ['default/a', 'default/b', 'default/c'],
  )
})

test('Secrets are encrypted on disk, and a wrong key is refused', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const store = Store.open({ path, encryptionKey: key })
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    data: { password: 'aHVudGVyMmh1bnRlcjI=' },
  }
  await store.write('core/secrets', 'default/s', () => ({ put: structuredClone(secret) }))
  await store.write('core/secrets', 'default/s', () => ({ put: { ...structuredClone(secret), type: 'Opaque' } }))
  store.close()
  assert.equal(readFileSync(path).includes('aHVudGVyMmh1bnRlcjI='), false)
  assert.throws(() => Store.open({ path, encryptionKey: Buffer.alloc(32, 8) }), { code: 'store-corrupt' })
  const again = Store.open({ path, encryptionKey: key })
  t.after(() => again.close())
  assert.equal(again.get('core/secrets', 'default/s')?.object.data.password, secret.data.password)
})

test('a full disk fails the whole write with a clear error, and the store goes on', async (t) => {
  const store = Store.open({ path: join(temporaryDirectory(t), 'state.db'), encryptionKey: key, maxPages: 60 })
  t.after(() => store.close())
  await put(store, 'small')
  const revision = store.revision
  const results = await Promise.allSettled([put(store, 'x'), put(store, 'big', { v: 'x'.repeat(400_000) })])
  for (const result of results) {
    assert.equal(result.status, 'rejected')
    assert.ok(result.reason instanceof StoreWriteError && result.reason.full)
    assert.match(result.reason.message, /the disk is full/)
  }
  assert.equal(store.revision, revision)
  assert.deepEqual(
    store.list('core/configmaps').map((item) => item.id),
    ['default/small'],
  )
  await put(store, 'small', { again: 'yes' })
  assert.equal(store.revision, revision + 1)
})

test('a second store on the same file is refused while the first lives', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const child = spawn(process.execPath, [new URL('./testing-writer.ts', import.meta.url).pathname, path, '0'])
  await new Promise((resolve) => child.stdout.once('data', resolve))
  assert.throws(() => Store.open({ path, encryptionKey: Buffer.alloc(32) }), { code: 'store-locked' })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
  Store.open({ path, encryptionKey: Buffer.alloc(32) }).close()
})

test('what is corrupt or newer is refused and not touched', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const store = Store.open({ path, encryptionKey: key })
  for (let index = 0; index < 200; index++) await put(store, `c${index}`, { filler: 'y'.repeat(500) })
  store.close()
  const good = readFileSync(path)
  const digest = () => createHash('sha256').update(readFileSync(path)).digest('hex')
  const refused = (code: string, damage: (bytes: Buffer) => Buffer) => {
    writeFileSync(path, damage(Buffer.from(good)))
    const before = digest()
    assert.throws(() => Store.open({ path, encryptionKey: key }), { code })
    assert.equal(digest(), before)
  }
  refused('store-corrupt', () => Buffer.from('this is not a database, but somebody put it there'.repeat(10)))
  refused('store-corrupt', (bytes) => bytes.subarray(0, bytes.length >> 1))
  refused('store-corrupt', (bytes) => bytes.fill(0xff, 4096 * 3, 4096 * 12))
  refused('store-newer', (bytes) => {
    bytes.writeUInt32BE(99, 60)
    return bytes
  })
  writeFileSync(path, good)
  const again = Store.open({ path, encryptionKey: key })
  assert.equal(again.count('core/configmaps'), 200)
  again.close()
})

test('no acknowledged write is lost by SIGKILL', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const acknowledged: string[] = []
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [
      new URL('./testing-writer.ts', import.meta.url).pathname,
      path,
      String(round),
    ])
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.length > 2000 + round * 777) child.kill('SIGKILL')
    })
    await new Promise((resolve) => child.once('close', resolve))
    acknowledged.push(...text.split('\n').slice(1, -1))
    const store = Store.open({ path, encryptionKey: new Uint8Array(32) })
    for (const name of acknowledged) assert.ok(store.get('core/configmaps', `default/${name}`), name)
    // Both halves of one turn's commit are there, or neither.
    for (const item of store.list('core/configmaps')) {
      assert.ok(
        store.get(
          'core/configmaps',
          item.id.replace(/-[ab]$/, (half) => (half === '-a' ? '-b' : '-a')),
        ),
        item.id,
      )
    }
    store.close()
  }
  assert.ok(acknowledged.length > 100)
  assert.ok(statSync(path).size > 0)
})

test('a torn write-ahead log loses only what was not committed', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db')
  const child = spawn(process.execPath, [new URL('./testing-writer.ts', import.meta.url).pathname, path, '0'])
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (text.length > 3000) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('close', resolve))
  const wal = openSync(`${path}-wal`, 'r+')
  writeSync(wal, Buffer.alloc(700, 0xaa), 0, 700, statSync(`${path}-wal`).size)
  closeSync(wal)
  const store = Store.open({ path, encryptionKey: new Uint8Array(32) })
  t.after(() => store.close())
  for (const name of text.split('\n').slice(1, -1)) assert.ok(store.get('core/configmaps', `default/${name}`), name)
})
