import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, listOf } from '#beam'
import {
  app,
  cell,
  grumbling,
  type Herd,
  inTheMiddle,
  migrate,
  missing,
  oneWay,
  settled,
  slowly,
  startHerd,
  withBadChild,
  withoutBadChild,
} from './herd.ts'

/** The process of a pod's node on this machine. */
function pidOf(herd: Herd, pod: string): Promise<number> {
  return herd.withNodes(async (nodes) => {
    const said = await nodes.get(pod)!.rpc('os', 'getpid', [])
    return Number(Buffer.from(listOf(said) as number[]).toString())
  })
}

test('bad days of a hot push', { skip: missing && 'needs elixir', timeout: 380_000 }, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const [first, second] = (await herd.pods()).map(({ pod }) => pod)
  const addOne = () =>
    herd.withNodes(async (nodes) => {
      for (const node of nodes.values()) await node.rpc('Elixir.Herd.Cell', 'add', [1])
    })
  await addOne()
  const untouched = async () => {
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
    assert.equal((await herd.sum()).sum, 3)
  }

  await t.test('a node with another cookie: nothing is touched, and the pod is named', async () => {
    const right = (await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', 'jsonpath={.data.cookie}'))
      .stdout
    let restore = async () => {}
    await herd.withNodes(async (nodes) => {
      const node = nodes.get(second)!
      restore = async () => {
        await node.rpc('erlang', 'set_cookie', [atom(Buffer.from(right, 'base64').toString())])
      }
      await node.rpc('erlang', 'set_cookie', [atom('somebody_elses')])
      const push = await herd.push({ 'lib/herd/cell.ex': cell('v2', 'map', migrate) })
      await restore()
      assert.notEqual(push.code, 0)
      assert.match(push.stderr, new RegExp(`${second}: .*cookie`))
      assert.match(push.stderr, /v2 is still serving/)
    })
    await untouched()
  })

  await t.test('a node that is stopped in the middle: the push fails soon, and all run the old code', async () => {
    const pid = await pidOf(herd, second)
    const pushing = herd.push({ 'lib/herd/cell.ex': cell('v3', 'map', slowly) })
    await inTheMiddle(herd, first, 'v3')
    process.kill(pid, 'SIGSTOP')
    try {
      const push = await pushing
      assert.notEqual(push.code, 0)
      assert.match(push.stderr, new RegExp(`its code could not be loaded: .*${second}`))
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    assert.deepEqual(await settled(herd), ['v1', 'v1', 'v1'])
  })

  await t.test('a pod that is killed in the middle: the others go back, and it boots what they run', async () => {
    const pid = await pidOf(herd, second)
    const pushing = herd.push({ 'lib/herd/cell.ex': cell('v3b', 'map', slowly) })
    await inTheMiddle(herd, first, 'v3b')
    process.kill(pid, 'SIGKILL')
    const push = await pushing
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, new RegExp(`its code could not be loaded: ${second}: .*is lost`))
    assert.match(push.stderr, new RegExp(`✗ ${second} +does not answer: .*has ended and starts again with v2`))
    assert.match(push.stderr, /Taken back: v2 is still serving/)
    assert.deepEqual(await settled(herd), ['v1', 'v1', 'v1'])
  })

  await t.test('code that makes errors is taken back', async () => {
    // A pod that was stopped may have been started anew, with nothing in it.
    await addOne()
    const before = (await herd.sum()).sum
    const push = await herd.push({ 'lib/herd/cell.ex': grumbling('v4', migrate) })
    assert.notEqual(push.code, 0, push.stderr)
    assert.match(
      push.stderr,
      /the new code runs, but is no good: herd-web-\d logged \d+ errors in 1 s.*this is no good/,
    )
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
    assert.equal((await herd.sum()).sum, before)
  })

  await t.test('code that is no good and knows no way back: new pods come with what ran before', async () => {
    const uids = async () => (await herd.pods()).map(({ pod, address }) => `${pod} ${address}`)
    const before = await uids()
    const bad = { 'lib/herd/cell.ex': cell('v5', 'map', oneWay), 'lib/herd/pool.ex': withBadChild }
    const push = await herd.push(bad)
    assert.notEqual(push.code, 0, push.stderr)
    assert.match(push.stderr, /no good: herd-web-\d could not start a new child: .*bad.*unwilling/)
    assert.match(push.stderr, /taking it back failed: herd-web-\d: code_change failed in .*no way back from \d/)
    assert.match(push.stderr, /new pods with v2 take the place of herd-web-0, herd-web-1, herd-web-2/)
    assert.match(push.stderr, /Taken back with new pods, their state is lost: v2 is still serving/)
    assert.deepEqual(new Set(await herd.versions()), new Set(['v1']), 'when the push ends it is over')
    await settled(herd)
    const after = await uids()
    assert.deepEqual(
      before.filter((pod) => after.includes(pod)),
      [],
    )
    const info = await home.cuddle(['releases:info', '-a', app])
    assert.match(info.stdout, /Failed/)
  })

  await t.test('processes in code from before are named, and killed only when that is asked for', async () => {
    const lingering = (version: string) => `defmodule Herd.Loop do
  def start, do: Process.register(spawn(fn -> loop() end), :loop)
  def loop, do: receive(do: (:stop -> "${version}"))
end
`
    const one = await herd.push({
      'lib/herd/pool.ex': withoutBadChild,
      'lib/herd/loop.ex': lingering('1'),
      'lib/herd/cell.ex': cell('v5', 'map', migrate),
    })
    assert.equal(one.code, 0, one.stderr)
    await herd.withNodes((nodes) => nodes.get(first)!.rpc('Elixir.Herd.Loop', 'start', []))
    assert.equal((await herd.push({ 'lib/herd/loop.ex': lingering('2') })).code, 0)
    const refused = await herd.push({ 'lib/herd/loop.ex': lingering('3') })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /1 processes still run code of Elixir\.Herd\.Loop from before the present one/)
    const alive = () =>
      herd.withNodes(async (nodes) => String(await nodes.get(first)!.rpc('erlang', 'whereis', [atom('loop')])))
    assert.notEqual(await alive(), 'undefined')
    const purged = await home.git(herd.repository, 'push', '-o', 'hot-purge', 'cuddle', 'main')
    assert.equal(purged.code, 0, purged.stderr)
    assert.equal((await herd.versions())[0], 'v5')
  })
})
