import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLoad } from '../../scripts/demo/load.ts'
import { app, cell, migrate, missing, openSockets, startHerd } from './herd.ts'

const cellsPerPod = 3400

test('a push is loaded into what runs, and nothing is lost', { skip: missing && 'needs elixir' }, async (t) => {
  const herd = await startHerd(t, { cells: cellsPerPod })
  const { home } = herd
  const loadOn = (path: string) => {
    const load = startLoad({ port: home.ports.router, host: `${app}.localhost`, path, clients: 4 })
    // Also when what it is for fails.
    t.after(() => load.stop().then(() => {}))
    return load
  }
  const uids = async () => {
    const pods = await home.kubectl('-n', app, 'get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}')
    return pods.stdout.split(' ').sort()
  }
  const before = await uids()
  assert.equal(before.length, 3)

  await t.test('ten thousand processes keep their numbers, and websockets stay open, under load', async () => {
    const load = loadOn('/add/7')
    const sockets = await openSockets(herd, 30)
    t.after(() => sockets.stop().then(() => {}))
    const push = await herd.push({
      'lib/herd/cell.ex': cell('v2', 'map', migrate),
      'lib/herd/fresh.ex': 'defmodule Herd.Fresh do\n  def new, do: :new\nend\n',
    })
    const talked = await sockets.stop()
    const { sent, failed, failures, answers } = await load.stop()
    assert.equal(push.code, 0, push.stderr)
    assert.deepEqual([failed, failures, talked.wrong], [0, [], ''])
    assert.match(push.stderr, /Loading v3 into 3 running pods/)
    assert.match(push.stderr, /changed: +Herd\.Cell\b/)
    assert.match(push.stderr, /new: +Herd\.Fresh\b/)
    assert.equal(push.stderr.match(/✓ herd-web-\d +3,400 processes upgraded, suspended for \d+ ms/g)?.length, 3)
    assert.deepEqual(await uids(), before, 'no pod was replaced')
    assert.deepEqual(await herd.versions(), ['v2', 'v2', 'v2'])
    assert.deepEqual(await herd.sum(), { sum: sent, cells: 3 * cellsPerPod })
    assert.ok(talked.answers > 30 && Object.keys(answers).some((answer) => answer.endsWith('v2')))
  })

  await t.test('it is told which code each pod runs, and that the template has moved', async () => {
    const pods = await herd.pods()
    assert.deepEqual(
      pods.map(({ release, hot }) => [release, hot]),
      [
        [3, true],
        [3, true],
        [3, true],
      ],
    )
    const info = await home.cuddle(['releases:info', '-a', app])
    assert.match(info.stdout, /pod +herd-web-0: hot-loaded v3/)
    const image = (kind: string) => home.kubectl('-n', app, 'get', kind, '-o', 'jsonpath={..image}')
    assert.equal((await image('statefulset/herd-web')).stdout, (await home.json(['releases:info', '-a', app])).image)
  })
})
