import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { systemClock } from '#lib'
import { until } from '#lib/testing'
import { freePort, startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import { connect } from './connect.ts'
import { epmdNames, epmdPort } from './epmd.ts'

const skip = missing('epmd') || missing('erl')
const clock = systemClock

test('nodes that register at an epmd are found through it', { skip }, async (t) => {
  const port = await freePort()
  const at = { host: '127.0.0.1', port }
  await assert.rejects(epmdNames(at, { clock }), { code: 'epmd-unreachable' })
  const epmd = spawn('epmd', ['-port', String(port), '-address', '127.0.0.1'], { stdio: 'ignore' })
  t.after(() => epmd.kill())
  assert.deepEqual(await until(() => epmdNames(at, { clock }).catch(() => undefined)), [])

  const erl = await startErl(t, { epmdPort: port })
  const [local] = erl.name.split('@')
  const nodes = await epmdNames(at, { clock })
  assert.deepEqual(
    nodes.map(({ name }) => name),
    [local],
  )
  assert.equal(await epmdPort(at, erl.name, { clock }), nodes[0].port)
  assert.equal(await epmdPort(at, 'nobody@127.0.0.1', { clock }), undefined)

  const { name, cookie } = erl
  const node = await connect({ name, cookie, epmd: { port }, ourName: 'rem-epmd@127.0.0.1' })
  assert.equal(await node.rpc('erlang', 'abs', [-1]), 1)
  node.close()
  const unknown = connect({ name: 'nobody@127.0.0.1', cookie, epmd: { port }, ourName: 'rem-epmd@127.0.0.1' })
  await assert.rejects(unknown, { code: 'node-not-registered' })
})
