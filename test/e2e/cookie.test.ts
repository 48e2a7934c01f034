import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, textOf } from '#beam'
import { until } from '#lib/testing'
import { app, skip, startCluster } from './beam-cluster.ts'

test('the cookie of a cluster is rotated, whatever happens meanwhile', { skip, timeout: 300_000 }, async (t) => {
  const { home, secret, node, running, meshed } = await startCluster(t)
  await meshed(3)

  await t.test('with no restart', async () => {
    const before = await home.json(['ps', '-a', app])
    const old = await secret('cookie')
    const rotated = await home.cuddle(['cookie:rotate', '-a', app])
    assert.deepEqual([rotated.code, rotated.stdout], [0, '3 nodes took the new cookie\n'], rotated.stderr)
    const now = await secret('cookie')
    assert.notEqual(now, old)
    await assert.rejects(node((await running())[0], old), { code: 'wrong-cookie' })
    await meshed(3)
    const facts = (rows: any[]) => rows.map(({ pod, restarts }) => ({ pod, restarts }))
    assert.deepEqual(facts(await home.json(['ps', '-a', app])), facts(before))
    const shown = await home.kubectl('get', 'app', app, '-o', 'yaml')
    for (const cookie of [old, now])
      assert.ok(!`${shown.stdout}${rotated.stdout}${rotated.stderr}`.includes(cookie), 'a cookie was shown')
  })

  await t.test('and is what nodes that start, and nodes that were cut apart, connect with', async () => {
    const [one, other] = await running()
    const first = await node(one)
    await first.rpc('erlang', 'disconnect_node', [atom(`${app}@${other}`)])
    first.close()
    assert.equal((await home.cuddle(['ps:scale', 'web=4', '-a', app])).code, 0)
    await meshed(4)
  })

  await t.test('a node that began with the old one is given the new one when it is met', async () => {
    const [address] = await running()
    const late = await node(address)
    await late.rpc('erlang', 'set_cookie', [atom(late.name), atom(await secret('previous'))])
    late.close()
    await assert.rejects(node(address), { code: 'wrong-cookie' })
    assert.equal((await home.cuddle(['cookie:rotate', '-a', app])).code, 0)
    await meshed(4)
  })

  await t.test('a node that hangs is waited for, also by a platform that was killed meanwhile', async () => {
    const [address] = await running()
    const hanging = await node(address)
    const pid = Number(textOf(await hanging.rpc('os', 'getpid', [])))
    hanging.close()
    const path = 'jsonpath={.metadata.annotations.cuddle\\.dev/cookie-rotation}'
    const progress = async () => (await home.kubectl('get', 'app', app, '-o', path)).stdout
    const old = await secret('cookie')
    process.kill(pid, 'SIGSTOP')
    const rotating = home.cuddle(['cookie:rotate', '-a', app])
    try {
      await until(async () => /^3 of 4 nodes took the new cookie; waiting for pod/.test(await progress()), {
        timeoutMs: 20_000,
      })
      assert.equal(await secret('cookie'), old, 'nodes that start still begin with the old one')
      const control = home.pid('control')
      process.kill(control, 'SIGKILL')
      await until(() => home.pid('control') !== control)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until(async () => (await progress()) === '4 nodes took the new cookie', { timeoutMs: 20_000 })
    await rotating
    assert.notEqual(await secret('cookie'), old)
    await meshed(4)
  })
})
