import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { startLoad } from '../../scripts/demo/load.ts'
import { commitEdit, type Home, isAlive, newHome, root } from '../e2e/harness.ts'
import { type RealCluster, startRealCluster } from '../kubernetes/cluster.ts'
import { missing, programs } from './needs.ts'

const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices'
const slow = { timeoutMs: 90_000, intervalMs: 200 }

describe('the main job on a real node', { skip: missing ?? false, timeout: 600_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'cuddle-real-push-'))
  const ends: (() => Promise<void> | void)[] = []
  let cluster: RealCluster
  let home: Home
  let repository: string
  const web = () => home.get('hello').then(({ body }) => body)

  before(async () => {
    if ('missing' in programs) return
    cluster = await startRealCluster({ home: directory, programs, node: true })
    home = await newHome({ after: (end) => void ends.push(end) })
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
    await cluster?.stop()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  })

  test('up installs the platform, and its daemons have a token of their own', async () => {
    const without = await home.up('--kubeconfig', cluster.kubeconfig)
    assert.match(without.stderr, /images have to go somewhere the cluster can pull from/)
    const options = ['--kubeconfig', cluster.kubeconfig, '--registry', cluster.node!.registry]
    const nowhere = await home.up(...options, '--metrics-host', '192.0.2.1')
    assert.match(nowhere.stderr, /takes an IPv4 address or a name of this machine, not "192.0.2.1"/)
    const kube = createKube(httpTransport(loadKubeConfig({ path: cluster.kubeconfig })))
    const theirs = {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.custom.metrics.k8s.io' },
      spec: {
        ...{ group: 'custom.metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
        ...{ insecureSkipTLSVerify: true, service: { namespace: 'monitoring', name: 'prometheus-adapter' } },
      },
    }
    await kube.request('POST', apiServices, { body: theirs })
    const taken = await home.up(...options, '--metrics-host', '127.0.0.1')
    assert.match(taken.stderr, /custom\.metrics\.k8s\.io is served by monitoring\/prometheus-adapter in this cluster/)
    const { items } = await kube.request('GET', '/api/v1/namespaces')
    assert.ok(!items.some(({ metadata }: any) => metadata.name === 'cuddle-system'), 'nothing was installed')
    await kube.request('DELETE', `${apiServices}/${theirs.metadata.name}`)
    kube.close()
    const up = await home.up(...options, '--metrics-host', '127.0.0.1')
    assert.equal(up.code, 0, up.stderr)
    assert.ok(up.stdout.includes(cluster.node!.registry) && up.stdout.includes(cluster.kubeconfig), up.stdout)
    const token = join(home.home, 'platform', 'token')
    assert.equal(statSync(token).mode & 0o777, 0o600)
    const claims = JSON.parse(Buffer.from(readFileSync(token, 'utf8').split('.')[1], 'base64url').toString())
    assert.equal(claims.sub, 'system:serviceaccount:cuddle-system:cuddle')
    const kept = readFileSync(join(home.home, 'platform', 'kubeconfig'), 'utf8')
    assert.doesNotMatch(kept, /client-key|client-certificate/)
    const status = await home.json(['status'])
    assert.deepEqual([status.up, status.nodes], [true, [{ name: cluster.node!.name, ready: true }]])
  })

  test('git push makes an image that the node pulls and runs', async () => {
    repository = await home.app('hello', 'elixir-hello')
    const pushed = await home.git(repository, 'push', 'cuddle', 'main')
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match(pushed.stderr, /hello: pushing \d+ layers, 0 there already, \d+\.\d MB to send/)
    assert.match(pushed.stderr, /v2 is live/)
    assert.match(await web(), /^Hello from v1, pid 1 on hello-web-/)
    const { stdout } = await exec(
      'kubectl',
      ['--kubeconfig', cluster.kubeconfig, '-n', 'hello', 'get', 'deploy', '-o', 'jsonpath={..image}'],
      { env: home.env },
    ).catch(() => ({ stdout: '' }))
    if (stdout) assert.match(stdout, new RegExp(`^${cluster.node!.registry}/hello@sha256:`))
  })

  test('new versions, more pods and the way back fail no request', async (t) => {
    const load = startLoad({ port: home.ports.router, host: 'hello.localhost', path: '/', clients: 4 })
    t.after(() => load.stop())
    await commitEdit(home, repository, 'lib/hello.ex', '@version "v1"', '@version "v2"')
    const pushed = await home.git(repository, 'push', 'cuddle', 'main')
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match(pushed.stderr, /pushing \d+ layers, [1-9]\d* there already/)
    assert.match(await web(), /v2/)
    assert.equal((await home.cuddle(['ps:scale', 'web=3'], { cwd: repository })).code, 0)
    const ready = async () => {
      const rows = await home.json(['ps'], { cwd: repository })
      return rows.filter((row: { ready: boolean; state: string }) => row.ready && row.state === 'Running').length
    }
    await until(async () => (await ready()) === 3, slow)
    assert.equal((await home.cuddle(['ps:scale', 'web=1'], { cwd: repository })).code, 0)
    assert.equal((await home.cuddle(['rollback'], { cwd: repository })).code, 0)
    assert.match(await web(), /v1/)
    const result = await load.stop()
    assert.deepEqual(result.failures, [])
    assert.ok(result.sent > 100, `${result.sent} requests`)
  })

  test('a version that crashes is refused with the report, and the one before serves on', async () => {
    await commitEdit(
      home,
      repository,
      'lib/hello/application.ex',
      'Supervisor.start_link(children',
      'raise "no boot"\n    Supervisor.start_link(children',
    )
    const refused = await home.git(repository, 'push', 'cuddle', 'main')
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /web exited with code 1/)
    assert.match(refused.stderr, /last log lines:[\s\S]*no boot/)
    assert.match(refused.stderr, /Rolled back: v4 is still serving/)
    assert.match(await web(), /v1/)
  })

  test("an autoscaler of the cluster reads the BEAM's signals", async () => {
    const scaled = await home.app('scaled', 'elixir-hello')
    appendFileSync(join(scaled, 'cuddle.yaml'), 'scale: {web: {min: 1, max: 2, target: {utilisation: 90%}}}\n')
    assert.equal((await home.git(scaled, 'commit', '-qam', 'Scale')).code, 0)
    const pushed = await home.git(scaled, 'push', 'cuddle', 'main')
    assert.equal(pushed.code, 0, pushed.stderr)
    const kube = createKube(httpTransport(loadKubeConfig({ path: cluster.kubeconfig })))
    try {
      const path = '/apis/autoscaling/v2/namespaces/scaled/horizontalpodautoscalers/scaled-web'
      const reads = async () => {
        const { status } = await kube.request('GET', path)
        const active = status?.conditions?.find(({ type }: any) => type === 'ScalingActive')
        return active?.status === 'True' ? status : undefined
      }
      const { currentMetrics } = await until<any>(reads, { ...slow, what: 'ScalingActive' })
      assert.equal(currentMetrics[0].pods.metric.name, 'beam_scheduler_utilisation_ratio')
    } finally {
      kube.close()
    }
    assert.equal((await home.cuddle(['destroy', 'scaled', '--confirm', 'scaled'])).code, 0)
  })

  test('run and logs reach the pods', async () => {
    const ran = await home.cuddle(['run', '--', 'id -u; bin/hello eval "IO.puts(6 * 7)"; exit 3'], { cwd: repository })
    assert.deepEqual([ran.stdout.trim().split('\n'), ran.code], [['1000', '42'], 3], ran.stderr)
    const logs = await home.cuddle(['logs'], { cwd: repository })
    assert.match(logs.stdout, /hello v1 listens/)
  })

  test('a platform that is killed goes on where it was', async () => {
    const before = { control: home.pid('control'), node: home.pid('node') }
    process.kill(before.control, 'SIGKILL')
    process.kill(before.node, 'SIGKILL')
    await until(() => home.pid('control') !== before.control && isAlive(home.pid('control')), slow)
    await until(async () => /v1/.test(await web()), slow)
    assert.equal((await home.cuddle(['config:set', 'A=1'], { cwd: repository })).code, 0)
  })

  test('new code is loaded into the running pods of a BEAM cluster', async () => {
    const counter = await home.app('counter', 'elixir-counter')
    await commitEdit(home, counter, 'cuddle.yaml', /^scale: .*$/m, 'scale: {web: 2}\nstrategy: hot')
    const first = await home.git(counter, 'push', 'cuddle', 'main')
    assert.equal(first.code, 0, first.stderr)
    const pods = async () => (await home.json(['ps'], { cwd: counter })).map((row: any) => [row.pod, row.restarts])
    const before = await pods()
    await commitEdit(home, counter, 'lib/counter.ex', '@version "v1"', '@version "v2"')
    const hot = await home.git(counter, 'push', 'cuddle', 'main')
    assert.equal(hot.code, 0, hot.stderr)
    assert.match(hot.stderr, /Loading v3 into 2 running pods/)
    assert.deepEqual(await pods(), before)
    assert.match((await home.get('counter')).body, /^counter v2\nnode: +counter@[\d.]+\nnodes: counter@/)
    assert.equal((await home.cuddle(['destroy', 'counter', '--confirm', 'counter'])).code, 0)
  })

  test('apps outlive down; destroy leaves nothing of them', async () => {
    const kubectl = (...args: string[]) =>
      exec('kubectl', ['--kubeconfig', cluster.kubeconfig, ...args], { env: home.env })
    const registered = async () => (await kubectl('get', 'apiservices', '-o', 'name')).stdout
    assert.match(await registered(), /v1beta2\.custom\.metrics\.k8s\.io/)
    assert.match((await home.cuddle(['down'])).stdout, /apps go on running/)
    assert.doesNotMatch(await registered(), /metrics\.k8s\.io|signals\.cuddle\.dev/, 'down takes the registration back')
    assert.match((await kubectl('-n', 'hello', 'get', 'pods')).stdout, /hello-web-.*Running/)
    assert.equal((await home.up()).code, 0, 'the cluster and the registry are remembered')
    await until(async () => /v1/.test(await web()), slow)
    assert.equal((await home.cuddle(['destroy', 'hello', '--confirm', 'hello'])).code, 0)
    assert.match((await kubectl('get', 'namespace', 'hello')).stderr, /not found/i)
    assert.equal((await home.cuddle(['down'])).code, 0)
  })

  test('the demo tells its story there', async () => {
    const script = [join(root, 'scripts/demo.ts'), '--check', '--kubeconfig', cluster.kubeconfig]
    const child = spawn(process.execPath, [...process.execArgv, ...script, '--registry', cluster.node!.registry])
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const code = await new Promise((resolve) => child.once('exit', resolve))
    assert.equal(code, 0, output)
    assert.match(output, /✓ no request failed/)
  })
})
