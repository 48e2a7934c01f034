import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberOf } from '#beam'
import { until } from '#lib/testing'
import { app, cell, migrate, missing, startHerd } from './herd.ts'

test('whoever starts later runs what was loaded, and the way back is hot too', {
  skip: missing && 'needs elixir',
}, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const uids = async () => {
    const pods = await home.kubectl('-n', app, 'get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}')
    return pods.stdout.split(' ').sort()
  }

  const push = await herd.push({ 'lib/herd/cell.ex': cell('v2', 'map', migrate) })
  assert.equal(push.code, 0, push.stderr)
  assert.match(push.stderr, /Loading v3/)

  await t.test('a pod that comes later boots the new code', async () => {
    const more = await home.cuddle(['ps:scale', 'web=4', '-a', app])
    assert.equal(more.code, 0, more.stderr)
    await until(async () => (await herd.pods()).length === 4, { timeoutMs: 60_000 })
    const added = (await herd.pods()).find(({ pod }) => pod === 'herd-web-3')
    assert.deepEqual([added.release, added.hot], [3, false])
    assert.deepEqual(new Set(await herd.versions()), new Set(['v2']))
    const fewer = await home.cuddle(['ps:scale', 'web=3', '-a', app])
    assert.equal(fewer.code, 0, fewer.stderr)
    await until(async () => (await herd.pods()).length === 3, { timeoutMs: 60_000 })
  })

  await t.test('so does a pod whose node crashes', async () => {
    const [victim] = await herd.pods()
    const pid = await herd.withNodes(async (nodes) => {
      const said = await nodes.get(victim.pod)!.rpc('os', 'getpid', [])
      return Number(Array.isArray(said) ? String.fromCharCode(...(said as number[])) : said)
    })
    process.kill(pid, 'SIGKILL')
    await until(
      async () => {
        const pods = await herd.pods()
        return pods.length === 3 && pods.every(({ release }) => release === 3) && pods.some(({ hot }) => !hot)
      },
      { what: 'a new pod in place of the crashed one', timeoutMs: 60_000 },
    )
    assert.deepEqual(await herd.versions(), ['v2', 'v2', 'v2'])
  })

  await t.test('a rollback is hot too, and code_change goes down', async () => {
    const { sum } = await herd.sum()
    const running = await uids()
    const back = await home.cuddle(['rollback', '-a', app])
    assert.equal(back.code, 0, back.stderr)
    assert.match(back.stderr, /Loading v4 into 3 running pods/)
    assert.deepEqual(await uids(), running)
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
    assert.equal((await herd.sum()).sum, sum)
    const states = await herd.withNodes((nodes) =>
      Promise.all([...nodes.values()].map((node) => node.rpc('Elixir.Herd.Cell', 'add', [1]))),
    )
    assert.ok(states.every((value) => numberOf(value)! > 0))
  })
})
