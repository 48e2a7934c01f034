import assert from 'node:assert/strict'
import { Node, Pod, PodDisruptionBudget, type ResourceType } from '#kube'
import { compared } from '../kinds.ts'
import { pod } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const PriorityClass: ResourceType<any> = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  namespaced: false,
}

/** Which pod is on which node: `one:a`. */
const places = (w: World): string[] =>
  w
    .list(Pod)
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map((pod) => `${pod.metadata.name}:${(pod.spec!.nodeName ?? '').replace(`${w.ns}-`, '')}`)
const placed = (w: World, ...expected: string[]) => {
  return () => {
    assert.deepEqual(places(w), expected)
    return w.pods().every((pod) => !pod.spec!.nodeName || pod.status?.phase === 'Running')
  }
}
const counted = (w: World, expected: Record<string, number>) => () => {
  const counts: Record<string, number> = {}
  for (const place of places(w)) counts[place.split(':')[1]] = (counts[place.split(':')[1]] ?? 0) + 1
  assert.deepEqual(counts, expected)
  return true
}
const waits = (w: World, name: string) => () =>
  w.find(Pod, name)?.status?.conditions?.some(({ type, status }) => type === 'PodScheduled' && status === 'False')
const requests = (cpu: string, more: object = {}) => ({
  containers: [{ name: 'app', image: 'example.com/app:1', resources: { requests: { cpu } } }],
  ...more,
})
const zone = (name: string) => ({ labels: { 'topology.kubernetes.io/zone': name } })
const put = (w: World, name: string, spec: object = {}, labels: Record<string, string> = {}) =>
  w.create(Pod, pod(w, name, { spec, labels }))

scenario('a pod goes where there is room', async (w) => {
  await w.node('a', { capacity: { cpu: '1' } })
  await put(w, 'one', requests('600m'))
  await w.frame('one', placed(w, 'one:a'))
  await put(w, 'two', requests('600m'))
  await w.frame('no room', () => placed(w, 'one:a', 'two:')() && waits(w, 'two')())
  await w.node('b', { capacity: { cpu: '1' } })
  await w.frame('another node', placed(w, 'one:a', 'two:b'))
  await put(w, 'three', requests('600m'))
  await w.until('no room again', waits(w, 'three'))
  await w.kube.delete(Pod, 'one', w.ns)
  await w.frame('a place is free', placed(w, 'three:a', 'two:b'))
})

scenario('the number of pods and other resources', async (w) => {
  await w.node('a', { capacity: { pods: '1' } })
  await w.node('b', { capacity: { 'example.com/gpu': '1' } })
  const gpu = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } }
  await put(w, 'gpu', { containers: [{ name: 'app', image: 'example.com/app:1', resources: gpu }] })
  await w.frame('where the device is', placed(w, 'gpu:b'))
  await put(w, 'gpu-too', { containers: [{ name: 'app', image: 'example.com/app:1', resources: gpu }] })
  await w.frame('there is but one', waits(w, 'gpu-too'))
  await put(w, 'huge', requests('100'))
  await w.frame('more than any node has', waits(w, 'huge'))
})

scenario('affinity to nodes', async (w) => {
  await w.node('a', { labels: { disk: 'ssd', size: '3' } })
  await w.node('b', { labels: { disk: 'hdd', size: '7' } })
  const required = (...matchExpressions: object[]) => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
    },
  })
  await put(w, 'in', required({ key: 'disk', operator: 'In', values: ['ssd', 'nvme'] }))
  await put(w, 'not-in', required({ key: 'disk', operator: 'NotIn', values: ['ssd'] }))
  await put(w, 'greater', required({ key: 'size', operator: 'Gt', values: ['5'] }))
  await put(w, 'less', required({ key: 'size', operator: 'Lt', values: ['5'] }))
  await put(w, 'no-such', required({ key: 'disk', operator: 'Exists' }, { key: 'size', operator: 'DoesNotExist' }))
  await w.frame(
    'placed',
    () => placed(w, 'greater:b', 'in:a', 'less:a', 'no-such:', 'not-in:b')() && waits(w, 'no-such')(),
  )
  await w.patch(Node, `${w.ns}-a`, { metadata: { labels: { size: null } } })
  await w.frame('a label goes', placed(w, 'greater:b', 'in:a', 'less:a', 'no-such:a', 'not-in:b'))
})

scenario('nodes that are preferred', async (w) => {
  await w.node('a')
  await w.node('b', { labels: { disk: 'ssd' } })
  const preference = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] }
  const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] } }
  await put(w, 'one', { affinity })
  await w.frame('placed', placed(w, 'one:b'))
})

scenario('taints and tolerations', async (w) => {
  await w.node('a', { taints: [{ key: 'team', value: 'x', effect: 'NoSchedule' }] })
  await put(w, 'none')
  await put(w, 'right', { tolerations: [{ key: 'team', value: 'x', effect: 'NoSchedule' }] })
  await put(w, 'exists', { tolerations: [{ operator: 'Exists' }] })
  await put(w, 'wrong', { tolerations: [{ key: 'team', value: 'y', effect: 'NoSchedule' }] })
  await w.frame(
    'placed',
    () => placed(w, 'exists:a', 'none:', 'right:a', 'wrong:')() && waits(w, 'wrong')() && waits(w, 'none')(),
  )
  await w.patch(Node, `${w.ns}-a`, { spec: { taints: null } })
  await w.frame('untainted', placed(w, 'exists:a', 'none:a', 'right:a', 'wrong:a'))
})

scenario('pods that want to be near each other, or apart', async (w) => {
  await w.node('a', zone('x'))
  await w.node('b', zone('x'))
  await w.node('c', zone('y'))
  const term = (app: string, topologyKey: string) => ({ labelSelector: { matchLabels: { app } }, topologyKey })
  const near = {
    affinity: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('db', 'topology.kubernetes.io/zone')] },
    },
  }
  const apart = (app: string, key = 'kubernetes.io/hostname') => ({
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(app, key)] } },
  })
  await put(w, 'near', near)
  await w.frame('nobody to be near to', waits(w, 'near'))
  await put(w, 'db', { nodeSelector: { scenario: w.ns, 'topology.kubernetes.io/zone': 'y' } }, { app: 'db' })
  await w.frame('near', placed(w, 'db:c', 'near:c'))
  const on = (labels: object) => ({ nodeSelector: { scenario: w.ns, ...labels } })
  const onA = on({ 'kubernetes.io/hostname': `${w.ns}-a` })
  await put(w, 'apart', { ...apart('db', 'topology.kubernetes.io/zone'), ...onA }, { app: 'apart' })
  const inX = on({ 'topology.kubernetes.io/zone': 'x' })
  await put(w, 'apart-too', { ...apart('apart'), ...inX }, { app: 'apart' })
  await w.frame('apart', placed(w, 'apart:a', 'apart-too:b', 'db:c', 'near:c'))
})

scenario('one on each node, and no more', async (w) => {
  await w.node('a')
  await w.node('b')
  const affinity = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'one' } }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  }
  anyNode(w)
  for (const name of ['p1', 'p2', 'p3']) await put(w, name, { affinity }, { app: 'one' })
  await w.frame(
    'two have a place',
    () => counted(w, { a: 1, b: 1, '': 1 })() && w.pods({ phase: 'Running' }).length === 2,
  )
})

scenario('the first of those that want to be near themselves', async (w) => {
  await w.node('a', zone('x'))
  const affinity = {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'flock' } }, topologyKey: 'topology.kubernetes.io/zone' },
      ],
    },
  }
  for (const name of ['p1', 'p2']) await put(w, name, { affinity }, { app: 'flock' })
  await w.frame('both', placed(w, 'p1:a', 'p2:a'))
})

/** Which of equals is nobody's promise. */
const anyNode = (w: World) =>
  w.compare(compared, (object) => {
    if (object.kind !== 'Pod') return object
    const { nodeName, ...spec } = object.spec
    const { name, labels, annotations } = object.metadata
    return {
      kind: 'Pod',
      metadata: { name: 'pod', labels, annotations },
      placed: nodeName !== undefined && name !== '',
      spec: { tolerations: spec.tolerations },
    }
  })

scenario('spread over zones', async (w) => {
  await w.node('a', zone('x'))
  await w.node('b', zone('y'))
  const spread = (more: object = {}) => ({
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'web' } },
        ...more,
      },
    ],
  })
  anyNode(w)
  for (const name of ['p1', 'p2', 'p3', 'p4']) await put(w, name, spread(), { app: 'web' })
  await w.frame('two and two', counted(w, { a: 2, b: 2 }))
  await w.patch(Node, `${w.ns}-b`, { spec: { unschedulable: true } })
  await put(w, 'p5', spread(), { app: 'web' })
  await w.frame('one more', counted(w, { a: 3, b: 2 }))
  await put(w, 'p6', spread(), { app: 'web' })
  await w.frame('the skew would be too big', () => counted(w, { a: 3, b: 2, '': 1 })() && waits(w, 'p6')())
  await put(w, 'p7', spread({ nodeTaintsPolicy: 'Honor' }), { app: 'web' })
  await w.frame('nodes that cannot be had do not count', counted(w, { a: 4, b: 2, '': 1 }))
})

scenario('spread over at least so many zones', async (w) => {
  await w.node('a', zone('x'))
  const topologySpreadConstraints = [
    {
      maxSkew: 1,
      minDomains: 2,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
    },
  ]
  for (const name of ['p1', 'p2']) {
    await put(w, name, { topologySpreadConstraints }, { app: 'web' })
    await w.until(name, () => w.find(Pod, name)?.spec?.nodeName || waits(w, name)())
  }
  await w.frame('one zone takes one', () => placed(w, 'p1:a', 'p2:')() && waits(w, 'p2')())
  await w.node('b', zone('y'))
  await w.frame('the second goes to the second', placed(w, 'p1:a', 'p2:b'))
})

scenario('spread is kept within a revision', async (w) => {
  await w.node('a', zone('x'))
  await w.node('b', zone('y'))
  const topologySpreadConstraints = [
    {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      matchLabelKeys: ['version'],
    },
  ]
  anyNode(w)
  for (const version of ['1', '2'])
    for (const name of ['a', 'b'])
      await put(w, `v${version}-${name}`, { topologySpreadConstraints }, { app: 'web', version })
  await w.frame('each on its own', counted(w, { a: 2, b: 2 }))
})

async function classes(w: World): Promise<(name: string) => string> {
  for (const [name, value, preemptionPolicy] of [
    ['high', 1000, undefined],
    ['polite', 1000, 'Never'],
    ['low', 10, undefined],
  ] as const) {
    const full = `${w.ns}-${name}`
    await w.create(PriorityClass, { metadata: { name: full }, value, ...(preemptionPolicy && { preemptionPolicy }) })
    w.later(() => w.kube.delete(PriorityClass, full))
  }
  return (name) => `${w.ns}-${name}`
}

scenario('who is more important gets the place', async (w) => {
  const named = await classes(w)
  await w.node('a', { capacity: { cpu: '1' } })
  await put(w, 'low', requests('800m', { priorityClassName: named('low') }))
  await w.frame('first', placed(w, 'low:a'))
  await put(w, 'polite', requests('800m', { priorityClassName: named('polite') }))
  await w.frame('who does not preempt waits', () => placed(w, 'low:a', 'polite:')() && waits(w, 'polite')())
  await put(w, 'high', requests('800m', { priorityClassName: named('high') }))
  await w.frame('the less important has gone', () => placed(w, 'high:a', 'polite:')() && waits(w, 'polite')())
})

scenario('no more are sent away than need be', async (w) => {
  const named = await classes(w)
  await w.node('a', { capacity: { cpu: '1' } })
  for (const [name, cpu] of [
    ['small', '200m'],
    ['big', '600m'],
  ])
    await put(w, name, requests(cpu, { priorityClassName: named('low') }))
  await w.frame('full', placed(w, 'big:a', 'small:a'))
  await put(w, 'high', requests('700m', { priorityClassName: named('high') }))
  await w.frame('the big one went', placed(w, 'high:a', 'small:a'))
})

scenario('preemption goes where no budget is broken', async (w) => {
  const named = await classes(w)
  await w.node('a', { capacity: { cpu: '1' }, labels: { at: 'a' } })
  await w.node('b', { capacity: { cpu: '1' }, labels: { at: 'b' } })
  for (const at of ['a', 'b'])
    await put(w, at, requests('800m', { priorityClassName: named('low'), nodeSelector: { scenario: w.ns, at } }), {
      of: at,
    })
  await w.create(PodDisruptionBudget, {
    metadata: { name: 'keep-a' },
    spec: { minAvailable: 1, selector: { matchLabels: { of: 'a' } } },
  })
  await w.frame(
    'full',
    () => placed(w, 'a:a', 'b:b')() && w.find(PodDisruptionBudget, 'keep-a')?.status?.currentHealthy === 1,
  )
  await put(w, 'high', requests('800m', { priorityClassName: named('high') }))
  await w.frame('the one without a budget went', placed(w, 'a:a', 'high:b'))
})

scenario('a budget is broken when there is no other way', async (w) => {
  const named = await classes(w)
  await w.node('a', { capacity: { cpu: '1' } })
  await put(w, 'kept', requests('800m', { priorityClassName: named('low') }), { of: 'kept' })
  await w.create(PodDisruptionBudget, {
    metadata: { name: 'keep' },
    spec: { minAvailable: 1, selector: { matchLabels: { of: 'kept' } } },
  })
  await w.frame(
    'full',
    () => placed(w, 'kept:a')() && w.find(PodDisruptionBudget, 'keep')?.status?.currentHealthy === 1,
  )
  await put(w, 'high', requests('800m', { priorityClassName: named('high') }))
  await w.frame('preempted', placed(w, 'high:a'))
})

scenario('scheduling gates', async (w) => {
  await w.node('a')
  await put(w, 'gated', { schedulingGates: [{ name: 'example.com/one' }, { name: 'example.com/two' }] })
  await w.frame('gated', () => placed(w, 'gated:')() && waits(w, 'gated')())
  await w.patch(Pod, 'gated', { spec: { schedulingGates: [{ name: 'example.com/two' }] } })
  await w.frame('one gate is left', () => waits(w, 'gated')())
  await w.patch(Pod, 'gated', { spec: { schedulingGates: [] } })
  await w.frame('open', placed(w, 'gated:a'))
})

scenario('host ports', async (w) => {
  await w.node('a')
  const containers = [{ name: 'app', image: 'example.com/app:1', ports: [{ containerPort: 80, hostPort: 8080 }] }]
  await put(w, 'first', { containers })
  await w.until('first', placed(w, 'first:a'))
  await put(w, 'second', { containers })
  await w.frame('the port is taken', () => placed(w, 'first:a', 'second:')() && waits(w, 'second')())
  await w.kube.delete(Pod, 'first', w.ns)
  await w.frame('and free again', placed(w, 'second:a'))
})

scenario('another scheduler, and a node by name', async (w) => {
  await w.node('a')
  await put(w, 'by-name', { nodeName: `${w.ns}-a` })
  await put(w, 'elsewhere', { schedulerName: 'nobody' })
  await w.frame('placed', placed(w, 'by-name:a', 'elsewhere:'))
})
