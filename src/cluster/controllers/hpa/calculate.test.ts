import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { byAverage, byShare, byUtilisation, byValue, type Situation } from './calculate.ts'
import type { Sample } from './samples.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString()

/** A letter a pod: Ready, Unready, Hot (ready so lately that its CPU tells of its start), Pending, Failed, Deleted. */
function pods(states: string, requests: readonly number[] = []): objects.Pod[] {
  return [...states].map((state, index) => {
    const ready = 'RHD'.includes(state)
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `p${index}`, ...(state === 'D' ? { deletionTimestamp: ago(1) } : {}) },
      spec: { containers: [{ name: 'c', resources: { requests: { cpu: `${requests[index] ?? 1000}m` } } } as any] },
      status: {
        phase: state === 'P' ? 'Pending' : state === 'F' ? 'Failed' : 'Running',
        startTime: ago(state === 'H' ? 60 : 3600),
        conditions: [
          {
            type: 'Ready',
            status: ready ? 'True' : 'False',
            lastTransitionTime: ago(state === 'H' ? 20 : state === 'U' ? 3600 : 1800),
          } as any,
        ],
      },
    }
  })
}

const samples = (values: readonly number[]): Map<string, Sample> =>
  new Map(values.map((value, index) => [`p${index}`, { value, at: now, window: 60_000 }]))

function situation(states: string, current: number, requests?: readonly number[], tolerance = 0.1): Situation {
  const share = { up: tolerance, down: tolerance }
  return { current, observed: current, pods: pods(states, requests), tolerance: share, now }
}

// Millicores used, out of 1000 requested by each pod.
for (const [what, states, current, used, target, expected] of [
  ['scales up by the ratio', 'RRR', 3, [300, 500, 700], 30, 5],
  ['scales down by the ratio', 'RRRRR', 5, [100, 300, 500, 250, 250], 50, 3],
  ['within the tolerance stays', 'RRR', 3, [1010, 1030, 1020], 100, 3],
  ['an unready pod counts as idle when scaling up', 'URR', 3, [300, 500, 700], 30, 4],
  ['so does one that has only just become ready', 'HRR', 3, [300, 500, 700], 30, 4],
  ['a pending pod counts as idle too', 'PRR', 3, [0, 500, 700], 30, 4],
  ['idle ones can keep a scale-up from happening', 'RUU', 3, [400, 500, 700], 40, 3],
  ['failed and deleted pods do not count', 'RRFD', 2, [500, 700, 9000, 9000], 30, 4],
  ['an unready pod is not counted when scaling down', 'RRU', 3, [100, 100, 900], 50, 1],
  ['missing, at the target: stays', 'RR', 2, [1000], 100, 2],
  ['missing counts as idle when scaling up', 'RR', 2, [1900], 100, 2],
  ['missing counts as its whole request when scaling down', 'RR', 2, [600], 100, 2],
  ['missing and unready: a turn of direction changes nothing', 'URR', 3, [100, 450], 50, 3],
  ['missing and unready: less is scaled down', 'URRR', 4, [100, 100, 100], 50, 3],
] as const) {
  test(`cpu: ${what}`, () => {
    assert.equal(byUtilisation(situation(states, current), samples(used), 'cpu', target).replicas, expected)
  })
}

test('utilisation is of the sum of requests, and is told with the average', () => {
  const outcome = byUtilisation(situation('RRR', 3, [900, 1000, 1100]), samples([1010, 1030, 1020]), 'cpu', 100)
  assert.deepEqual(outcome, { replicas: 3, value: { averageUtilization: 102, averageValue: 1020 } })
})

test('the tolerance is the HPA’s own where it has one', () => {
  assert.equal(byUtilisation(situation('RRR', 3), samples([1060, 1060, 1060]), 'cpu', 100).replicas, 3)
  assert.equal(byUtilisation(situation('RRR', 3, [], 0.05), samples([1060, 1060, 1060]), 'cpu', 100).replicas, 4)
})

test('what cannot be computed says why', () => {
  const bare = situation('RR', 2)
  bare.pods[1].spec!.containers[0].resources = {}
  assert.throws(
    () => byUtilisation(bare, samples([1, 1]), 'cpu', 50),
    /missing request for cpu in container c of Pod p1/,
  )
  assert.throws(() => byUtilisation(situation('', 2), samples([]), 'cpu', 50), /no pods returned by selector/)
  assert.throws(() => byUtilisation(situation('UU', 2), samples([5, 5]), 'cpu', 50), /did not receive metrics/)
})

test('a container resource counts one container only', () => {
  const here = situation('RR', 2)
  for (const pod of here.pods) pod.spec!.containers.push({ name: 'proxy', image: 'p' } as any)
  assert.equal(byUtilisation(here, samples([900, 900]), 'cpu', 45, 'c').replicas, 4)
})

for (const [what, states, current, values, target, expected] of [
  ['scales up', 'RRR', 3, [20_000, 10_000, 30_000], 15_000, 4],
  ['within the tolerance stays', 'RRR', 3, [20_000, 21_000, 21_000], 20_000, 3],
  ['readiness does not matter', 'UUR', 3, [50_000, 10_000, 30_000], 15_000, 6],
  ['scales down', 'RRRRR', 5, [12_000, 12_000, 12_000, 12_000, 12_000], 20_000, 3],
  ['missing counts as the target when scaling down', 'RRR', 3, [5_000, 5_000], 10_000, 2],
] as const) {
  test(`pods metric: ${what}`, () => {
    assert.equal(byAverage(situation(states, current), samples(values), undefined, target).replicas, expected)
  })
}

test('object and external metrics: by value, or shared among the replicas', () => {
  assert.equal(byValue(situation('RRR', 3), 20_000, 15_000).replicas, 4)
  assert.equal(byValue(situation('RRU', 3), 20_000, 15_000).replicas, 3, 'only ready pods carry the load')
  assert.equal(byValue(situation('RRR', 3), 15_500, 15_000).replicas, 3)
  assert.equal(byValue(situation('', 0), 8_000, 4_000).replicas, 2, 'from zero')
  assert.deepEqual(byShare(situation('RRR', 3), 8_600, 2_150), { replicas: 4, value: { averageValue: 2_867 } })
  assert.equal(byShare(situation('RRR', 3), 8_600, 2_867).replicas, 3)
})
