import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { readLines } from '#lib'
import { until } from '#lib/testing'
import { app, cell, type Herd, migrate, missing, oneWay, settled, startHerd, withBadChild } from './herd.ts'

/**
 * Watches the status of a release: its phase, and how far the loading is. `begun` resolves once nothing can be missed any more,
 * `seen` once it is as wanted; that fails when the release ends without.
 */
function watchFor(herd: Herd, release: string, wanted: RegExp): { begun: Promise<void>; seen: Promise<void> } {
  const columns = '{.metadata.name} {.status.phase} {.status.hot.state}{"\\n"}'
  const args = ['-n', app, 'get', 'releases.cuddle.dev', '-w', '-o', `jsonpath=${columns}`]
  const watching = spawn('kubectl', args, { env: herd.home.env, stdio: ['ignore', 'pipe', 'ignore'] })
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const follow = async () => {
    const told: string[] = []
    try {
      for await (const line of readLines(watching.stdout)) {
        begin()
        if (!line.startsWith(`${release} `)) continue
        if (wanted.test(line)) return
        told.push(line)
        if (/ (Succeeded|Failed) /.test(line)) break
      }
    } finally {
      begin()
      watching.kill()
    }
    throw new Error(`${release} was never ${wanted}: ${told.join(', ')}`)
  }
  return { begun, seen: follow() }
}

/** Pushes, kills control when the release has come so far, and waits for what becomes of it. */
async function crashAt(herd: Herd, release: string, wanted: RegExp, files: Parameters<Herd['push']>[0]) {
  const { home } = herd
  const { begun, seen } = watchFor(herd, release, wanted)
  await begun
  const pushing = herd.push(files)
  await seen
  const control = home.pid('control')
  process.kill(control, 'SIGKILL')
  await pushing
  await until(() => home.pid('control') !== control, { timeoutMs: 30_000 })
  const read = () => home.cuddle(['releases:info', release, '-a', app, '--json'])
  await until(
    async () => {
      const found = await read()
      return found.code === 0 && /^(Succeeded|Failed)$/.test(JSON.parse(found.stdout).status?.phase)
    },
    { what: `the end of ${release}`, timeoutMs: 90_000 },
  )
  return JSON.parse((await read()).stdout).status
}

const loading: [what: string, wanted: RegExp][] = [
  ['before anything is done', /^v\d+ *$/],
  ['while nodes load', / loading$/],
  ['when nodes wait for the word', / committing$/],
  ['when the code is loaded', / committed$/],
  ['while the objects are applied', /RollingOut committed$/],
]

const skip = missing && 'needs elixir'

test('control is killed at every step of a hot rollout', { skip, timeout: 400_000 }, async (t) => {
  const herd = await startHerd(t)
  const uids = async () => (await herd.pods()).map(({ pod, address }) => `${pod} ${address}`).sort()
  const pods = await uids()
  await herd.withNodes(async (nodes) => {
    for (const node of nodes.values()) for (const id of [1, 2, 3]) await node.rpc('Elixir.Herd.Cell', 'add', [id])
  })
  for (const [index, [what, wanted]] of loading.entries()) {
    await t.test(what, async () => {
      const version = `k${index}`
      const shape = index % 2 === 0 ? 'map' : 'integer'
      const change = shape === 'map' ? migrate : '  def code_change(_, %{n: n}, _), do: {:ok, n}'
      const status = await crashAt(herd, `v${index + 3}`, wanted, { 'lib/herd/cell.ex': cell(version, shape, change) })
      assert.equal(status.phase, 'Succeeded', JSON.stringify(status))
      assert.deepEqual(await herd.versions(), [version, version, version])
      assert.deepEqual(await uids(), pods, 'no pod was replaced')
      // Whoever were still suspended would not answer.
      assert.equal((await herd.sum()).sum, 9)
    })
  }

  await t.test('when it has been taken back', async () => {
    const failing = '  def code_change(_, _, _), do: raise("cannot migrate")'
    const change = { 'lib/herd/cell.ex': cell('k5', 'integer', failing) }
    const status = await crashAt(herd, 'v8', / aborted$/, change)
    assert.equal(status.phase, 'Failed', JSON.stringify(status))
    assert.match(status.failure.message, /could not be loaded: .*cannot migrate/)
    assert.deepEqual(await herd.versions(), ['k4', 'k4', 'k4'])
    assert.deepEqual([await uids(), (await herd.sum()).sum], [pods, 9])
  })
})

test('control is killed at every step of a rollout that ends with new pods', { skip, timeout: 400_000 }, async (t) => {
  const herd = await startHerd(t)
  const cells = (first: number) => (text: string) => text.replace(/for id <- \d\.\./, `for id <- ${first}..`)

  await t.test('when new pods have been decided upon', async () => {
    const change = { 'lib/herd/application.ex': cells(0), 'lib/herd/cell.ex': cell('n1', 'integer') }
    const status = await crashAt(herd, 'v3', /^v\d+ *(Pending)? rolling$/, change)
    assert.equal(status.phase, 'Succeeded', JSON.stringify(status))
    assert.match(status.hot.reasons.join(), /application module/)
    assert.deepEqual(await settled(herd), ['n1', 'n1', 'n1'])
  })

  await t.test('while new pods come', async () => {
    const change = { 'lib/herd/application.ex': cells(1), 'lib/herd/cell.ex': cell('n2', 'integer') }
    const status = await crashAt(herd, 'v4', /RollingOut rolling$/, change)
    assert.equal(status.phase, 'Succeeded', JSON.stringify(status))
    assert.deepEqual(await settled(herd), ['n2', 'n2', 'n2'])
  })

  for (const [index, [what, wanted]] of (
    [
      ['when code that is no good cannot be taken back', /^v\d+ *(Pending)? stuck$/],
      ['while its pods are replaced', /RollingBack stuck$/],
    ] as const
  ).entries()) {
    await t.test(what, async () => {
      const bad = cell(`bad${index}`, 'map', oneWay)
      const change = { 'lib/herd/cell.ex': bad, 'lib/herd/pool.ex': withBadChild }
      const status = await crashAt(herd, `v${5 + index}`, wanted, change)
      assert.equal(status.phase, 'Failed', JSON.stringify(status))
      assert.match(status.failure.message, /no good: .*taking it back failed: .*no way back/)
      assert.deepEqual(await settled(herd), ['n2', 'n2', 'n2'])
    })
  }
})
