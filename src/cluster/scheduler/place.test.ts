import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { Cluster } from './cluster.ts'
import { explain, Placer } from './place.ts'
import { podInfo } from './pod-info.ts'
import { preempt } from './preempt.ts'

function node(name: string, extra: { labels?: object; cpu?: string; pods?: string; spec?: object } = {}): objects.Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...extra.labels } },
    spec: { ...extra.spec },
    status: { allocatable: { cpu: extra.cpu ?? '4', memory: '8Gi', pods: extra.pods ?? '110' } },
  }
}

let made = 0
function pod(spec: Record<string, any> = {}, labels: Record<string, string> = { app: 'web' }): objects.Pod {
  const { requests, ...rest } = spec
  const name = `p${made++}`
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', uid: name, labels },
    spec: { containers: [{ name: 'c', resources: { requests } } as any], ...rest },
  }
}

class World {
  readonly cluster = new Cluster()
  readonly placer = new Placer(this.cluster)

  constructor(...nodes: objects.Node[]) {
    for (const each of nodes) this.cluster.setNode(each)
  }

  /** Places a pod and lets it run there; returns the node's name, or the message. */
  run(wanted: objects.Pod): string {
    const info = podInfo(wanted)
    const { node: name, refusals } = this.placer.place(info)
    if (refusals) {
      const outcome = preempt(info, refusals, this.cluster, [])
      return explain(refusals, outcome.node === undefined ? outcome.reasons : undefined)
    }
    this.cluster.assume(info, name)
    return name
  }
}

const zones = (...names: string[]) =>
  names.map((zone, index) => node(`n${index}`, { labels: { 'topology.kubernetes.io/zone': zone } }))

test('without nodes, and with one that is too small, the message says so', () => {
  assert.equal(new World().run(pod()), 'no nodes available to schedule pods')
  const world = new World(node('n0', { cpu: '1' }))
  assert.equal(world.run(pod({ requests: { cpu: '800m' } })), 'n0')
  assert.equal(
    world.run(pod({ requests: { cpu: '800m' } })),
    '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: ' +
      '1 No preemption victims found for incoming pod.',
  )
})

test('requests are given back when a pod finishes or goes', () => {
  const world = new World(node('n0', { cpu: '1' }))
  const first = pod({ requests: { cpu: '1' } })
  world.run(first)
  world.cluster.setPod({ ...first, spec: { ...first.spec!, nodeName: 'n0' }, status: { phase: 'Succeeded' } })
  const second = pod({ requests: { cpu: '1' } })
  assert.equal(world.run(second), 'n0')
  world.cluster.removePod(second.metadata.uid!)
  assert.equal(world.run(pod({ requests: { cpu: '1' } })), 'n0')
})

test('an init container counts when it is wider than all containers; a sidecar counts beside them', () => {
  const init = podInfo(
    pod({ requests: { cpu: '100m' }, initContainers: [{ name: 'i', resources: { requests: { cpu: '1' } } }] }),
  )
  assert.equal(init.cpu, 1000)
  const sidecar = podInfo(
    pod({
      requests: { cpu: '100m' },
      initContainers: [{ name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '200m' } } }],
    }),
  )
  assert.equal(sidecar.cpu, 300)
})

test('cordoned, tainted and wrongly labelled nodes are refused, each with its reason', () => {
  const world = new World(
    node('cordoned', { spec: { unschedulable: true } }),
    node('tainted', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } }),
    node('plain'),
  )
  assert.equal(
    world.run(pod({ nodeSelector: { disk: 'ssd' } })),
    "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, " +
      '1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. ' +
      'no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
  )
  assert.equal(world.run(pod()), 'plain')
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['tainted'] }] }],
      },
    },
  }
  assert.equal(world.run(pod({ affinity, tolerations: [{ key: 'gpu', operator: 'Exists' }] })), 'tainted')
})

test('load goes to the emptier node', () => {
  const world = new World(node('n0'), node('n1'))
  const counts: Record<string, number> = {}
  for (let index = 0; index < 10; index++) {
    const name = world.run(pod({ requests: { cpu: '100m', memory: '100Mi' } }))
    counts[name] = (counts[name] ?? 0) + 1
  }
  assert.deepEqual(counts, { n0: 5, n1: 5 })
})

test('hard spread keeps zones within maxSkew; a zone without room blocks', () => {
  const constraint = {
    maxSkew: 1,
    topologyKey: 'topology.kubernetes.io/zone',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
  }
  const world = new World(...zones('a', 'a', 'b'))
  const on = Array.from({ length: 4 }, () => world.run(pod({ topologySpreadConstraints: [constraint] })))
  assert.equal(on.filter((name) => name === 'n2').length, 2)
  world.cluster.setNode(node('n2', { labels: { 'topology.kubernetes.io/zone': 'b' }, spec: { unschedulable: true } }))
  world.run(pod({ topologySpreadConstraints: [constraint] }))
  assert.match(world.run(pod({ topologySpreadConstraints: [constraint] })), /topology spread constraints/)
})

test('siblings of one owner are spread over nodes by default', () => {
  const world = new World(node('n0'), node('n1'), node('n2'))
  const owned = () => {
    const wanted = pod()
    wanted.metadata.ownerReferences = [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'r', controller: true },
    ]
    return wanted
  }
  assert.equal(new Set([world.run(owned()), world.run(owned()), world.run(owned())]).size, 3)
})

test('required anti-affinity holds in both directions', () => {
  const affinity = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } },
      ],
    },
  }
  const world = new World(node('n0'), node('n1'))
  const first = world.run(pod({ affinity }))
  assert.notEqual(world.run(pod({ affinity })), first)
  assert.match(world.run(pod()), /2 node\(s\) didn't satisfy existing pods anti-affinity rules/)
  assert.ok(['n0', 'n1'].includes(world.run(pod({}, { app: 'other' }))))
})

test('anti-affinity follows pods that go, and nodes that get other labels', () => {
  const zone = 'topology.kubernetes.io/zone'
  const labelSelector = { matchLabels: { app: 'web' } }
  const affinity = {
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: zone, labelSelector }] },
  }
  const [a, b] = zones('a', 'b')
  const world = new World(a, b)
  const [first, second] = [pod({ affinity }), pod({ affinity })]
  const node = world.run(first)
  const other = world.run(second)
  assert.match(world.run(pod({ affinity })), /2 node\(s\) didn't match pod anti-affinity rules/)
  world.cluster.removePod(first.metadata.uid!)
  const third = pod({ affinity })
  assert.equal(world.run(third), node)
  world.cluster.removePod(third.metadata.uid!)
  world.cluster.setNode({ ...a, metadata: { ...a.metadata, labels: { [zone]: 'b' } } })
  world.cluster.setNode({ ...b, metadata: { ...b.metadata, labels: { [zone]: 'b' } } })
  assert.match(world.run(pod()), /2 node\(s\) didn't satisfy existing pods anti-affinity rules/)
  world.cluster.setNode(node === 'n0' ? a : b)
  assert.equal(world.run(pod({ affinity })), other === 'n0' ? 'n1' : 'n0')
})

test('required affinity: the first of its kind may go anywhere, the next must follow', () => {
  const affinity = {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'topology.kubernetes.io/zone', labelSelector: { matchLabels: { app: 'web' } } },
      ],
    },
  }
  const world = new World(...zones('a', 'b', 'c'))
  const first = world.run(pod({ affinity }))
  for (let index = 0; index < 3; index++) assert.equal(world.run(pod({ affinity })), first)
  assert.match(world.run(pod({ affinity }, { app: 'other' })), /n\d/)
})

test('host ports clash on one node only', () => {
  const containers = [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }]
  const world = new World(node('n0'), node('n1'))
  assert.notEqual(world.run(pod({ containers })), world.run(pod({ containers })))
  assert.match(world.run(pod({ containers })), /2 node\(s\) didn't have free ports/)
})

test('what is counted from pod to pod stays what counting anew would give', () => {
  const zone = 'topology.kubernetes.io/zone'
  const constraint = {
    maxSkew: 1,
    topologyKey: zone,
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
  }
  const world = new World(...zones('a', 'b', 'c'))
  const asking = podInfo(pod({ topologySpreadConstraints: [constraint] }))
  const kept = () => [...world.cluster.domains('shop', asking.spread[0])].filter(([, count]) => count > 0).sort()
  const counted = () => {
    const sums = new Map<string, number>()
    for (const { info, node: name } of world.cluster.placed('shop')) {
      if (info.labels['app'] !== 'web') continue
      const value = world.cluster.node(name)!.labels[zone]
      sums.set(value, (sums.get(value) ?? 0) + 1)
    }
    return [...sums].sort()
  }
  const placed: objects.Pod[] = []
  for (let step = 0; step < 60; step++) {
    if (step % 3 === 2) world.cluster.removePod(placed.splice(step % placed.length, 1)[0].metadata.uid!)
    else {
      const next = pod({ topologySpreadConstraints: [constraint] }, { app: step % 4 ? 'web' : 'other' })
      placed.push(next)
      world.run(next)
    }
    if (step === 30) world.cluster.setNode(node('n1', { labels: { [zone]: 'd' } }))
    if (step === 45) world.cluster.removeNode('n2')
    if (step < 45) assert.deepEqual(kept(), counted(), `step ${step}`)
  }
  for (const each of placed) world.cluster.removePod(each.metadata.uid!)
  assert.deepEqual(kept(), [])
})
