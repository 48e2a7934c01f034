import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { readLines } from '#lib'
import { until } from '#lib/testing'
import { app, cell, type Herd, migrate, missing, startHerd } from './herd.ts'

/** Resolves when the status of a release says this: its phase, and how far the loading is. */
async function reached(herd: Herd, release: string, wanted: RegExp): Promise<void> {
  const columns = '{.metadata.name} {.status.phase} {.status.hot.state}{"\\n"}'
  const args = ['-n', app, 'get', 'releases.cuddle.dev', '-w', '-o', `jsonpath=${columns}`]
  const watching = spawn('kubectl', args, { env: herd.home.env, stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    for await (const line of readLines(watching.stdout)) {
      if (line.startsWith(`${release} `) && wanted.test(line)) return
    }
  } finally {
    watching.kill()
  }
}

const steps: [what: string, wanted: RegExp][] = [
  ['before anything is done', /^v\d+ *$/],
  ['while nodes load', / loading$/],
  ['when nodes wait for the word', / committing$/],
  ['when the code is loaded', / committed$/],
  ['while the objects are applied', /RollingOut committed$/],
]

test('control is killed at every step of a hot rollout', {
  skip: missing && 'needs elixir',
  timeout: 400_000,
}, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const uids = async () => (await herd.pods()).map(({ pod, address }) => `${pod} ${address}`).sort()
  const pods = await uids()
  await herd.withNodes(async (nodes) => {
    for (const node of nodes.values()) for (const id of [1, 2, 3]) await node.rpc('Elixir.Herd.Cell', 'add', [id])
  })
  for (const [index, [what, wanted]] of steps.entries()) {
    await t.test(what, async () => {
      const [version, release] = [`k${index}`, `v${index + 3}`]
      const seen = reached(herd, release, wanted)
      const shape = index % 2 === 0 ? 'map' : 'integer'
      const change = shape === 'map' ? migrate : '  def code_change(_, %{n: n}, _), do: {:ok, n}'
      const pushing = herd.push({ 'lib/herd/cell.ex': cell(version, shape, change) })
      await seen
      const control = home.pid('control')
      process.kill(control, 'SIGKILL')
      await pushing
      await until(() => home.pid('control') !== control, { timeoutMs: 30_000 })
      await until(
        async () => {
          const found = await home.cuddle(['releases:info', release, '-a', app, '--json'])
          return found.code === 0 && /^(Succeeded|Failed)$/.test(JSON.parse(found.stdout).status?.phase)
        },
        { what: `the end of ${release}`, timeoutMs: 90_000 },
      )
      const { status } = JSON.parse((await home.cuddle(['releases:info', release, '-a', app, '--json'])).stdout)
      assert.equal(status.phase, 'Succeeded', JSON.stringify(status))
      assert.deepEqual(await herd.versions(), [version, version, version])
      assert.deepEqual(await uids(), pods, 'no pod was replaced')
      // Whoever were still suspended would not answer.
      assert.equal((await herd.sum()).sum, 9)
    })
  }
})
