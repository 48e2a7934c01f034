import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createKube, httpTransport, loadKubeConfig, Pod } from '#kube'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { newHome } from './harness.ts'

const app = 'hello'
const spec = `
scale: {web: {min: 1, max: 3, target: {utilisation: 60%}}}
patches:
  - target: {kind: HorizontalPodAutoscaler}
    patch: {spec: {behavior: {scaleDown: {stabilizationWindowSeconds: 3}}}}
`
/** Keeps all schedulers of the node that it runs on busy for a while. */
const spin = (seconds: number) => `
for _ <- 1..4 do
  spawn(fn ->
    stop = System.monotonic_time(:second) + ${seconds}
    loop = fn loop -> if System.monotonic_time(:second) < stop, do: loop.(loop) end
    loop.(loop)
  end)
end
:ok`
const publish = `
spawn(fn ->
  :ets.new(:cuddle_metrics, [:named_table, :public])
  :ets.insert(:cuddle_metrics, waiting: 7, share: 0.25)
  receive do: (:stop -> :ok)
end)
:ok`

const missing = (await exec('sh', ['-c', 'command -v mix'], { env: { PATH: process.env.PATH } })).code !== 0

test('an app is scaled and resized by what its nodes say', { skip: missing && 'needs elixir' }, async (t) => {
  const home = await newHome(t)
  // Pods have two schedulers at least: only a third shows that they follow.
  assert.equal((await home.up('--cpus', '4')).code, 0)
  const repository = await home.app(app, 'elixir-hello')
  appendFileSync(join(repository, 'cuddle.yaml'), spec)
  assert.equal((await home.git(repository, 'commit', '-qam', 'Scale')).code, 0)
  const pushed = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(pushed.code, 0, pushed.stderr)
  const kube = createKube(httpTransport(loadKubeConfig({ path: home.env.KUBECONFIG })))
  t.after(() => kube.close())

  const pods = async () => {
    const rows = await home.json(['ps', '-a', app])
    return rows.filter((row: any) => row.state === 'Running' && row.ready).map((row: any) => row.pod) as string[]
  }
  const rpc = async (pod: string, code: string) => {
    const result = await home.cuddle(['rpc', '-a', app, '--pod', pod, code])
    assert.equal(result.code, 0, result.stderr)
    return result.stdout.trim()
  }
  const nodes = async () => {
    const { items } = await kube.request('GET', `/apis/signals.cuddle.dev/v1/namespaces/${app}/beamnodes`)
    return new Map<string, any>(items.map((item: any) => [item.metadata.name, item]))
  }
  const [first] = await pods()

  await t.test('its nodes know no others, and say how they are', async () => {
    const node = await until(async () => (await nodes()).get(first), { what: 'signals', timeoutMs: 30_000 })
    assert.ok(node.utilisation < 0.6 && node.schedulersOnline === 2 && node.memory.total > 1e6)
    assert.equal(await rpc(first, 'Node.list()'), '[]')
    await rpc(first, publish)
    const path = `/apis/custom.metrics.k8s.io/v1beta2/namespaces/${app}/pods/*`
    const published = () => kube.request('GET', `${path}/waiting`).catch(() => undefined)
    const { items } = await until<any>(published, { what: 'a published number' })
    assert.equal(items[0].value, '7')
    const [row] = await home.json(['ps', '-a', app, '--beam'])
    assert.deepEqual([row.from, row.published.share], ['platform', 0.25])
  })

  await t.test('more pods come while it is busy, and go when it is not', async () => {
    await rpc(first, spin(25))
    await until(async () => (await pods()).length > 1, { what: 'more pods', timeoutMs: 60_000 })
    await until(async () => (await pods()).length === 1, { what: 'one pod', timeoutMs: 120_000 })
  })

  await t.test('a node that hangs or dies keeps no other from being heard', async () => {
    assert.equal((await home.cuddle(['ps:scale', 'web=2', '-a', app])).code, 0)
    const [hangs, other] = await pods()
    await until(async () => (await nodes()).size === 2, { what: 'two nodes', timeoutMs: 30_000 })
    const pid = Number(JSON.parse(await rpc(hangs, 'System.pid()')))
    process.kill(pid, 'SIGSTOP')
    t.after(() => {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // it has ended long ago
      }
    })
    const alone = await until(
      async () => {
        const now = await nodes()
        return !now.has(hangs) && now.has(other) ? now : undefined
      },
      { what: 'only the other', timeoutMs: 60_000 },
    )
    assert.ok(Date.now() - Date.parse(alone.get(other).timestamp) < 10_000, 'the other is heard as ever')
    process.kill(pid, 'SIGKILL')
    await until(async () => (await nodes()).get(hangs)?.uptimeMs > 0, { what: 'it again', timeoutMs: 60_000 })
  })

  await t.test('schedulers follow the CPU that a running pod is given', async () => {
    const [pod] = await pods()
    const before = await kube.get(Pod, pod, app)
    const resources = { requests: { cpu: '2500m', memory: '256Mi' }, limits: { memory: '256Mi' } }
    const patch = { spec: { containers: [{ name: 'web', resources }] } } as never
    await kube.patch(Pod, { name: pod, namespace: app }, patch, { type: 'strategic', subresource: 'resize' })
    await until(async () => (await nodes()).get(pod)?.schedulersOnline === 3, { what: 'three schedulers' })
    const after = await kube.get(Pod, pod, app)
    const [was, is] = [before, after].map((one) => one.status?.containerStatuses?.[0])
    assert.deepEqual([is?.containerID, is?.restartCount], [was?.containerID, was?.restartCount])
  })
})
