import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { startLoad } from '../../scripts/demo/load.ts'
import { newHome } from './harness.ts'

test('a range scales with the load, and a number takes the autoscaler away', async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  const repository = await home.app('hello', 'node-hello')
  const inApp = { cwd: repository }
  assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)
  const ranged = await home.cuddle(['ps:scale', 'web=1..3'], inApp)
  assert.equal(ranged.code, 0, ranged.stderr)
  assert.deepEqual(await home.json(['ps:scale'], inApp), { web: '1..3' })
  const load = startLoad({ port: home.ports.router, host: 'hello.localhost', path: '/', clients: 8 })
  t.after(() => load.stop().then(() => {}))
  const pods = async () => (await home.json(['ps'], inApp)).filter((row: any) => row.state === 'Running').length
  await until(async () => (await pods()) > 1, { what: 'more pods', timeoutMs: 60_000, intervalMs: 500 })
  const result = await load.stop()
  assert.deepEqual([result.failed, result.failures], [0, []])
  const fixed = await home.cuddle(['ps:scale', 'web=1'], inApp)
  assert.equal(fixed.code, 0, fixed.stderr)
  assert.deepEqual(await home.json(['ps:scale'], inApp), { web: 1 })
})
