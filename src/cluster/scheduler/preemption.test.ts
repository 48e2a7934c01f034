import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Event, getCondition, Namespace, Pod, type ResourceType, ServiceAccount } from '#kube'
import { until } from '#lib/testing'
import { startTestCluster } from '../controllers/testing/cluster.ts'

const PriorityClass: ResourceType<any> = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  namespaced: false,
}

test('a more important pod takes the place of a less important one, which learns why', async (t) => {
  const { kube, fate } = await startTestCluster(t)
  await kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as any)
  await until(() => kube.find(ServiceAccount, 'default', 'shop'))
  const metadata = { name: 'urgent' }
  await kube.create(PriorityClass, { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata, value: 1000 })
  const pod = (name: string, cpu: string, spec: object = {}): any => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop' },
    spec: { containers: [{ name: 'c', image: 'a:1', resources: { requests: { cpu } } }], ...spec },
  })
  const nodeOf = async (name: string) => (await kube.find(Pod, name, 'shop'))?.spec?.nodeName
  await kube.create(Pod, pod('low', '3'))
  await until(() => nodeOf('low'))
  // A victim that stops at once would leave no time to see the promise: binding takes it back.
  fate(() => 'stuck')
  await kube.create(Pod, pod('high', '3', { priorityClassName: 'urgent' }))
  const nominated = await until(async () => {
    const live = await kube.get(Pod, 'high', 'shop')
    return live.status?.nominatedNodeName ? live : undefined
  })
  assert.equal(nominated.status!.nominatedNodeName, 'node-0')
  const victim = await until(async () => {
    const live = await kube.get(Pod, 'low', 'shop')
    return live.metadata.deletionTimestamp ? live : undefined
  })
  assert.equal(getCondition(victim, 'DisruptionTarget')?.reason, 'PreemptionByScheduler')
  fate(() => 'ready')
  await until(async () => (await nodeOf('high')) === 'node-0')
  await until(async () => {
    const { items } = await kube.list(Event, { namespace: 'shop' })
    return items.some(({ reason, involvedObject }) => reason === 'Preempted' && involvedObject?.name === 'low')
  })
})
