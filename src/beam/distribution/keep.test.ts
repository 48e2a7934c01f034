import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import { connect } from './connect.ts'
import { keepConnected } from './keep.ts'

const skip = missing('erl')
const ourName = 'rem-keeper@127.0.0.1'

test('a connection is made again when it breaks, and says whether the node restarted', { skip }, async (t) => {
  const first = await startErl(t)
  const abort = new AbortController()
  t.after(() => abort.abort())
  const told: string[] = []
  const { name, port, cookie } = first
  const kept = keepConnected({
    ...{ name, port, cookie, ourName },
    signal: abort.signal,
    backoff: { initial: 20, max: 100 },
    onUp: (_, { restarted }) => told.push(restarted ? 'up, restarted' : 'up'),
    onDown: ({ code }) => told.push(code),
  })
  const before = await kept.connected()
  assert.equal(await before.rpc('erlang', 'abs', [-1]), 1)

  const thief = await connect({ name, port, cookie, ourName })
  await before.closed
  await thief.closed
  const again = await kept.connected()
  assert.notEqual(again, before)
  assert.equal(again.creation, before.creation)

  await first.kill()
  await again.closed
  await until(() => kept.node === undefined)
  await startErl(t, { name, port })
  const after = await kept.connected()
  assert.notEqual(after.creation, again.creation)
  assert.deepEqual(told, ['up', 'node-disconnected', 'up', 'node-disconnected', 'up, restarted'])

  abort.abort()
  await kept.done
  await assert.rejects(kept.connected())
  assert.ok(after.isClosed)
})
