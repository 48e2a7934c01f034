import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, format } from '#beam'
import { app, missing, settled, startHerd, withBadChild, withoutBadChild } from './herd.ts'

const children = (list: string) => (text: string) =>
  withoutBadChild(text).replace(/Supervisor\.init\(\[.*\],/, `Supervisor.init([${list}],`)

test('supervisors get new children while they run, and what cannot be done so comes with new pods', {
  skip: missing && 'needs elixir',
  timeout: 300_000,
}, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const uids = async () => {
    const pods = await home.kubectl('-n', app, 'get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}')
    return pods.stdout.split(' ').sort()
  }
  /** The children of the pool that run, with their process, on each pod. */
  const family = () =>
    herd.withNodes((nodes) =>
      Promise.all(
        [...nodes.values()].map(async (node) => {
          const list = await node.rpc('Elixir.Supervisor', 'which_children', [atom('Elixir.Herd.Pool')])
          return [...format(list).matchAll(/\{(\w+),(<[^>]+>)/g)].map(([, id, pid]) => `${id} ${pid}`).sort()
        }),
      ),
    )
  const names = (all: string[][]) => all.map((one) => one.map((line) => line.split(' ')[0]))
  const pods = await uids()
  const first = await family()
  assert.deepEqual(names(first), Array(3).fill(['one', 'two']))

  await t.test('a child that is new starts on all pods, and the others are the same processes', async () => {
    const push = await herd.push({ 'lib/herd/pool.ex': children('agent(:one), agent(:three), agent(:two)') })
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /note: children of Herd\.Pool are compared in the nodes/)
    const now = await family()
    assert.deepEqual(names(now), Array(3).fill(['one', 'three', 'two']))
    for (const [index, one] of first.entries()) assert.ok(one.every((line) => now[index].includes(line)))
    assert.deepEqual(await uids(), pods)
  })

  await t.test('a child that does not start takes all of them back', async () => {
    const before = await family()
    const push = await herd.push({ 'lib/herd/pool.ex': withBadChild })
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, /no good: herd-web-\d could not start a new child: .*bad.*unwilling/)
    assert.match(push.stderr, /Taken back, state untouched: v3 is still serving/)
    assert.deepEqual([await family(), await uids()], [before, pods])
  })

  await t.test('a child that is gone comes with new pods, and the reason', async () => {
    const push = await herd.push({ 'lib/herd/pool.ex': children('agent(:one), agent(:three)') })
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /With new pods instead:/)
    assert.match(push.stderr, /- herd-web-\d: the supervision tree changed in .*: Herd\.Pool no longer has two/)
    await settled(herd)
    assert.deepEqual(names(await family()), Array(3).fill(['one', 'three']))
  })
})
