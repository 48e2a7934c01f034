import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, listOf, textOf } from '#beam'
import { until } from '#lib/testing'
import { app, cell, type Herd, migrate, missing, settled, startHerd } from './herd.ts'

const patience = { timeoutMs: 60_000 }

/** The pods whose nodes are being looked at for a release that is still being built. */
function looked(herd: Herd): Promise<string[]> {
  return herd.withNodes(async (nodes) => {
    const found: string[] = []
    for (const [pod, node] of nodes) {
      const hidden = listOf(await node.rpc('erlang', 'nodes', [atom('hidden')])) ?? []
      if (hidden.some((name) => textOf(name)?.startsWith('rem-cuddle-ahead@'))) found.push(pod)
    }
    return found
  })
}

/** `Herd.Cell`, which takes so long to compile. */
const slowToBuild = (version: string, ms: number) => (source: string) =>
  cell(version, 'map', `  Process.sleep(${ms})\n${migrate}`)(source)

test('nodes are looked at while their new code is built', {
  skip: missing && 'needs elixir',
  timeout: 300_000,
}, async (t) => {
  const herd = await startHerd(t)

  await t.test('a pod that goes meanwhile is left out, and comes back with the new code', async () => {
    const pushing = herd.push({ 'lib/herd/cell.ex': slowToBuild('v2', 5_000) })
    await until(async () => (await looked(herd)).length === 3, patience)
    const before = await herd.pods()
    const { pod } = before[1]
    await herd.home.kubectl('-n', app, 'delete', 'pod', pod, '--wait=false')
    const push = await pushing
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /✓ .* processes upgraded/)
    assert.deepEqual(await settled(herd), ['v2', 'v2', 'v2'])
    await until(async () => (await looked(herd)).length === 0, patience)
  })

  await t.test('of a build that fails nothing stays behind in the nodes', async () => {
    const pushing = herd.push({ 'lib/herd/cell.ex': (text) => `${slowToBuild('v3', 5_000)(text)}\nraise "no"\n` })
    await until(async () => (await looked(herd)).length === 3, patience)
    const push = await pushing
    assert.notEqual(push.code, 0)
    await until(async () => (await looked(herd)).length === 0, patience)
    assert.deepEqual(await herd.versions(), ['v2', 'v2', 'v2'])
  })
})
