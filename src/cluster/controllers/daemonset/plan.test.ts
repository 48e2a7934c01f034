import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { revisionLabel } from '../shared/index.ts'
import { daemonPod, daemonTolerations, nodeOf } from './daemon-pod.ts'
import { planDaemonSet, wantsDaemon } from './plan.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

function set(strategy: object = {}, template: object = {}): objects.DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'd', namespace: 'ops', uid: 'd', generation: 1 },
    spec: {
      selector: { matchLabels: { app: 'd' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: strategy } as any,
      template: { metadata: { labels: { app: 'd' } }, spec: { containers: [], ...template } },
    },
  }
}

function node(name: string, spec: object = {}, labels: Record<string, string> = {}): objects.Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec }
}

const nodes = ['n0', 'n1', 'n2', 'n3'].map((name) => node(name))

/** `n0 new`, `n1 old unready`, `n2 old going`, `n3 old Failed` … */
function pods(...lines: string[]): objects.Pod[] {
  return lines.map((line, index) => {
    const [nodeName, hash, ...states] = line.split(' ')
    const ready = states.length === 0
    const phase = states.find((state) => /^[A-Z]/.test(state)) ?? 'Running'
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: line,
        uid: line,
        creationTimestamp: `2026-01-01T00:00:0${index}Z`,
        labels: { [revisionLabel]: hash },
        ...(states.includes('going') ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      },
      spec: { nodeName, containers: [] },
      status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] } as any,
    }
  })
}

const tables: [what: string, strategy: object, have: string[], create: string[], gone: string[]][] = [
  ['every node gets one', {}, [], ['n0', 'n1', 'n2', 'n3'], []],
  ['nothing to do', {}, ['n0 new', 'n1 new', 'n2 new', 'n3 new'], [], []],
  ['one at a time', {}, ['n0 old', 'n1 old', 'n2 old', 'n3 old'], [], ['n0 old']],
  ['a new one that is not up blocks', {}, ['n0 new unready', 'n1 old', 'n2 old', 'n3 old'], [], []],
  ['one that is going blocks, and its node waits', {}, ['n0 old going', 'n1 old', 'n2 old', 'n3 old'], [], []],
  ['per cent round up', { maxUnavailable: '30%' }, ['n0 old', 'n1 old', 'n2 old', 'n3 old'], [], ['n0 old', 'n1 old']],
  ['what does not serve goes at once', {}, ['n0 old', 'n1 old unready', 'n2 old', 'n3 old'], [], ['n1 old unready']],
  ['doubles go, the younger first', {}, ['n0 new', 'n0 new x', 'n1 new', 'n2 new', 'n3 new'], [], ['n0 new x']],
  ['surge: new beside old', { maxSurge: 1 }, ['n0 old', 'n1 old', 'n2 old', 'n3 old'], ['n0'], []],
  [
    'surge: old goes when new is up, and the next comes',
    { maxSurge: 1 },
    ['n0 old', 'n0 new', 'n1 old', 'n2 old', 'n3 old'],
    ['n1'],
    ['n0 old'],
  ],
  [
    'surge: a new one that is not up blocks',
    { maxSurge: 1 },
    ['n0 old', 'n0 new unready', 'n1 old', 'n2 old', 'n3 old'],
    [],
    [],
  ],
]

for (const [what, strategy, have, create, gone] of tables) {
  test(what, () => {
    const plan = planDaemonSet({ set: set(strategy), nodes, pods: pods(...have), hash: 'new', now })
    assert.deepEqual(plan.create, create)
    assert.deepEqual(
      plan.delete.map(({ metadata }) => metadata.name),
      gone,
    )
  })
}

test('OnDelete replaces nothing by itself; failed and finished pods are named apart', () => {
  const daemons = set()
  daemons.spec!.updateStrategy = { type: 'OnDelete' }
  const have = pods('n0 old', 'n1 old Failed', 'n2 old Succeeded', 'n3 old')
  const plan = planDaemonSet({ set: daemons, nodes, pods: have, hash: 'new', now })
  assert.deepEqual([plan.create, plan.delete], [[], []])
  assert.deepEqual(
    plan.failed.map(({ node: name }) => name),
    ['n1'],
  )
  assert.equal(plan.succeeded.length, 1)
})

test('who runs where follows selectors and taints; a cordoned node keeps getting daemons', () => {
  const picky = set({}, { nodeSelector: { disk: 'ssd' } })
  assert.deepEqual(wantsDaemon(picky, node('a')), { run: false, stay: false })
  assert.deepEqual(wantsDaemon(picky, node('a', {}, { disk: 'ssd' })), { run: true, stay: true })
  const taint = (effect: string, key = 'gpu') => node('a', { taints: [{ key, effect }] })
  assert.deepEqual(wantsDaemon(set(), taint('NoSchedule')), { run: false, stay: true })
  assert.deepEqual(wantsDaemon(set(), taint('NoExecute')), { run: false, stay: false })
  assert.deepEqual(wantsDaemon(set(), taint('NoSchedule', 'node.kubernetes.io/unschedulable')), {
    run: true,
    stay: true,
  })
  assert.deepEqual(wantsDaemon(set(), taint('NoExecute', 'node.kubernetes.io/unreachable')), { run: true, stay: true })
})

test('the status counts nodes, not pods', () => {
  const somewhere = [...nodes.slice(0, 3), node('n3', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] })]
  const have = pods('n0 new', 'n1 old', 'n3 old')
  const { status } = planDaemonSet({ set: set(), nodes: somewhere, pods: have, hash: 'new', now })
  assert.deepEqual(
    {
      desired: status['desiredNumberScheduled'],
      current: status['currentNumberScheduled'],
      wrong: status['numberMisscheduled'],
      ready: status['numberReady'],
      updated: status['updatedNumberScheduled'],
      unavailable: status['numberUnavailable'],
    },
    { desired: 3, current: 2, wrong: 1, ready: 2, updated: 1, unavailable: 1 },
  )
})

test('a daemon pod is meant for one node and tolerates what befalls nodes', () => {
  const pod = daemonPod(set({}, { hostNetwork: true }), 'n7', 'abc') as unknown as objects.Pod
  assert.equal(nodeOf(pod), 'n7')
  assert.equal(pod.metadata.labels![revisionLabel], 'abc')
  assert.equal(pod.spec!.tolerations!.length, 7)
  assert.equal(daemonTolerations({ containers: [] }).length, 6)
  assert.equal(daemonTolerations(pod.spec).length, 7)
})
