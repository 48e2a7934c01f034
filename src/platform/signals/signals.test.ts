import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Sample } from '#beam'
import { ensurePki, openStore, startApiServer } from '#cluster'
import { createKube, type Kube } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { FakeClock, temporaryDirectory, until } from '#lib/testing'
import { installPlatform } from '../install/index.ts'
import { checkMetricsFree, SignalStore, startSignalServer } from './index.ts'
import { prometheusText } from './prometheus.ts'
import { isReached, register, unregister } from './register.ts'

const settings = { baseDomain: 'localhost', scheme: 'http' as const, platformUrl: 'http://127.0.0.1:1' }
const root = '/apis/custom.metrics.k8s.io'
const pods = `${root}/v1beta2/namespaces/shop/pods`
const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices'

/** A look at a node that is busy by this share. */
function sample(utilisation: number, published: Record<string, number> = {}): Sample {
  return {
    overMs: 1000,
    utilisation,
    schedulers: [utilisation],
    dirtyCpuUtilisation: 0,
    uptimeMs: 1000,
    schedulersOnline: 2,
    schedulersTotal: 4,
    runQueue: { total: 6, normal: [3, 3], dirtyCpu: 0, dirtyIo: 0 },
    memory: { total: 50_000_000 },
    processes: { count: 100, limit: 1000 },
    ports: { count: 1, limit: 10 },
    atoms: { count: 1, limit: 10 },
    ets: { count: 1, limit: 10 },
    perSecond: { reductions: 1, collections: 1, reclaimedWords: 1, inputBytes: 1, outputBytes: 1 },
    published,
  }
}

const origin = (pod: string) => ({
  app: 'shop',
  process: 'web',
  pod,
  node: `shop@10.0.0.${pod.at(-1)}`,
  otpRelease: '27',
})

async function cluster(t: { after(fn: () => void | Promise<void>): void }) {
  const home = temporaryDirectory(t)
  const pki = await ensurePki(home)
  const store = await openStore({ path: join(home, 'state.db'), encryptionKey: pki.encryptionKey })
  const api = await startApiServer({ pki, store, port: 0 })
  const as = (name: string, ...groups: string[]) => createKube(api.transport({ name, groups }))
  const kube = as('control', 'system:masters')
  await installPlatform(kube, settings, systemClock)
  const ends: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const end of ends) await end()
    await api.close()
    await store.close()
  })
  const serve = async (host: string, log = silentLogger) => {
    const signals = new SignalStore()
    const stop = new AbortController()
    const options = { kube, store: signals, clock: systemClock, log, host, port: 0 }
    const server = await startSignalServer({ ...options, signal: stop.signal })
    const end = async () => {
      stop.abort()
      await server.close()
    }
    ends.push(end)
    return { signals, end }
  }
  const answers = () => kube.request('GET', `${root}/v1beta2`).catch(() => undefined)
  const registered = async (): Promise<any[]> => {
    const { items } = await kube.request('GET', apiServices)
    return items.filter(({ spec }: any) => spec.service)
  }
  return { kube, as, serve, answers, registered }
}

async function served(t: Parameters<typeof cluster>[0]) {
  const made = await cluster(t)
  const { signals } = await made.serve('127.0.0.1')
  await until(async () => (await made.answers()) !== undefined)
  return { ...made, signals }
}

async function pod(kube: Kube, name: string, labels: Record<string, string>): Promise<void> {
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  }
  await kube.request('POST', '/api/v1/namespaces/shop/pods', { body })
}

const refused = (promise: Promise<unknown>) =>
  promise.then(
    () => 'allowed',
    (error) => [error.code, error.message],
  )

test('what nodes say is served to Kubernetes, in the words of its custom metrics API', async (t) => {
  const { kube, as, signals } = await served(t)
  await kube.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'shop' } } })
  for (const name of ['web-1', 'web-2']) await pod(kube, name, { app: 'shop', part: name })
  const now = Date.now()
  signals.put(origin('web-1'), sample(0.25, { waiting: 3 }), now - 1000)
  signals.put(origin('web-1'), sample(0.75, { waiting: 4 }), now)
  signals.put(origin('web-2'), sample(0.1), now)

  await t.test('of each pod, averaged over some seconds', async () => {
    const { items } = await kube.request('GET', `${pods}/*/beam_scheduler_utilisation_ratio?labelSelector=app%3Dshop`)
    const values = items.map((item: any) => [item.describedObject.name, item.value, item.windowSeconds])
    assert.deepEqual(values, [
      ['web-1', '500m', 2],
      ['web-2', '100m', 1],
    ])
    const one = await kube.request('GET', `${pods}/*/beam_run_queue?labelSelector=part%3Dweb-2`)
    assert.deepEqual(
      one.items.map((item: any) => [item.describedObject.kind, item.metric.name, item.value]),
      [['Pod', 'beam_run_queue', '6']],
    )
  })

  await t.test('all at once, as kubectl prints it', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    const path = '/apis/signals.cuddle.dev/v1/namespaces/shop/beamnodes'
    const table = await kube.request('GET', path, { headers: { accept } })
    assert.deepEqual([table.kind, table.columnDefinitions[1].name], ['Table', 'Utilisation'])
    assert.deepEqual(
      table.rows.map(({ cells, object }: any) => [object.metadata.name, ...cells.slice(1, 5)]),
      [
        ['web-1', '50.0%', 2, 6, '48Mi'],
        ['web-2', '10.0%', 2, 6, '48Mi'],
      ],
    )
    assert.equal((await kube.request('GET', path)).kind, 'BeamNodeList')
  })

  await t.test('and of what holds several pods', async () => {
    const whole = async (path: string) =>
      (await kube.request('GET', `${root}/v1beta2/namespaces/shop/${path}`)).items[0]
    assert.equal((await whole('metrics/beam_scheduler_utilisation_ratio')).value, '300m')
    const memory = await whole('metrics/beam_memory_bytes')
    assert.deepEqual([memory.value, memory.describedObject.kind], ['100000000', 'Namespace'])
    await kube.request('POST', '/apis/apps/v1/namespaces/shop/deployments', {
      body: {
        metadata: { name: 'web' },
        spec: {
          selector: { matchLabels: { app: 'shop' } },
          template: { metadata: { labels: { app: 'shop' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      },
    })
    assert.equal((await whole('deployments.apps/web/beam_scheduler_utilisation_ratio')).value, '300m')
  })

  await t.test('also what the app publishes, in both versions', async () => {
    const { items } = await kube.request('GET', `${root}/v1beta1/namespaces/shop/pods/web-1/waiting`)
    assert.deepEqual([items[0].metricName, items[0].value], ['waiting', '4'])
    const { resources } = await kube.request('GET', `${root}/v1beta2`)
    const listed = resources.map(({ name }: any) => name)
    assert.ok(listed.includes('pods/waiting') && listed.includes('namespaces/beam_atoms_ratio'))
  })

  await t.test('what nobody has is not found', async () => {
    assert.deepEqual(await refused(kube.request('GET', `${pods}/*/nothing`)), [
      404,
      'the server could not find the metric nothing for pods',
    ])
    assert.deepEqual((await refused(kube.request('GET', `${pods}/web-9/beam_atoms`)))[0], 404)
    assert.deepEqual((await refused(kube.request('GET', `${pods}/%2E%2E/x/y/z`)))[0], 400)
  })

  await t.test('only who may read them is told', async () => {
    const stranger = as('jane', 'system:authenticated')
    assert.equal((await refused(stranger.request('GET', `${pods}/*/beam_atoms`)))[0], 403)
    const rules = [{ apiGroups: ['custom.metrics.k8s.io'], resources: ['pods/beam_atoms'], verbs: ['get', 'list'] }]
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/shop'
    await kube.request('POST', `${rbac}/roles`, { body: { metadata: { name: 'reader' }, rules } })
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }]
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' }
    await kube.request('POST', `${rbac}/rolebindings`, { body: { metadata: { name: 'reader' }, roleRef, subjects } })
    assert.equal((await stranger.request('GET', `${pods}/*/beam_atoms`)).items.length, 2)
    assert.equal((await refused(stranger.request('GET', `${pods}/*/beam_ports`)))[0], 403)
  })
})

test('it is found under a name too, and takes the registration back when it ends', async (t) => {
  const { serve, answers, registered } = await cluster(t)
  assert.deepEqual(await registered(), [])
  const { end } = await serve('localhost')
  await until(async () => (await answers()) !== undefined)
  assert.equal((await registered()).length, 3)
  await end()
  assert.deepEqual(await registered(), [])
  assert.equal(await answers(), undefined)
})

test('where another adapter serves custom metrics it is left alone, and named', async (t) => {
  const { kube, serve, registered } = await cluster(t)
  const service = { namespace: 'monitoring', name: 'prometheus-adapter', port: 443 }
  const body = {
    ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService' },
    metadata: { name: 'v1beta1.custom.metrics.k8s.io' },
    spec: {
      ...{ group: 'custom.metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
      ...{ insecureSkipTLSVerify: true, service },
    },
  }
  await kube.request('POST', apiServices, { body })
  await assert.rejects(checkMetricsFree(kube), {
    code: 'metrics-taken',
    message: /served by monitoring\/prometheus-adapter/,
  })
  const told: string[] = []
  const { end } = await serve('127.0.0.1', { ...silentLogger, error: (one: any) => void told.push(one.error) } as never)
  assert.match(told.join(), /served by monitoring\/prometheus-adapter/)
  await end()
  const [theirs, ...others] = await registered()
  assert.deepEqual([theirs.spec.service, others], [service, []])
})

test('a place that the API server does not reach is found out, and given up', async (t) => {
  const { kube, registered } = await cluster(t)
  await register(kube, { host: '127.0.0.1', port: 9, caBundle: 'none' })
  assert.equal((await registered()).length, 3)
  const clock = new FakeClock()
  let reached: boolean | undefined
  void isReached(kube, clock, new AbortController().signal).then((answer) => (reached = answer))
  await until(async () => {
    await clock.advance(1_000)
    return reached !== undefined
  })
  assert.equal(reached, false)
  await unregister(kube)
  assert.deepEqual(await registered(), [])
})

test('Prometheus reads the same numbers; nodes that do not answer are down, and say nothing', () => {
  const store = new SignalStore()
  store.put(origin('web-1'), sample(0.5, { waiting: 3 }), 100_000)
  store.put(origin('web-2'), sample(0.5), 70_000)
  const text = prometheusText(store.pods('shop', 100_500))
  const labels = 'app="shop",process="web",pod="web-1",node="shop@10.0.0.1"'
  assert.ok(
    text.includes(
      `# TYPE beam_scheduler_utilisation_ratio gauge\nbeam_scheduler_utilisation_ratio{${labels}} 0.5\n# HELP`,
    ),
  )
  assert.ok(text.includes(`\nwaiting{${labels}} 3\n`))
  assert.ok(
    text.includes(`beam_up{${labels}} 1\nbeam_up{app="shop",process="web",pod="web-2",node="shop@10.0.0.2"} 0\n`),
  )
})
