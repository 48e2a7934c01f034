import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { startLoad } from '../../scripts/demo/load.ts'
import { commitEdit, isAlive, newHome } from './harness.ts'

const crash = "throw new Error('refusing to boot')\nserver.listen("

test('from a push to a rollback, as a developer lives it', async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  const repository = await home.app('hello', 'node-hello')
  const inApp = { cwd: repository }

  await t.test('git push builds and rolls out, and tells how it goes', async () => {
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /remote: -----> Node.js app detected/)
    assert.match(push.stderr, /remote: -----> v2 is live/)
    const answer = await home.get('hello')
    assert.equal(answer.status, 200)
    assert.match(answer.body, /Hello from v1/)
  })

  await t.test('a second version goes live with no failed request', async () => {
    await commitEdit(home, repository, 'server.js', "version = 'v1'", "version = 'v2'")
    const load = startLoad({ port: home.ports.router, host: 'hello.localhost', path: '/', clients: 4 })
    t.after(() => load.stop().then(() => {}))
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    const result = await load.stop()
    assert.equal(push.code, 0, push.stderr)
    assert.deepEqual([result.failed, result.failures], [0, []])
    assert.match((await home.get('hello')).body, /Hello from v2/)
  })

  await t.test('a version that crashes is refused, with the reason, and the ref stays', async () => {
    await commitEdit(home, repository, 'server.js', 'server.listen(', crash)
    const before = await home.git(repository, 'ls-remote', 'cuddle', 'refs/heads/main')
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, /exit code:\s+1/)
    assert.match(push.stderr, /refusing to boot/)
    assert.match(push.stderr, /v3 is still serving/)
    const after = await home.git(repository, 'ls-remote', 'cuddle', 'refs/heads/main')
    assert.equal(after.stdout, before.stdout)
    assert.match((await home.get('hello')).body, /Hello from v2/)
    await home.git(repository, 'reset', '-q', '--hard', 'HEAD~1')
  })

  await t.test('rollback restores image and config of an older release', async () => {
    assert.equal((await home.cuddle(['config:set', 'COLOUR=green "and" blue'], inApp)).code, 0)
    assert.equal((await home.cuddle(['config:get', 'COLOUR'], inApp)).stdout, 'green "and" blue\n')
    const back = await home.cuddle(['rollback', 'v2'], inApp)
    assert.equal(back.code, 0, back.stderr)
    assert.match((await home.get('hello')).body, /Hello from v1/)
    assert.notEqual((await home.cuddle(['config:get', 'COLOUR'], inApp)).code, 0)
    const releases = await home.json(['releases'], inApp)
    assert.deepEqual(
      releases.map((release: any) => [release.version, release.cause.kind, release.phase]),
      [
        [6, 'rollback', 'Succeeded'],
        [5, 'config', 'Succeeded'],
        [4, 'push', 'Failed'],
        [3, 'push', 'Succeeded'],
        [2, 'push', 'Succeeded'],
        [1, 'create', 'Succeeded'],
      ],
    )
  })

  await t.test('scale, restart, logs and one-off commands', async () => {
    assert.equal((await home.cuddle(['ps:scale', 'web=3'], inApp)).code, 0)
    const pods = await home.json(['ps'], inApp)
    assert.equal(pods.filter((pod: any) => pod.ready && pod.process === 'web' && pod.state === 'Running').length, 3)
    const budget = await home.kubectl('-n', 'hello', 'get', 'pdb', 'hello-web', '-o', 'name')
    assert.equal(budget.code, 0, budget.stderr)
    assert.equal((await home.cuddle(['ps:scale', 'web=1'], inApp)).code, 0)
    const before = (await home.json(['ps'], inApp))[0].pod
    assert.equal((await home.cuddle(['ps:restart'], inApp)).code, 0)
    await until(async () => {
      const rows = await home.json(['ps'], inApp)
      return rows.every((row: any) => row.pod !== before) && rows.some((row: any) => row.ready)
    })
    await until(async () => /listens on/i.test((await home.cuddle(['logs', '-p', 'web'], inApp)).stdout), {
      what: 'a log line',
    })
    const run = await home.cuddle(['run', '--', 'echo one; exit 3'], inApp)
    assert.equal(run.stdout, 'one\n')
    assert.equal(run.code, 3)
  })

  await t.test('plan says what would change, and changes nothing; export gives plain manifests', async () => {
    const same = await home.cuddle(['plan'], inApp)
    assert.equal(same.code, 0, same.stdout + same.stderr)
    const manifests = await home.cuddle(['export'], inApp)
    assert.match(manifests.stdout, /kind: Deployment/)
  })

  await t.test('what is mistyped gets an answer that helps', async () => {
    const cases: [string[], RegExp, number][] = [
      [['relases'], /did you mean cuddle releases\?/, 64],
      [['ps:scale', 'web=lots'], /"lots" is no scale/, 64],
      [['ps:scale', 'wbe=1'], /it has web/, 1],
      [['rollback', 'v99'], /no release v99/, 1],
      [['config:get', 'NOPE'], /no config var NOPE/, 1],
      [['ps', '-a', 'nope'], /no app is called "nope"/, 1],
      [['create', 'Not_A_Name'], /name/, 1],
      [['create', 'hello'], /exists already/, 1],
      [['create', 'kube-thing'], /reserved|kube-/, 1],
    ]
    for (const [args, words, code] of cases) {
      const result = await home.cuddle(args, inApp)
      assert.match(result.stderr, words, args.join(' '))
      assert.equal(result.code, code, args.join(' '))
    }
  })

  await t.test('destroy leaves nothing', async () => {
    assert.notEqual((await home.cuddle(['destroy', 'hello'], inApp)).code, 0)
    const destroyed = await home.cuddle(['destroy', 'hello', '--confirm', 'hello'], inApp)
    assert.equal(destroyed.code, 0, destroyed.stderr)
    assert.deepEqual(await home.json(['apps']), [])
    assert.equal((await home.get('hello')).status, 404)
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, /no app|create/i)
  })

  await t.test('down leaves no process', async () => {
    const pids = (['control', 'node', 'supervisor'] as const).map((name) => home.pid(name))
    assert.equal((await home.cuddle(['down'])).code, 0)
    assert.deepEqual(pids.filter(isAlive), [])
    assert.equal((await home.cuddle(['status'])).code, 3)
    assert.equal((await home.cuddle(['apps'])).code, 69)
  })
})
