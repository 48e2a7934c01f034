import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment, HorizontalPodAutoscaler, type KubeObject, Pod } from '#kube'
import { until } from '#lib/testing'
import { autoscaler } from '#manifests'
import { startTestCluster } from '../cluster/controllers/testing/cluster.ts'
import { applyAll, prune } from './apply.ts'

const meta = {
  namespace: 'shop',
  labels: { 'cuddle.dev/app': 'shop', 'cuddle.dev/process': 'web', 'app.kubernetes.io/managed-by': 'cuddle' },
}

function objects(scale: number | { min: number; max: number }): KubeObject[] {
  const selector = { matchLabels: { 'cuddle.dev/app': 'shop' } }
  const template = { metadata: { labels: selector.matchLabels }, spec: { containers: [{ name: 'web', image: 'a:1' }] } }
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...meta, name: 'shop-web' },
      spec: { ...(typeof scale === 'number' ? { replicas: scale } : {}), selector, template },
    },
    ...(typeof scale === 'number'
      ? []
      : [
          autoscaler(
            { app: 'shop', namespace: 'shop', release: 1 },
            'web',
            { kind: 'Deployment', nodes: false },
            scale,
          ),
        ]),
  ]
}

test('replicas are left to the autoscaler while there is one, and no pod stops when it comes or goes', async (t) => {
  const { kube } = await startTestCluster(t)
  const replicas = async () => (await kube.get(Deployment, 'shop-web', 'shop')).spec!.replicas
  const bounds = async () => (await kube.find(HorizontalPodAutoscaler, 'shop-web', 'shop'))?.spec
  const running = async () => (await kube.list(Pod, { namespace: 'shop' })).items.map(({ metadata }) => metadata.name)

  await applyAll(kube, objects({ min: 2, max: 5 }))
  assert.equal(await replicas(), 2, 'it begins with the lower end')
  await applyAll(kube, objects({ min: 2, max: 5 }))
  assert.equal(await replicas(), 2, 'and keeps it when applied again')
  await kube.request('PATCH', '/apis/apps/v1/namespaces/shop/deployments/shop-web/scale', {
    body: { spec: { replicas: 4 } },
    contentType: 'application/merge-patch+json',
  })
  await applyAll(kube, objects({ min: 2, max: 5 }))
  assert.equal(await replicas(), 4, 'what the autoscaler sets stays')
  await until(async () => (await running()).length === 4)

  await applyAll(kube, objects(3))
  await prune(kube, 'shop', objects(3))
  assert.deepEqual([await replicas(), await bounds()], [3, undefined])
  await until(async () => (await running()).length === 3)
  const before = await running()
  await applyAll(kube, objects({ min: 1, max: 5 }))
  assert.equal(await replicas(), 3)
  assert.deepEqual(await running(), before)
  await applyAll(kube, objects(0))
  await applyAll(kube, objects({ min: 2, max: 5 }))
  assert.deepEqual([await replicas(), (await bounds())?.maxReplicas], [2, 5])
})
