import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControllerRevision, DaemonSet, Namespace, Node, Pod, ServiceAccount } from '#kube'
import { until } from '#lib/testing'
import { startTestCluster } from '../testing/cluster.ts'

const labels = { app: 'agent' }
const ref = { name: 'agent', namespace: 'ops' }

test('a DaemonSet is on every node, follows new ones, rolls node by node and rolls back without a new revision', async (t) => {
  const { kube } = await startTestCluster(t, { nodes: 2 })
  await kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ops' } } as any)
  await until(() => kube.find(ServiceAccount, 'default', 'ops'))
  const containers = (image: string) => [{ name: 'agent', image }]
  await kube.create(DaemonSet, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: ref,
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: containers('a:1') } },
    },
  } as any)
  const settled = (image: string, count: number) =>
    until(async () => {
      const { status, metadata } = await kube.get(DaemonSet, ref.name, ref.namespace)
      const { items } = await kube.list(Pod, { namespace: 'ops' })
      const all = items.length === count && items.every((pod) => pod.spec!.containers[0].image === image)
      const current = status?.observedGeneration === metadata.generation && status?.updatedNumberScheduled === count
      return all && current && status?.numberAvailable === count ? items : undefined
    })
  const first = await settled('a:1', 2)
  assert.deepEqual(first.map((pod) => pod.spec!.nodeName).sort(), ['node-0', 'node-1'])

  await kube.patch(Node, { name: 'node-1' }, { spec: { unschedulable: true } }, { type: 'merge' })
  const { status } = await kube.get(Node, 'node-1')
  const another = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-2' } }
  await kube.create(Node, another as any)
  await kube.patch(Node, { name: 'node-2' }, { status }, { type: 'merge', subresource: 'status' })
  await settled('a:1', 3)

  const image = (tag: string) => ({ spec: { template: { spec: { containers: containers(tag) } } } })
  await kube.patch(DaemonSet, ref, image('a:2'), { type: 'strategic' })
  const second = await settled('a:2', 3)
  assert.ok(
    second.some((pod) => pod.spec!.nodeName === 'node-1'),
    'a cordoned node keeps its daemon',
  )
  await kube.patch(DaemonSet, ref, image('a:1'), { type: 'strategic' })
  await settled('a:1', 3)
  const { items: revisions } = await kube.list(ControllerRevision, { namespace: 'ops' })
  assert.deepEqual(revisions.map(({ revision }) => revision).sort(), [2, 3])

  await kube.delete(Pod, (await settled('a:1', 3))[0].metadata.name!, 'ops')
  await settled('a:1', 3)
})
