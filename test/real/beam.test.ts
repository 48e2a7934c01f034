import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createKube, httpTransport, type Kube, loadKubeConfig } from '#kube'
import { until } from '#lib/testing'
import { startLoad } from '../../scripts/demo/load.ts'
import { commitEdit, type Home, newHome } from '../e2e/harness.ts'
import { openSession } from '../e2e/terminal.ts'
import { type RealCluster, startRealCluster } from '../kubernetes/cluster.ts'
import { has, missing, programs } from './needs.ts'

const slow = { timeoutMs: 90_000, intervalMs: 200 }
const rowFields = ['pod', 'restarts', 'release', 'hot'] as const

/** What docs/guide/beam.md promises, where pods are containers and the nodes and controllers are Kubernetes' own. */
describe('a BEAM cluster on a real node', { skip: missing ?? false, timeout: 600_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'cuddle-real-beam-'))
  const ends: (() => Promise<void> | void)[] = []
  let cluster: RealCluster
  let kube: Kube
  let home: Home
  let tally: string

  const cuddle = async (...words: string[]) => {
    const done = await home.cuddle(words, { cwd: tally })
    assert.equal(done.code, 0, `cuddle ${words.join(' ')}: ${done.stderr}`)
    return done
  }
  const push = (...options: string[]) => home.git(tally, 'push', ...options, 'cuddle', 'main')
  const rows = async () => (await home.json(['ps'], { cwd: tally })).filter((row: any) => row.state !== 'Terminating')
  /** Pods that run and are ready, by name. */
  const ready = async () =>
    (await rows())
      .filter((row: any) => row.ready && row.state === 'Running')
      .map((row: any) => Object.fromEntries(rowFields.map((field) => [field, row[field]])))
      .sort((one: any, other: any) => (one.pod < other.pod ? -1 : 1))
  const pods = async () => (await kube.request('GET', '/api/v1/namespaces/tally/pods')).items
  const say = async () => (await home.get('tally', '/count/apples')).body
  const names = async (pod: string) => (await cuddle('rpc', '--pod', pod, 'length(Node.list())')).stdout.trim()
  const wholeOf = (count: number) =>
    until(
      async () => {
        const found = await ready()
        if (found.length !== count || (await pods()).length !== count) return false
        const known = await Promise.all(found.map(({ pod }: any) => names(pod)))
        return known.every((one) => one === String(count - 1))
      },
      { ...slow, what: `${count} nodes that know each other` },
    )
  /** Messages about an object of the app, or of its namespace. */
  const events = async (reason: string, namespace: string) => {
    const { items } = await kube.request('GET', `/api/v1/namespaces/${namespace}/events`)
    return items.filter((event: any) => event.reason === reason).map((event: any) => event.message as string)
  }

  before(async () => {
    if ('missing' in programs) return
    cluster = await startRealCluster({ home: directory, programs, node: true })
    kube = createKube(httpTransport(loadKubeConfig({ path: cluster.kubeconfig })))
    home = await newHome({ after: (end) => void ends.push(end) })
    const to = ['--kubeconfig', cluster.kubeconfig, '--registry', cluster.node!.registry, '--metrics-host', '127.0.0.1']
    const up = await home.up(...to)
    assert.equal(up.code, 0, up.stderr)
    tally = await home.app('tally', 'elixir-tally')
  })
  after(async () => {
    kube?.close()
    for (const end of ends.reverse()) await end()
    await cluster?.stop()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  })

  test('three nodes know each other, and people look into them', async () => {
    const scale = 'scale: {web: {min: 3, max: 4, target: {jobs: 10}}}'
    await commitEdit(home, tally, 'cuddle.yaml', /^scale: .*$/m, scale)
    const pushed = await push()
    assert.equal(pushed.code, 0, pushed.stderr)
    await wholeOf(3)
    const read = async () => {
      const usage = await home.json(['ps', '--beam'], { cwd: tally })
      return usage.length === 3 && usage.every((row: any) => row.from === 'platform') && usage
    }
    const usage = await until(read, { ...slow, what: 'signals that the platform reads' })
    assert.deepEqual(
      usage.map(({ otpRelease, schedulers }: any) => [typeof otpRelease, schedulers]),
      Array(3).fill(['string', 2]),
    )
    const seen = await home.json(['observer', '--pod', 'tally-web-1'], { cwd: tally })
    assert.ok(seen.processes.length > 5, JSON.stringify(seen).slice(0, 500))
    const traced = cuddle('trace', 'Tally.count/1', '--pods', 'all', '--limit', '1', '--returns', '--for', '20s')
    await until(async () => {
      await say()
      return (await events('BeamAccess', 'tally')).filter((text: string) => /cuddle trace/.test(text)).length === 3
    }, slow)
    const load = startLoad({ port: home.ports.router, host: 'tally.localhost', path: '/count/pears', clients: 1 })
    const { stdout } = await traced.finally(() => load.stop())
    assert.match(stdout, /Tally\.count\("(apples|pears)"\)/)
  })

  test('a console is a terminal in a container', {
    skip: !has('script') && 'needs script of util-linux',
  }, async (t) => {
    const console = await openSession(t, { cwd: tally, env: home.env }, 'cuddle console --pod tally-web-2')
    await console.sees(/iex\(tally@[\d.]+\)1> $/)
    console.type('Tally.ver\t')
    await console.sees(/Tally\.version/)
    console.type('()\r')
    await console.sees(/"v1"\n[\s\S]*\)2> $/)
    console.type('Process.sleep(:infinity)\r')
    await console.sees(/\n$/)
    console.type('\x03')
    await console.sees(/> $/)
    console.type('\x04')
    assert.deepEqual(await console.ended(), { code: 0, restored: true })
    assert.equal((await ready()).length, 3, 'leaving stops no node')
  })

  test('new code goes into the running nodes under load, or into none', async (t) => {
    for (let count = 0; count < 5; count++) await say()
    const before = await ready()
    const load = startLoad({ port: home.ports.router, host: 'tally.localhost', path: '/count/pears', clients: 4 })
    t.after(() => load.stop())
    assert.equal((await home.git(tally, 'apply', 'v2.patch')).code, 0)
    await home.git(tally, 'commit', '-qam', 'v2')
    const hot = await push()
    assert.equal(hot.code, 0, hot.stderr)
    assert.match(hot.stderr, /Loading v3 into 3 running pods[\s\S]*tally-web-2 +1 process upgraded/)
    const loaded = before.map((row: any) => ({ ...row, release: 3, hot: true }))
    assert.deepEqual(await ready(), loaded)
    const [, count] = /^apples is (\d+), says v2/.exec(await say()) ?? []
    assert.ok(Number(count) >= 6, `${count} apples`)
    // Who waits inside a function of a module that changes would keep its old code from coming back.
    const result = await load.stop()
    assert.deepEqual(result.failures, [])

    const good = (await home.git(tally, 'rev-parse', 'HEAD')).stdout.trim()
    await commitEdit(home, tally, 'lib/tally.ex', 'Map.put_new(state, :here, 0)', '%{state | no_such_key: 0}')
    await commitEdit(home, tally, 'lib/tally.ex', '@version "v2"', '@version "v3"')
    const refused = await push()
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /code_change failed in [\s\S]*Taken back, state untouched: v3 is still serving/)
    assert.deepEqual(await ready(), loaded)
    assert.match(await say(), /says v2/)
    await home.git(tally, 'reset', '-q', '--hard', good)

    await home.cuddle(['rpc', '--pod', 'tally-web-1', 'System.halt(1)'], { cwd: tally })
    const restarted = () => ready().then((all: any[]) => all.find(({ pod, hot }) => pod === 'tally-web-1' && !hot))
    assert.equal((await until<any>(restarted, slow)).release, 3, 'who restarts boots what the others run')
    await wholeOf(3)
    assert.ok(Number(/^apples is (\d+), says v2/.exec(await say())?.[1]) > Number(count))
  })

  test('nodes get a new cookie and another size where they run', async () => {
    const before = await ready()
    assert.match((await cuddle('cookie:rotate')).stdout, /3 nodes took the new cookie/)
    assert.deepEqual(await events('BeamCookieRotated', 'default'), ['3 nodes took the new cookie'])
    await cuddle('ps:resize', 'web', 'cpu=150m', 'memory=320Mi')
    const given = (await pods()).map(
      ({
        status: {
          containerStatuses: [one],
        },
      }: any) => [one.restartCount, one.resources.requests.cpu, one.resources.limits.memory],
    )
    assert.deepEqual(given, Array(3).fill([0, '150m', '320Mi']))
    assert.deepEqual(
      (await ready()).map(({ pod, restarts }: any) => [pod, restarts]),
      before.map(({ pod, restarts }: any) => [pod, restarts]),
    )
    const limit = `for f <- ["memory/memory.limit_in_bytes", "memory.max"], {:ok, n} <- [File.read("/sys/fs/cgroup/" <> f)], do: n`
    assert.match((await cuddle('rpc', limit)).stdout, new RegExp(`"${320 * 1024 * 1024}\\\\n"`))
  })

  test("a number that the app publishes moves Kubernetes' own autoscaler", async () => {
    const publish = ':ets.new(:cuddle_metrics, [:named_table, :public]); :ets.insert(:cuddle_metrics, {:jobs, 12})'
    for (const { pod } of await ready()) {
      const owner = `spawn(fn -> ${publish}; Process.sleep(:infinity) end); :ok`
      await cuddle('rpc', '--pod', pod, owner)
    }
    await wholeOf(4)
    const { items } = await kube.request(
      'GET',
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/tally/pods/*/jobs?labelSelector=cuddle.dev%2Fprocess%3Dweb',
    )
    assert.deepEqual(items.map(({ value }: any) => value).slice(0, 3), ['12', '12', '12'])
    await cuddle('ps:scale', 'web=3')
    await wholeOf(3)
  })

  test('what a quota refuses is told in its words', async (t) => {
    const quotas = '/api/v1/namespaces/tally/resourcequotas'
    const quota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'small' },
      spec: { hard: { pods: '3' } },
    }
    await kube.request('POST', quotas, { body: quota })
    const used = async () => (await kube.request('GET', `${quotas}/small`)).status?.used?.pods === '3'
    await until(used, slow)
    const scaling = spawn('cuddle', ['ps:scale', 'web=4'], { cwd: tally, env: home.env })
    t.after(() => void scaling.kill())
    let said = ''
    scaling.stderr.on('data', (text) => (said += text))
    await until(() => /web: 3 of 4 ready; more are refused: .*exceeded quota: small/.test(said), slow)
    scaling.kill('SIGINT')
    await once(scaling, 'exit')
    await commitEdit(home, tally, 'lib/tally.ex', '@version "v2"', '@version "v4"')
    const pushing = push()
    const told = async () => (await home.json(['releases'], { cwd: tally }))[0]
    await until(async () => /3 of 4 new pods ready; more are refused: .*small/.test((await told()).message ?? ''), slow)
    assert.match(await say(), /says v4/, 'the code is there all the same')
    await kube.request('DELETE', `${quotas}/small`)
    const hot = await pushing
    assert.equal(hot.code, 0, hot.stderr)
    await cuddle('ps:scale', 'web=3')
    await wholeOf(3)
    await kube.request('POST', quotas, { body: quota })
    await until(used, slow)
    await commitEdit(home, tally, 'lib/tally.ex', '@version "v4"', '@version "v5"')
    const refused = await push('-o', 'rolling')
    assert.notEqual(refused.code, 0, refused.stderr)
    assert.match(refused.stderr, /pods of web are refused: .*exceeded quota: small[\s\S]*describe quota small/)
    await kube.request('DELETE', `${quotas}/small`)
    await wholeOf(3)
    assert.match(await say(), /says v4/)
  })

  test('where pods cannot be dialled everything goes through the API server', async (t) => {
    const { pods: network, address } = cluster.node!
    execFileSync('ip', ['route', 'del', network])
    // Where it has no route a machine takes its usual one, and who answers there is no node.
    const restore = () => execFileSync('ip', ['route', 'replace', network, 'via', address])
    t.after(restore)
    const before = home.pid('control')
    process.kill(before, 'SIGKILL')
    const started = async () => {
      const usage = await home.json(['ps', '--beam'], { cwd: tally }).catch(() => [])
      return usage.length === 3 && usage.every(({ from, error }: any) => from === 'platform' && !error)
    }
    await until(() => home.pid('control') !== before, slow)
    await until(started, { ...slow, what: 'signals by the other way' })
    const hot = await push()
    assert.equal(hot.code, 0, hot.stderr)
    assert.match(hot.stderr, /Loading v\d+ into 3 running pods[\s\S]*is live/)
    assert.match((await cuddle('rpc', 'Tally.version()')).stdout, /v5/)
    assert.match((await cuddle('cookie:rotate')).stdout, /3 nodes took the new cookie/)
  })

  test('a node that is evicted hands over what it has', async (t) => {
    assert.equal((await home.cuddle(['destroy', 'tally', '--confirm', 'tally'])).code, 0)
    const abacus = await home.app('abacus', 'elixir-handover')
    const pushed = await home.git(abacus, 'push', 'cuddle', 'main')
    assert.equal(pushed.code, 0, pushed.stderr)
    const add = async (name: string) => assert.equal((await home.get('abacus', `/add/${name}`)).status, 200)
    const numbers = Array.from({ length: 30 }, (_, index) => `n${index}`)
    for (const name of numbers) await add(name)
    const path = '/api/v1/namespaces/abacus/pods'
    const [{ metadata }] = (await kube.request('GET', path)).items
    const load = startLoad({ port: home.ports.router, host: 'abacus.localhost', path: '/add/n0', clients: 2 })
    t.after(() => load.stop())
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata.name } }
    await kube.request('POST', `${path}/${metadata.name}/eviction`, { body: eviction })
    const gone = async () =>
      (await kube.request('GET', path)).items.every((pod: any) => pod.metadata.uid !== metadata.uid)
    await until(gone, slow)
    const { failures, sent } = await load.stop()
    assert.deepEqual(failures, [])
    const told = new RegExp(`^${metadata.name} handed over to 2 nodes: \\{ok,\\d+\\}`)
    assert.ok((await events('BeamHandover', 'default')).some((message: string) => told.test(message)))
    const values = (await home.get('abacus')).body.matchAll(/^(n\d+) (\d+) /gm)
    assert.deepEqual(
      Object.fromEntries([...values].map(([, name, value]) => [name, Number(value)])),
      Object.fromEntries(numbers.map((name) => [name, name === 'n0' ? sent + 1 : 1])),
    )
  })
})
