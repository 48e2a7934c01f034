import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { startLoad } from '../../scripts/demo/load.ts'
import { commitEdit, newHome } from './harness.ts'

const rounds = 12
/** A kill comes at a moment that nobody chose. */
const anyMoment = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 400))

/** The pids of an app's own processes, from the environment marker that the node agent gives them. */
async function appPids(home: Awaited<ReturnType<typeof newHome>>): Promise<string> {
  const pods = await home.kubectl(
    '-n',
    'hello',
    'get',
    'pods',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.running.startedAt}{"\\n"}{end}',
  )
  assert.equal(pods.code, 0, pods.stderr)
  return pods.stdout
}

test('SIGKILL of control, again and again under load: nothing fails, nothing restarts, nothing is lost', async (t) => {
  const home = await newHome(t)
  const up = await home.up()
  assert.equal(up.code, 0, up.stderr)
  const repository = await home.app('hello', 'node-hello')
  const push = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(push.code, 0, push.stderr)
  const before = await appPids(home)
  const load = startLoad({ port: home.ports.router, host: 'hello.localhost', path: '/', clients: 2 })
  t.after(() => load.stop().then(() => {}))
  const acknowledged: string[] = []
  for (let round = 0; round < rounds; round++) {
    const name = `written-${round}`
    const manifest = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}","namespace":"hello"},"data":{"round":"${round}"}}`
    const path = join(home.directory, `${name}.json`)
    writeFileSync(path, manifest)
    const created = await until(async () => (await home.kubectl('apply', '-f', path)).code === 0, {
      timeoutMs: 30_000,
      what: 'a write',
    })
    assert.ok(created)
    acknowledged.push(name)
    await anyMoment()
    const pid = home.pid('control')
    process.kill(pid, 'SIGKILL')
    await until(
      () =>
        home.pid('control') !== pid &&
        readFileSync(`${home.home}/run/control.ready`, 'utf8').trim() === String(home.pid('control')),
      { timeoutMs: 30_000, what: 'control to be back' },
    )
  }
  const result = await load.stop()
  assert.deepEqual([result.failed, result.failures], [0, []])
  assert.ok(result.sent > 100)
  assert.equal(await appPids(home), before)
  const written = await home.kubectl('-n', 'hello', 'get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}')
  for (const name of acknowledged) assert.ok(written.stdout.split(' ').includes(name), `${name} is there`)
  const next = await commitEdit(home, repository, 'server.js', "version = 'v1'", "version = 'v2'").then(() =>
    home.git(repository, 'push', 'cuddle', 'main'),
  )
  assert.equal(next.code, 0, next.stderr)
  assert.match((await home.get('hello')).body, /Hello from v2/)
})

test('SIGKILL of node, again and again: apps live on, and the router is back with what it knew', async (t) => {
  const home = await newHome(t)
  const up = await home.up()
  assert.equal(up.code, 0, up.stderr)
  const repository = await home.app('hello', 'node-hello')
  assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)
  const before = await appPids(home)
  for (let round = 0; round < rounds; round++) {
    await anyMoment()
    const pid = home.pid('node')
    process.kill(pid, 'SIGKILL')
    await until(async () => home.pid('node') !== pid && (await home.get('hello')).status === 200, {
      timeoutMs: 30_000,
      what: 'the app to answer',
    })
  }
  assert.equal(await appPids(home), before)
  await until(async () => (await home.json(['ps', '-a', 'hello'])).every((pod: any) => pod.ready), {
    timeoutMs: 30_000,
  })
  assert.equal((await home.cuddle(['ps:scale', 'web=2', '-a', 'hello'])).code, 0)
})

test('control killed in the middle of a rollout: the release still goes live', async (t) => {
  const home = await newHome(t)
  const up = await home.up()
  assert.equal(up.code, 0, up.stderr)
  const repository = await home.app('hello', 'node-hello')
  assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)
  const set = home.cuddle(['config:set', 'ROUND=1', '-a', 'hello'])
  await until(
    async () => (await home.json(['releases', '-a', 'hello'])).some((release: any) => release.cause.kind === 'config'),
    { what: 'the release' },
  )
  process.kill(home.pid('control'), 'SIGKILL')
  const result = await set
  assert.equal(result.code, 0, result.stderr)
  const [latest] = await home.json(['releases', '-a', 'hello'])
  assert.deepEqual([latest.cause.kind, latest.phase, latest.current], ['config', 'Succeeded', true])
})

test('after a reboot, up brings every app back', async (t) => {
  const home = await newHome(t)
  const up = await home.up()
  assert.equal(up.code, 0, up.stderr)
  const repository = await home.app('hello', 'node-hello')
  assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)
  // Power off: everything of this home goes at once, the app too.
  process.kill(-home.pid('supervisor'), 'SIGKILL')
  await exec(
    'sh',
    [
      '-c',
      `for p in /proc/[0-9]*; do if tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -q "^CUDDLE_POD_UID="; then if tr '\\0' '\\n' <$p/environ | grep -q "${home.directory}" || ls -l $p/cwd 2>/dev/null | grep -q "${home.directory}"; then kill -9 $(basename $p); fi; fi; done`,
    ],
    { env: home.env },
  )
  await until(async () => (await home.get('hello').catch(() => undefined)) === undefined, {
    what: 'everything to be gone',
  })
  const again = await home.up()
  assert.equal(again.code, 0, again.stderr)
  await until(async () => (await home.get('hello')).status === 200, { timeoutMs: 30_000, what: 'the app to be back' })
})
