import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { type History, limit } from './behavior.ts'
import { planAutoscaler, recordChange } from './decide.ts'
import type { Reading } from './samples.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const before = (seconds: number) => now - seconds * 1000
const none: History = { recommendations: [], added: [], removed: [] }

const pods = (type: string, value: number, periodSeconds = 60) => ({ type, value, periodSeconds })

for (const [what, behavior, current, desired, history, expected, reason] of [
  ['twice as many', undefined, 10, 50, {}, 20, 'ScaleUpLimit'],
  ['four at once', undefined, 1, 50, {}, 4, 'ScaleUpLimit'],
  ['the maximum', undefined, 80, 120, {}, 100, 'TooManyReplicas'],
  ['the minimum', undefined, 5, 1, {}, 2, 'TooFewReplicas'],
  [
    'the highest of five minutes',
    undefined,
    8,
    3,
    {
      recommendations: [
        { replicas: 6, at: before(200) },
        { replicas: 9, at: before(301) },
      ],
    },
    6,
    'DesiredWithinRange',
  ],
  ['with rules: four more or twice as many', {}, 3, 50, {}, 7, 'ScaleUpLimit'],
  ['with rules: twice as many', {}, 10, 50, {}, 20, 'ScaleUpLimit'],
  ['a policy of pods', { scaleUp: { policies: [pods('Pods', 2)] } }, 10, 50, {}, 12, 'ScaleUpLimit'],
  [
    'what was added in the period counts',
    { scaleUp: { policies: [pods('Pods', 5)] } },
    10,
    50,
    { added: [{ change: 3, at: before(30) }] },
    12,
    'ScaleUpLimit',
  ],
  [
    'what was added before does not',
    { scaleUp: { policies: [pods('Pods', 5)] } },
    10,
    50,
    { added: [{ change: 3, at: before(61) }] },
    15,
    'ScaleUpLimit',
  ],
  [
    'what was taken away counts back',
    { scaleUp: { policies: [pods('Pods', 5)] } },
    10,
    50,
    { removed: [{ change: 4, at: before(30) }] },
    19,
    'ScaleUpLimit',
  ],
  [
    'the rate is used up',
    { scaleUp: { policies: [pods('Pods', 2)] } },
    10,
    50,
    { added: [{ change: 9, at: before(30) }] },
    10,
    'ScaleUpLimit',
  ],
  ['per cent round up', { scaleUp: { policies: [pods('Percent', 10)] } }, 15, 50, {}, 17, 'ScaleUpLimit'],
  [
    'Min takes the lesser change',
    { scaleUp: { selectPolicy: 'Min', policies: [pods('Pods', 2), pods('Percent', 100)] } },
    10,
    50,
    {},
    12,
    'ScaleUpLimit',
  ],
  ['Disabled changes nothing', { scaleUp: { selectPolicy: 'Disabled' } }, 10, 50, {}, 10, 'ScaleUpLimit'],
  [
    'down: five minutes’ highest',
    {},
    10,
    3,
    { recommendations: [{ replicas: 7, at: before(299) }] },
    7,
    'DesiredWithinRange',
  ],
  ['down: all at once when nothing holds', {}, 10, 3, {}, 3, 'DesiredWithinRange'],
  ['down: a policy of pods', { scaleDown: { policies: [pods('Pods', 3)] } }, 10, 3, {}, 7, 'ScaleDownLimit'],
  [
    'down: per cent round in favour of more',
    { scaleDown: { policies: [pods('Percent', 25)] } },
    10,
    3,
    {},
    7,
    'ScaleDownLimit',
  ],
  [
    'down: Min takes the lesser change',
    { scaleDown: { selectPolicy: 'Min', policies: [pods('Pods', 1), pods('Percent', 50)] } },
    10,
    3,
    {},
    9,
    'ScaleDownLimit',
  ],
  [
    'down: what was taken away counts',
    { scaleDown: { policies: [pods('Pods', 3)] } },
    10,
    3,
    { removed: [{ change: 2, at: before(30) }] },
    9,
    'ScaleDownLimit',
  ],
  ['down: Disabled changes nothing', { scaleDown: { selectPolicy: 'Disabled' } }, 10, 3, {}, 10, 'ScaleDownLimit'],
  [
    'up: a window takes the lowest',
    { scaleUp: { stabilizationWindowSeconds: 60 } },
    10,
    15,
    { recommendations: [{ replicas: 12, at: before(50) }] },
    12,
    'DesiredWithinRange',
  ],
  [
    'up: a window with less than there is holds',
    { scaleUp: { stabilizationWindowSeconds: 60 } },
    10,
    15,
    { recommendations: [{ replicas: 8, at: before(50) }] },
    10,
    'DesiredWithinRange',
  ],
] as const) {
  test(`limit: ${what}`, () => {
    const bounds = { current, min: 2, max: 100 }
    const outcome = limit(desired, bounds, behavior as any, { ...none, ...(history as object) }, now)
    assert.deepEqual([outcome.replicas, outcome.limit], [expected, reason])
    assert.deepEqual(outcome.recommendations.at(-1), { replicas: desired, at: now })
  })
}

function hpa(metrics: objects.MetricSpec[], spec: object = {}): objects.HorizontalPodAutoscaler {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      minReplicas: 2,
      maxReplicas: 10,
      metrics,
      scaleTargetRef: { kind: 'Deployment', name: 'web' },
      ...spec,
    } as any,
  }
}

const external = (name: string, averageValue: string): objects.MetricSpec => ({
  type: 'External',
  external: { metric: { name }, target: { type: 'AverageValue', averageValue } },
})

function plan(current: number, metrics: [target: string, reading: Reading][], history = none) {
  const specs = metrics.map(([target], index) => external(`m${index}`, target))
  const outcome = planAutoscaler({
    hpa: hpa(specs),
    scale: { current, observed: current },
    pods: [],
    readings: metrics.map(([, reading]) => reading),
    history,
    now,
  })
  const conditions = Object.fromEntries(
    outcome.conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  )
  return { ...outcome, conditions }
}

test('of several metrics the one that asks for most decides', () => {
  const outcome = plan(4, [
    ['1', { value: 5000 }],
    ['1', { value: 7000 }],
  ])
  assert.equal(outcome.desired, 7)
  assert.equal(outcome.reason, 'external metric m1(nil) above target')
  assert.deepEqual(outcome.conditions, {
    AbleToScale: 'True ReadyForNewScale',
    ScalingActive: 'True ValidMetricFound',
    ScalingLimited: 'False DesiredWithinRange',
  })
  assert.equal(outcome.currentMetrics[0].external!.current.averageValue, '1250m')
})

test('a metric that fails does not keep others from scaling up, but from scaling down', () => {
  const failing: [string, Reading] = ['1', { error: 'no such metric' }]
  assert.equal(plan(4, [failing, ['1', { value: 6000 }]]).desired, 6)
  const held = plan(4, [failing, ['1', { value: 2000 }]])
  assert.equal(held.desired, 4)
  assert.equal(held.conditions['ScalingActive'], 'False FailedGetExternalMetric')
  assert.match(
    held.events.at(-1)!.message,
    /^invalid metrics \(1 invalid out of 2\), first error is: failed to get m0 external metric value: failed to get m0 external metric: unable to get external metric \w+\/m0\/nil: no such metric$/,
  )
})

test('bounds hold without any metric; zero replicas switch scaling off', () => {
  assert.deepEqual([plan(12, []).desired, plan(1, []).desired], [10, 2])
  assert.equal(plan(1, []).reason, 'Current number of replicas below Spec.MinReplicas')
  const off = plan(0, [['1', { value: 6000 }]])
  assert.deepEqual([off.desired, off.conditions['ScalingActive']], [0, 'False ScalingDisabled'])
})

test('a new controller scales nothing down before it has seen five minutes', () => {
  const first = plan(8, [['1', { value: 3000 }]])
  assert.equal(first.desired, 8)
  assert.equal(first.conditions['AbleToScale'], 'True ScaleDownStabilized')
  const later = { ...none, recommendations: [{ replicas: 8, at: before(301) }] }
  assert.equal(plan(8, [['1', { value: 3000 }]], later).desired, 3)
})

test('changes are remembered as long as a policy looks back', () => {
  const behavior = { scaleUp: { policies: [pods('Pods', 1, 120)] } }
  let history = recordChange(none, behavior, 3, before(130))
  history = recordChange(history, behavior, -2, before(60))
  history = recordChange(history, behavior, 1, now)
  assert.deepEqual(history.added, [{ change: 1, at: now }])
  assert.deepEqual(history.removed, [{ change: 2, at: before(60) }])
})
