import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import {
  createKube,
  Deployment,
  Event,
  getCondition,
  HorizontalPodAutoscaler,
  httpTransport,
  Namespace,
  Pod,
  ServiceAccount,
} from '#kube'
import { systemClock } from '#lib'
import { until } from '#lib/testing'
import { startTestCluster } from '../testing/cluster.ts'
import { plainSelector } from './controller.ts'
import { kubeMetrics, type MetricsSource, usageOf } from './metrics.ts'

test('a Deployment is scaled between its bounds, by what its pods use', async (t) => {
  let cpu = 0
  let pods: string[] = []
  const metrics: MetricsSource = {
    read: async () => {
      const at = Date.now() + 600_000
      return cpu === 0
        ? { error: 'not yet' }
        : { pods: new Map(pods.map((name) => [name, { value: cpu, at, window: 1 }])) }
    },
  }
  const { kube } = await startTestCluster(t, { metrics })
  await kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as any)
  await until(() => kube.find(ServiceAccount, 'default', 'shop'))
  const labels = { app: 'web' }
  const container = { name: 'web', image: 'a:1', resources: { requests: { cpu: '100m' } } }
  await kube.create(HorizontalPodAutoscaler, {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      minReplicas: 2,
      maxReplicas: 5,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
  } as any)
  const autoscaler = () => kube.get(HorizontalPodAutoscaler, 'web', 'shop')
  await until(async () => getCondition(await autoscaler(), 'AbleToScale')?.reason === 'FailedGetScale')
  await kube.create(Deployment, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
  } as any)
  const replicas = async () => (await kube.get(Deployment, 'web', 'shop')).spec!.replicas
  await until(async () => (await replicas()) === 2, { what: 'the minimum', timeoutMs: 10_000 })
  const touch = (minReplicas: number) =>
    kube.patch(
      HorizontalPodAutoscaler,
      { name: 'web', namespace: 'shop' },
      { spec: { minReplicas } },
      { type: 'merge' },
    )
  await touch(1)
  await until(async () => getCondition(await autoscaler(), 'ScalingActive')?.reason === 'FailedGetResourceMetric')
  assert.equal(await replicas(), 2)

  await until(async () => {
    const { items } = await kube.list(Pod, { namespace: 'shop' })
    pods = items.map(({ metadata }) => metadata.name!)
    return items.length === 2 && items.every((pod) => getCondition(pod, 'Ready')?.status === 'True')
  })
  const start = new Date(Date.now() - 3_600_000).toISOString()
  for (const name of pods)
    await kube.patch(
      Pod,
      { name, namespace: 'shop' },
      { status: { startTime: start } },
      { type: 'merge', subresource: 'status' },
    )
  cpu = 90
  await touch(2)
  await until(async () => (await replicas()) === 4, { what: 'twice as many' })
  const { status } = await until(async () => {
    const live = await autoscaler()
    return live.status?.lastScaleTime && live.status.desiredReplicas === 4 ? live : undefined
  })
  assert.equal(status!.currentMetrics![0].resource!.current.averageUtilization, 90)
  await until(async () => {
    const { items } = await kube.list(Event, { namespace: 'shop' })
    return items.some(({ message }) => message?.startsWith('New size: 4; reason: cpu resource utilization'))
  })
})

test('metrics come from the three APIs; what a cluster does not serve is an error in words', async (t) => {
  const asked: string[] = []
  const item = { describedObject: { name: 'web-1' }, timestamp: '2026-01-01T00:00:00Z', value: '1500m' }
  const answers: Record<string, object> = {
    '/apis/custom.metrics.k8s.io': { preferredVersion: { version: 'v1beta2' } },
    '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/queue?labelSelector=app%3Dweb': { items: [item] },
    '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/hits': { items: [item] },
    '/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb': { items: [] },
  }
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    const answer = answers[decodeURIComponent(url)] ?? answers[url]
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer ?? { kind: 'Status', code: 404, message: 'nothing there', reason: 'NotFound' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const kube = createKube(httpTransport({ server: `http://127.0.0.1:${port}` } as any))
  t.after(() => kube.close())
  const source = kubeMetrics(
    { ...kube, request: kube.request.bind(kube), resolve: async () => ({ group: '', plural: 'services' }) as any },
    systemClock,
  )
  const target = { type: 'Value', value: '1' }
  const read = (spec: object) => source.read(spec as any, 'shop', 'app=web')
  assert.deepEqual(await read({ type: 'Pods', pods: { metric: { name: 'queue' }, target } }), {
    pods: new Map([['web-1', { value: 1500, at: Date.parse(item.timestamp), window: 60_000 }]]),
  })
  const describedObject = { apiVersion: 'v1', kind: 'Service', name: 'web' }
  assert.deepEqual(await read({ type: 'Object', object: { metric: { name: 'hits' }, describedObject, target } }), {
    value: 1500,
  })
  assert.equal(asked.filter((path) => path === '/apis/custom.metrics.k8s.io').length, 1)
  assert.deepEqual(await read({ type: 'Resource', resource: { name: 'cpu', target } }), {
    error: 'no metrics returned from resource metrics API',
  })
  assert.deepEqual(await read({ type: 'External', external: { metric: { name: 'x' }, target } }), {
    error:
      'unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered',
  })
})

test('PodMetrics are summed over containers, or of one; a pod that is not wholly known is left out', () => {
  const item = (name: string, ...usages: (string | undefined)[]) => ({
    metadata: { name },
    timestamp: '2026-01-01T00:00:00Z',
    window: '10s',
    containers: usages.map((cpu, index) => ({ name: `c${index}`, usage: { cpu } })),
  })
  const items = [item('a', '100m', '250u'), item('b', '1', undefined)]
  assert.deepEqual(
    [...usageOf(items, 'cpu')].map(([name, { value, window }]) => [name, value, window]),
    [['a', 100, 10_000]],
  )
  assert.deepEqual(
    [...usageOf(items, 'cpu', 'c0').values()].map(({ value }) => value),
    [100, 1000],
  )
})

test('selectors that say only what is equal are looked up in the cache', () => {
  assert.deepEqual(plainSelector('a=b,c.d/e=f'), { a: 'b', 'c.d/e': 'f' })
  for (const text of ['a in (b)', '!a', 'a!=b', 'a']) assert.equal(plainSelector(text), undefined)
})
