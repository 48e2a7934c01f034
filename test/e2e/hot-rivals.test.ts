import assert from 'node:assert/strict'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { app, cell, missing, settled, startHerd } from './herd.ts'

test('a hot app whose pushers and quota are in each other’s way', {
  skip: missing && 'needs elixir',
  timeout: 300_000,
}, async (t) => {
  const herd = await startHerd(t)
  const { home, repository } = herd
  const uids = async () => {
    const pods = await home.kubectl('-n', app, 'get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}')
    return pods.stdout.split(' ').sort()
  }
  const before = await uids()
  await herd.withNodes(async (nodes) => {
    for (const node of nodes.values()) await node.rpc('Elixir.Herd.Cell', 'add', [1])
  })

  await t.test(
    'of two pushes at once one goes live on all pods, and the other is told to look at it first',
    async () => {
      const elsewhere = join(home.directory, 'elsewhere')
      cpSync(repository, elsewhere, { recursive: true })
      writeFileSync(join(elsewhere, 'lib/herd/theirs.ex'), 'defmodule Herd.Theirs do\nend\n')
      await home.git(elsewhere, 'add', '-A')
      await home.git(elsewhere, 'commit', '-qm', 'Theirs')
      await herd.write({ 'lib/herd/cell.ex': cell('v2', 'integer') })
      const push = (directory: string) => home.git(directory, 'push', 'cuddle', 'main')
      const [ours, theirs] = await Promise.all([push(repository), push(elsewhere)])
      assert.deepEqual([ours.code, theirs.code].sort(), [0, 1], `${ours.stderr}\n${theirs.stderr}`)
      const loser = ours.code === 0 ? theirs : ours
      assert.match(loser.stderr, /another push to herd is under way; this one waits for it/)
      assert.match(loser.stderr, /main of herd has moved in the meantime; look at it \(git fetch\) and push again/)
      const version = ours.code === 0 ? 'v2' : 'v1'
      assert.deepEqual(await herd.versions(), [version, version, version])

      const late = ours.code === 0 ? elsewhere : repository
      await home.git(late, 'pull', '-q', '--rebase', 'cuddle', 'main')
      const again = await push(late)
      assert.equal(again.code, 0, again.stderr)
      assert.deepEqual(await herd.versions(), ['v2', 'v2', 'v2'])
      await home.git(repository, 'pull', '-q', '--rebase', 'cuddle', 'main')
    },
  )

  await t.test('a push and a rollback at once come one after the other, both hot', async () => {
    const pushing = herd.push({ 'lib/herd/cell.ex': cell('v3', 'integer') })
    const [push, back] = await Promise.all([pushing, home.cuddle(['rollback', '-a', app])])
    assert.deepEqual([push.code, back.code], [0, 0], `${push.stderr}\n${back.stderr}`)
    const versions = new Set(await herd.versions())
    assert.equal(versions.size, 1, [...versions].join())
    const [current] = (await home.json(['releases', '-a', app])).filter((release: any) => release.current)
    const pods = await herd.pods()
    assert.deepEqual(
      pods.map(({ release }) => release),
      [current.version, current.version, current.version],
    )
    assert.deepEqual([await uids(), (await herd.sum()).sum], [before, 3], 'nobody restarted')
  })

  await t.test('new pods that the quota refuses: the push fails and names it, and the old ones serve on', async () => {
    await home.kubectl('-n', app, 'create', 'quota', 'small', '--hard=pods=3')
    const [version] = await herd.versions()
    const push = await herd.push({
      'lib/herd/application.ex': (text) => text.replace('for id <- 1..', 'for id <- 0..'),
    })
    assert.notEqual(push.code, 0)
    assert.match(
      push.stderr,
      /pods of web are refused: pods "herd-web-\d" is forbidden: exceeded quota: small, requested/,
    )
    assert.match(push.stderr, /likely cause: +the quota small has no room for another pod/)
    assert.match(push.stderr, /next: +kubectl -n herd describe quota small; then push again/)
    assert.match(push.stderr, /Rolled back: v\d is still serving/)
    assert.deepEqual([await uids(), (await herd.sum()).sum], [before, 3], 'nobody restarted')
    assert.deepEqual(await settled(herd), [version, version, version])
  })

  await t.test('code is loaded all the same, and a pod that is refused is told of while it is waited for', async () => {
    const push = await herd.push({
      'lib/herd/application.ex': (text) => text.replace('for id <- 0..', 'for id <- 1..'),
      'lib/herd/cell.ex': cell('v4', 'integer'),
    })
    assert.equal(push.code, 0, push.stderr)
    assert.deepEqual([await uids(), await herd.versions()], [before, ['v4', 'v4', 'v4']])
    const more = await home.cuddle(['ps:scale', 'web=4', '-a', app, '--no-wait'])
    assert.equal(more.code, 0, more.stderr)
    const pushing = herd.push({ 'lib/herd/cell.ex': cell('v5', 'integer') })
    const message = () =>
      home.kubectl('-n', app, 'get', 'releases.cuddle.dev', '-o', 'jsonpath={.items[*].status.message}')
    await until(
      async () => /3 of 4 new pods ready; more are refused: .*exceeded quota: small/.test((await message()).stdout),
      {
        timeoutMs: 60_000,
      },
    )
    await home.kubectl('-n', app, 'delete', 'quota', 'small')
    const late = await pushing
    assert.equal(late.code, 0, late.stderr)
    assert.match(late.stderr, /more are refused: .*exceeded quota: small/)
    await until(async () => (await herd.pods()).length === 4, { timeoutMs: 60_000 })
    assert.deepEqual(new Set(await herd.versions()), new Set(['v5']))
  })

  await t.test(
    'code that loads and does not boot: a pod more shows it, and all are replaced by what ran before',
    async () => {
      await home.kubectl('-n', app, 'create', 'quota', 'small', '--hard=pods=4')
      assert.equal((await home.cuddle(['ps:scale', 'web=5', '-a', app, '--no-wait'])).code, 0)
      const broken = (text: string) =>
        cell(
          'v6',
          'integer',
        )(text).replace('def start(id), do:', 'def start(_), do: raise("does not boot")\n  def begin(id), do:')
      const pushing = herd.push({ 'lib/herd/cell.ex': broken })
      const message = () =>
        home.kubectl('-n', app, 'get', 'releases.cuddle.dev', '-o', 'jsonpath={.items[*].status.message}')
      await until(async () => /4 of 5 new pods ready; more are refused/.test((await message()).stdout), {
        timeoutMs: 60_000,
      })
      await home.kubectl('-n', app, 'delete', 'quota', 'small')
      const push = await pushing
      assert.notEqual(push.code, 0)
      assert.match(push.stderr, /does not boot/)
      assert.match(push.stderr, /Rolled back: v\d+ is still serving/)
      assert.deepEqual(new Set(await herd.versions()), new Set(['v5']), 'nobody runs what was loaded')
    },
  )
})
