import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controllerOf, Job, Namespace, Pod, ServiceAccount } from '#kube'
import { until } from '#lib/testing'
import { startTestCluster } from '../testing/cluster.ts'
import { failuresKey, indexKey } from './kinds.ts'

const containers = [{ name: 'c', image: 'a:1' }]

async function cluster(t: Parameters<typeof startTestCluster>[0]) {
  const test = await startTestCluster(t)
  await test.kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as any)
  await until(() => test.kube.find(ServiceAccount, 'default', 'shop'))
  return test
}

const job = (spec: object): any => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j', namespace: 'shop' },
  spec: { template: { spec: { containers, restartPolicy: 'Never' } }, ...spec },
})

test('a Job with a selector of its own adopts a pod, counts it, and lets it go', async (t) => {
  const { kube, fate } = await cluster(t)
  const labels = { batch: 'night' }
  const metadata = { name: 'orphan', namespace: 'shop', labels }
  const spec = { containers, restartPolicy: 'Never' }
  await kube.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata, spec } as any)
  const template = { metadata: { labels }, spec }
  await kube.create(Job, job({ manualSelector: true, selector: { matchLabels: labels }, template }))
  const adopted = await until(async () => {
    const pod = await kube.get(Pod, 'orphan', 'shop')
    return controllerOf(pod) ? pod : undefined
  })
  assert.deepEqual(adopted.metadata.finalizers, ['batch.kubernetes.io/job-tracking'])
  assert.equal((await kube.list(Pod, { namespace: 'shop' })).items.length, 1)
  fate(() => 'succeed')
  await until(async () => (await kube.get(Job, 'j', 'shop')).status?.succeeded === 1)
  await until(async () => (await kube.get(Pod, 'orphan', 'shop')).metadata.finalizers === undefined)
})

test('an index that fails too often fails alone; the Job fails when all others are done', async (t) => {
  const { kube, fate } = await cluster(t)
  fate((pod) => (pod.metadata.annotations?.[indexKey] === '1' ? 'fail' : 'succeed'))
  await kube.create(Job, job({ completionMode: 'Indexed', completions: 3, parallelism: 3, backoffLimitPerIndex: 0 }))
  const ended = await until(async () => {
    const live = await kube.get(Job, 'j', 'shop')
    return live.status?.conditions?.some(({ type }) => type === 'Failed') ? live : undefined
  })
  assert.equal(ended.status!.conditions!.at(-1)!.reason, 'FailedIndexes')
  assert.deepEqual([ended.status!.completedIndexes, ended.status!.failedIndexes], ['0,2', '1'])
  const { items } = await kube.list(Pod, { namespace: 'shop' })
  assert.ok(items.every(({ metadata }) => metadata.annotations?.[failuresKey] === '0'))
})
