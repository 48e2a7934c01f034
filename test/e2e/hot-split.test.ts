import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, type BeamNode, isAtom, textOf } from '#beam'
import { until } from '#lib/testing'
import { fakePeer } from '../../src/beam/testing/fake-peer.ts'
import { app, cell, inTheMiddle, missing, settled, slowly, startHerd } from './herd.ts'
import { moveListener, wireTo } from './wire.ts'

const versionOf = async (node: BeamNode) => textOf(await node.rpc('Elixir.Herd.Cell', 'version', []))

test('a hot push, while the platform and one node do not understand each other', {
  skip: missing && 'needs elixir',
  timeout: 300_000,
}, async (t) => {
  const herd = await startHerd(t)
  const [first, second, third] = (await herd.pods()).map(({ pod }) => pod)
  const others = [first, third]
  await herd.withNodes(async (nodes) => {
    for (const node of nodes.values()) await node.rpc('Elixir.Herd.Cell', 'add', [1])
  })
  const wire = await wireTo(t, herd, second)
  const versionsOf = (pods: string[]) =>
    herd.withNodes((nodes) => Promise.all([...nodes.values()].map(versionOf)), pods)

  await t.test('a netsplit in the middle: both sides go back, and the pod is named', async () => {
    const pushing = herd.push({ 'lib/herd/cell.ex': cell('v2', 'map', slowly) })
    await inTheMiddle(herd, first, 'v2')
    wire.cut()
    const push = await pushing
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, new RegExp(`its code could not be loaded: ${second}: `))
    assert.match(push.stderr, new RegExp(`✗ ${second} +does not answer: it goes back by itself.* v2`))
    assert.match(push.stderr, /Taken back: v2 is still serving/)
    assert.deepEqual(await versionsOf(others), ['v1', 'v1'])
    const node = await wire.around()
    t.after(() => node.close())
    const helper = () => node.rpc('erlang', 'whereis', [atom('cuddle_hot')])
    await until(async () => isAtom(await helper(), 'undefined'), { timeoutMs: 30_000 })
    assert.equal(await versionOf(node), 'v1')
    assert.equal((await herd.pods()).find(({ pod }) => pod === second)?.restarts, 0)
    wire.mend()
  })

  await t.test('a netsplit that swallows the last word: the pod is replaced, and all run the new code', async () => {
    wire.cutBefore('commit')
    const push = await herd.push({ 'lib/herd/cell.ex': cell('v3', 'map', slowly) })
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, new RegExp(`✓ ${first} .*upgraded`))
    assert.match(push.stderr, new RegExp(`✗ ${second} +is replaced by a new pod`))
    assert.deepEqual(await settled(herd), ['v3', 'v3', 'v3'])
  })

  await t.test('a node of an OTP that is too old: nothing is loaded anywhere, and new pods come', async () => {
    const { address } = (await herd.pods()).find(({ pod }) => pod === third)
    const watched = new Set<string | undefined>()
    let pushed = false
    const push = await herd.withNodes(async (nodes) => {
      await moveListener(nodes.get(third)!, herd.port)
      // The flags of OTP 22.
      await fakePeer(t, {
        name: `${app}@${address}`,
        host: address,
        port: herd.port,
        flags: 0x3_7ff7_7bdcn & ~(1n << 32n),
      })
      const node = nodes.get(first)!
      const watching = (async () => {
        while (!pushed) watched.add(await versionOf(node))
      })().catch(() => {})
      const result = await herd.push({ 'lib/herd/cell.ex': cell('v4', 'map', slowly) })
      pushed = true
      await watching
      return result
    })
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /With new pods instead:/)
    assert.match(push.stderr, new RegExp(`- ${third}: .*older than OTP 25`))
    assert.deepEqual([...watched], ['v3'], 'nothing was loaded into the others')
    assert.deepEqual(await settled(herd), ['v4', 'v4', 'v4'])
  })
})
