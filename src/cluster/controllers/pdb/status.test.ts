import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { budgetStatus } from './status.ts'

const now = Date.parse('2026-01-01T00:10:00Z')
const pod = (name: string, ready = true): objects.Pod =>
  ({
    metadata: { name },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }) as any
const budget = (spec: object, status?: object): objects.PodDisruptionBudget =>
  ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b', generation: 2 },
    spec,
    status,
  }) as any

for (const [spec, ready, expected, allowed, desired] of [
  [{ maxUnavailable: 1 }, 3, 3, 1, 2],
  [{ maxUnavailable: 1 }, 2, 3, 0, 2],
  [{ minAvailable: 2 }, 3, 3, 1, 2],
  [{ minAvailable: '50%' }, 3, 3, 1, 2],
  [{ maxUnavailable: '30%' }, 3, 3, 1, 2],
  [{ maxUnavailable: '100%' }, 3, 3, 3, 0],
  [{ minAvailable: 5 }, 3, 3, 0, 5],
] as const) {
  test(`${JSON.stringify(spec)} with ${ready} of ${expected} ready allows ${allowed}`, () => {
    const pods = Array.from({ length: expected }, (_, index) => pod(`p${index}`, index < ready))
    const { status } = budgetStatus(budget(spec), pods, expected, now)
    assert.deepEqual(
      [status.disruptionsAllowed, status.desiredHealthy, status.currentHealthy],
      [allowed, desired, ready],
    )
    assert.equal(status.observedGeneration, 2)
    assert.equal(status.conditions[0].reason, allowed > 0 ? 'SufficientPods' : 'InsufficientPods')
  })
}

test('a granted eviction counts as unhealthy until the pod goes or two minutes pass', () => {
  const pods = [pod('a'), pod('b'), pod('c')]
  const granted = {
    disruptedPods: { a: '2026-01-01T00:09:00Z', b: '2026-01-01T00:01:00Z', gone: '2026-01-01T00:09:30Z' },
  }
  const { status, nextIn } = budgetStatus(budget({ maxUnavailable: 1 }, granted), pods, 3, now)
  assert.deepEqual(status.disruptedPods, { a: '2026-01-01T00:09:00Z' })
  assert.equal(status.disruptionsAllowed, 0)
  assert.equal(nextIn, 60_000)
})
