import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Namespace, Pod, ResourceQuota, StatefulSet } from '#kube'
import { systemClock } from '#lib'
import { until } from '#lib/testing'
import { startTestCluster } from '../../cluster/controllers/testing/cluster.ts'
import { explainWait } from '../waiting.ts'
import { readRefusals } from './refusals.ts'

const namespace = 'shop'
const labels = { 'cuddle.dev/app': 'shop', 'cuddle.dev/process': 'web' }
const minutes = 60_000

test('what a quota refuses to a StatefulSet is told, also when no Event is left that says so', async (t) => {
  const { kube } = await startTestCluster(t)
  await kube.create(Namespace, { metadata: { name: namespace } } as any)
  await kube.create(ResourceQuota, { metadata: { name: 'small', namespace }, spec: { hard: { pods: '1' } } } as any)
  const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'a:1' }] } }
  const spec = { replicas: 2, serviceName: 'shop', selector: { matchLabels: labels }, template }
  await kube.create(StatefulSet, { metadata: { name: 'shop-web', namespace, labels }, spec } as any)
  const ask = async (since: string, now: number) => {
    const { items: pods } = await kube.list(Pod, { namespace })
    const { items: sets } = await kube.list(StatefulSet, { namespace })
    return (await readRefusals(kube, sets, pods, since, now)).get('shop-web')
  }
  const { why } = (await until(() => ask('', systemClock.now())))!
  assert.match(why, /^pods "shop-web-1" is forbidden: exceeded quota: small, requested: pods=1/)
  const context = { kube, clock: systemClock, user: 'test' }
  await until(async () => /; more are refused: .*quota: small/.test(await explainWait(context, 'shop', 'web', 0)))

  const later = new Date(systemClock.now() + 10 * minutes).toISOString()
  assert.equal(await ask(later, systemClock.now() + 10 * minutes), undefined, 'the pod may just be made')
  assert.deepEqual(await ask(later, systemClock.now() + 11 * minutes), { why, sure: false })
  assert.deepEqual(await ask(later, systemClock.now() + 20 * minutes), { why, sure: true }, 'nothing happens any more')

  const { items } = await kube.list(StatefulSet, { namespace })
  const unheard = items.map((set) => ({ ...set, metadata: { ...set.metadata, uid: 'of-another' } }))
  const silent = await readRefusals(kube, unheard, [], later, systemClock.now() + 20 * minutes)
  assert.match(silent.get('shop-web')!.why, /no Event says why; kubectl -n shop describe statefulset shop-web may/)

  await kube.patch(ResourceQuota, { name: 'small', namespace }, { spec: { hard: { pods: '9' } } })
  await until(async () => (await kube.list(Pod, { namespace })).items.length === 2)
  assert.equal(await ask('', systemClock.now() + 20 * minutes), undefined, 'nothing is missing')
})
