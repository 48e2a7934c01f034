import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { Backlog } from './backlog.ts'
import { Cluster } from './cluster.ts'
import { Placer } from './place.ts'
import { type PodInfo, podInfo } from './pod-info.ts'
import { preempt } from './preempt.ts'

type Budget = objects.PodDisruptionBudget

function budget(app: string, disruptionsAllowed: number): Budget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: app, namespace: 'shop' },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed } as any,
  }
}

function node(name: string): objects.Node {
  const status = { allocatable: { cpu: '4', memory: '8Gi', pods: '110' } }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status }
}

/** `a 1000m p5` is a pod named a that asks for one CPU and has priority 5; more words become labels `app`. */
function pod(text: string, spec: object = {}): objects.Pod {
  const [name, cpu, priority, app = name] = text.split(' ')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: { app },
      creationTimestamp: `2026-01-01T00:00:0${made++ % 10}Z`,
    },
    spec: {
      containers: [{ name: 'c', resources: { requests: { cpu } } } as any],
      priority: Number(priority.slice(1)),
      ...spec,
    },
  }
}
let made = 0

/** What a pod brings about on nodes that run these pods. */
function clash(nodes: Record<string, string[]>, wanted: string, budgets: Budget[] = [], spec: object = {}) {
  const cluster = new Cluster()
  for (const [name, pods] of Object.entries(nodes)) {
    cluster.setNode(node(name))
    for (const each of pods) cluster.assume(podInfo(pod(each)), name)
  }
  const info = podInfo(pod(wanted, spec))
  const { refusals } = new Placer(cluster).place(info)
  assert.ok(refusals, 'it fits as it is')
  const before = cluster.nodes.map(({ cpu, pods }) => [cpu, pods.size])
  const outcome = preempt(info, refusals, cluster, budgets)
  assert.deepEqual(
    cluster.nodes.map(({ cpu, pods }) => [cpu, pods.size]),
    before,
    'looking changes nothing',
  )
  const names = (victims: PodInfo[]) => victims.map(({ name }) => name).join()
  return outcome.node === undefined ? outcome.reasons : `${outcome.node}: ${names(outcome.victims)}`
}

for (const [what, nodes, wanted, expected] of [
  ['the least important go', { n0: ['a 2 p5', 'b 2 p1'] }, 'x 1 p9', 'n0: b'],
  ['as few as needed, whatever they are worth', { n0: ['a 3 p5', 'b 1 p1'] }, 'x 2 p9', 'n0: a'],
  ['the node whose best victim is worth least', { n0: ['a 4 p5'], n1: ['b 4 p3'] }, 'x 4 p9', 'n1: b'],
  ['then the smaller sum', { n0: ['a 2 p3', 'b 2 p3'], n1: ['c 2 p3', 'd 2 p2'] }, 'x 4 p9', 'n1: c,d'],
  ['then fewer', { n0: ['a 2 p3', 'b 2 p-2147483648'], n1: ['c 4 p3'] }, 'x 4 p9', 'n1: c'],
  ['then the younger', { n0: ['old 4 p3'], n1: ['young 4 p3'] }, 'x 4 p9', 'n1: young'],
] as const) {
  test(what, () => {
    made = 0
    assert.equal(clash(nodes as any, wanted), expected)
  })
}

test('no pod of equal or higher priority is evicted; what is too big stays out', () => {
  assert.deepEqual(
    clash({ n0: ['a 4 p9'], n1: ['b 4 p10'] }, 'x 4 p9'),
    new Map([['No preemption victims found for incoming pod', 2]]),
  )
  assert.deepEqual(clash({ n0: ['a 4 p1'] }, 'x 5 p9'), new Map([['Preemption is not helpful for scheduling', 1]]))
  assert.deepEqual(clash({ n0: ['a 3 p9', 'b 1 p1'] }, 'x 2 p9'), new Map([['Insufficient cpu', 1]]))
})

test('preemptionPolicy Never evicts nobody', () => {
  const reasons = clash({ n0: ['a 4 p1'] }, 'x 4 p9', [], { preemptionPolicy: 'Never' })
  assert.equal(reasons, 'not eligible due to preemptionPolicy=Never')
})

test('budgets decide between pods and between nodes, and yield where nothing else helps', () => {
  const nodes = { n0: ['a 2 p5 guarded', 'b 2 p6'] }
  assert.equal(clash(nodes, 'x 2 p9'), 'n0: a')
  assert.equal(clash(nodes, 'x 2 p9', [budget('guarded', 1)]), 'n0: a')
  assert.equal(clash(nodes, 'x 2 p9', [budget('guarded', 0)]), 'n0: b')
  assert.equal(clash({ n0: ['a 4 p1 guarded'], n1: ['b 4 p8'] }, 'x 2 p9', [budget('guarded', 0)]), 'n1: b')
  assert.equal(clash({ n0: ['a 4 p1 guarded'] }, 'x 2 p9', [budget('guarded', 0)]), 'n0: a')
})

test('room that is being made for a pod is not for less important ones', () => {
  const cluster = new Cluster()
  const placer = new Placer(cluster)
  cluster.setNode(node('n0'))
  const important = podInfo(pod('important 4 p9'))
  cluster.nominations.set(important, 'n0')
  assert.ok(placer.place(podInfo(pod('x 1 p8'))).refusals)
  assert.equal(placer.place(podInfo(pod('y 1 p10'))).node, 'n0')
  assert.equal(placer.place(important).node, 'n0')
  cluster.assume(important, 'n0')
  assert.equal(cluster.nominations.nodeOf('important'), undefined)
})

test('the backlog gives out the more important, the most important first', () => {
  const backlog = new Backlog()
  for (const text of ['a 1 p1', 'b 1 p5', 'c 1 p9', 'd 1 p5']) backlog.add(pod(text))
  backlog.delete('d')
  assert.deepEqual(
    backlog.takeAbove(1).map(({ metadata }) => metadata.name),
    ['c', 'b'],
  )
  assert.deepEqual(backlog.takeAbove(0).length, 1)
  assert.deepEqual(backlog.takeAbove(0), [])
})
