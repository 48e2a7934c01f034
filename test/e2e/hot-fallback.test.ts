import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { startLoad } from '../../scripts/demo/load.ts'
import { app, cell, migrate, missing, startHerd } from './herd.ts'

test('what cannot be loaded changes nothing, or goes out with new pods', {
  skip: missing && 'needs elixir',
}, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const loadOn = (path: string) => {
    const load = startLoad({ port: home.ports.router, host: `${app}.localhost`, path, clients: 4 })
    // Also when what it is for fails.
    t.after(() => load.stop().then(() => {}))
    return load
  }

  await t.test('a code_change that fails leaves everything as it was, and says why', async () => {
    const { sum } = await herd.sum()
    const failing = '  def code_change(_, _, _), do: raise("cannot migrate")'
    const push = await herd.push({ 'lib/herd/cell.ex': cell('v2', 'map', failing) })
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, /herd-web-\d: code_change failed in .*cannot migrate/)
    assert.match(push.stderr, /Taken back, state untouched: v2 is still serving/)
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
    assert.equal((await herd.sum()).sum, sum)
  })

  await t.test('what is not safe goes out with new pods, saying why, and no request fails', async () => {
    const load = loadOn('/version')
    const push = await herd.push({
      'lib/herd/cell.ex': cell('v3', 'map', migrate),
      'lib/herd/application.ex': (text) => text.replace('for id <- 1..', 'for id <- 0..'),
    })
    await until(async () => (await herd.pods()).length === 3, { timeoutMs: 60_000 })
    const { failed, failures } = await load.stop()
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /With new pods[\s\S]*the application module Herd\.Application changed/)
    assert.deepEqual([failed, failures], [0, []])
    assert.deepEqual(new Set(await herd.versions()), new Set(['v3']))
  })

  await t.test('a process moves to a Deployment and back with no failed request', async () => {
    const load = loadOn('/version')
    const rolling = await herd.push({ 'cuddle.yaml': (text) => text.replace('strategy: hot', 'strategy: rolling') })
    const kinds = async () => {
      const found = await home.kubectl('-n', app, 'get', 'deploy,sts', '-o', 'name')
      return found.stdout.trim()
    }
    assert.equal(rolling.code, 0, rolling.stderr)
    assert.equal(await kinds(), 'deployment.apps/herd-web')
    const option = await herd.push({ 'lib/herd/cell.ex': cell('v4', 'map', migrate) }, 'hot')
    const { failed, failures } = await load.stop()
    assert.equal(option.code, 0, option.stderr)
    assert.match(option.stderr, /-o hot: web becomes hot for this release/)
    assert.match(option.stderr, /web was a Deployment and becomes a StatefulSet/)
    assert.equal(await kinds(), 'statefulset.apps/herd-web')
    assert.deepEqual([failed, failures], [0, []])
    assert.notEqual((await herd.push({ 'lib/herd/cell.ex': cell('v5', 'map') }, 'hott')).code, 0)
  })
})
