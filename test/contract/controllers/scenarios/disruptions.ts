import assert from 'node:assert/strict'
import { type ApiError, Deployment, isConflict, Pod, PodDisruptionBudget, StatefulSet } from '#kube'
import { deployment, pod, statefulSet } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const budget = (spec: object) => ({
  metadata: { name: 'budget' },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
})
const status = (w: World) => w.find(PodDisruptionBudget, 'budget')?.status as any
const allows = (w: World, allowed: number, healthy: number, expected: number) => () => {
  const { disruptionsAllowed, currentHealthy, expectedPods } = status(w) ?? {}
  assert.deepEqual([disruptionsAllowed, currentHealthy, expectedPods], [allowed, healthy, expected])
  return true
}
/** The code that an eviction is answered with. */
async function evict(w: World, which: Parameters<World['pods']>[0] = {}): Promise<number> {
  const [found] = w.pods(which)
  for (;;) {
    try {
      await w.kube.evict(found.metadata.name!, w.ns)
      return 201
    } catch (error) {
      // A budget that is just being updated.
      if (!isConflict(error)) return (error as ApiError).code
    }
  }
}

for (const [spec, allowed] of [
  [{ minAvailable: 3 }, 2],
  [{ minAvailable: '50%' }, 2],
  [{ maxUnavailable: 1 }, 1],
  [{ maxUnavailable: '30%' }, 2],
  [{ minAvailable: 0 }, 5],
  [{ minAvailable: '100%' }, 0],
] as const) {
  scenario(`a budget of ${JSON.stringify(spec).replaceAll(/[{}"]/g, '')}`, async (w) => {
    await w.node()
    await w.create(PodDisruptionBudget, budget(spec))
    await w.frame('without pods', () => status(w)?.observedGeneration === 1)
    await w.create(Deployment, deployment(w, 'web', { replicas: 5 }, { does: 'running' }))
    await w.frame('none is healthy', allows(w, 'minAvailable' in spec && spec.minAvailable === 0 ? 0 : 0, 0, 5))
    await w.tell('ready', {})
    await w.frame('all are healthy', allows(w, allowed, 5, 5))
    await w.tell('running', {}, 1)
    await w.frame('one is not', () => status(w).currentHealthy === 4)
    await w.scale(Deployment, 'web', 2)
    await w.frame('two', () => status(w).expectedPods === 2)
  })
}

scenario('evictions use a budget up', async (w) => {
  await w.node()
  await w.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }))
  await w.create(Deployment, deployment(w, 'web', { replicas: 3 }, { lingers: true }))
  await w.frame('created', allows(w, 1, 3, 3))
  assert.equal(await evict(w), 201)
  await w.frame('one goes and another is up', () => w.pods({ ready: true }).length === 3 && allows(w, 1, 3, 3)())
  await w.tell('running', {}, 1)
  await w.frame('one is not well', allows(w, 0, 2, 3))
  assert.equal(await evict(w, { ready: true }), 429)
  await w.frame('refused', allows(w, 0, 2, 3))
})

for (const policy of ['IfHealthyBudget', 'AlwaysAllow'] as const) {
  scenario(`an unhealthy pod is evicted: ${policy}`, async (w) => {
    await w.node()
    await w.create(PodDisruptionBudget, budget({ minAvailable: 3, unhealthyPodEvictionPolicy: policy }))
    await w.create(Deployment, deployment(w, 'web', { replicas: 3 }))
    await w.frame('created', allows(w, 0, 3, 3))
    await w.tell('running', {}, 1)
    await w.frame('one is not well', allows(w, 0, 2, 3))
    assert.equal(await evict(w, { ready: false }), policy === 'AlwaysAllow' ? 201 : 429)
    await w.frame('evicted', allows(w, 0, policy === 'AlwaysAllow' ? 3 : 2, 3))
  })
}

scenario('a budget over StatefulSet and bare pods', async (w) => {
  await w.node()
  await w.create(PodDisruptionBudget, budget({ minAvailable: 1 }))
  await w.create(StatefulSet, statefulSet(w, 'web', { replicas: 2 }))
  await w.frame('a StatefulSet', allows(w, 1, 2, 2))
  await w.create(Pod, pod(w, 'bare', { labels: { app: 'web' } }))
  await w.frame('and a bare pod', () => status(w).currentHealthy === 3)
  await w.patch(PodDisruptionBudget, 'budget', { spec: { minAvailable: null, maxUnavailable: 1 } })
  await w.frame('of which it cannot be said how many there should be', () => status(w).observedGeneration === 2)
})
