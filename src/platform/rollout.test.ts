import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '#kube'
import { failureLines, report } from './diagnose.ts'
import { assess, serving, switched, type View } from './rollout.ts'
import { complaint } from './waiting.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const at = (seconds: number) => new Date(now + seconds * 1000).toISOString()
const labels = { 'cuddle.dev/app': 'shop', 'cuddle.dev/process': 'web' }

function world(options: {
  replicas: number
  ready: number
  old?: number
  container?: object
  restartCount?: number
  progressing?: string
}): { wanted: KubeObject[]; view: View } {
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: 'shop-web',
      namespace: 'shop',
      uid: 'd',
      generation: 2,
      labels,
      annotations: { 'deployment.kubernetes.io/revision': '2' },
    },
    spec: { replicas: options.replicas, progressDeadlineSeconds: 120 },
    status: {
      observedGeneration: 2,
      replicas: options.replicas + (options.old ?? 0),
      updatedReplicas: options.replicas,
      availableReplicas: options.ready + (options.old ?? 0),
      conditions: options.progressing ? [{ type: 'Progressing', status: 'False', reason: options.progressing }] : [],
    },
  }
  const set = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: 'shop-web-2',
      uid: 'r',
      annotations: { 'deployment.kubernetes.io/revision': '2' },
      ownerReferences: [{ uid: 'd' }],
    },
  }
  const pods = Array.from({ length: options.replicas }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `shop-web-2-${index}`,
      namespace: 'shop',
      uid: `p${index}`,
      labels,
      ownerReferences: [{ kind: 'ReplicaSet', uid: 'r' }],
    },
    spec: { containers: [{ name: 'web' }] },
    status: {
      conditions: [{ type: 'Ready', status: index < options.ready ? 'True' : 'False' }],
      containerStatuses: [{ name: 'web', restartCount: options.restartCount ?? 0, ...options.container }],
    },
  }))
  return {
    wanted: [deployment],
    view: { deployments: [deployment], replicaSets: [set], pods, endpointSlices: [] } as unknown as View,
  }
}

test('a rollout is complete when all new pods serve and no old one is left', () => {
  const { wanted, view } = world({ replicas: 2, ready: 2 })
  assert.deepEqual(assess(wanted, view, now), { state: 'complete' })
})

test('old pods that are still leaving do not keep a developer waiting', () => {
  const { wanted, view } = world({ replicas: 2, ready: 2, old: 1 })
  assert.equal(serving(wanted, view, now), true)
  assert.deepEqual(assess(wanted, view, now), { state: 'progressing', message: 'web: 2 of 2 ready, old pods leaving' })
})

test('a release has taken over when old pods leave and no endpoint leads to them', () => {
  const { wanted, view } = world({ replicas: 1, ready: 1, old: 1 })
  const oldSet = structuredClone(view.replicaSets[0])
  Object.assign(oldSet.metadata, {
    name: 'shop-web-1',
    uid: 'r1',
    annotations: { 'deployment.kubernetes.io/revision': '1' },
  })
  const oldPod = structuredClone(view.pods[0])
  Object.assign(oldPod.metadata, {
    name: 'shop-web-1-0',
    uid: 'o',
    ownerReferences: [{ kind: 'ReplicaSet', uid: 'r1' }],
  })
  const slice = (ready: boolean, labels = {}) => ({
    metadata: { labels },
    endpoints: [{ targetRef: { name: 'shop-web-1-0' }, conditions: { ready } }],
  })
  const after = (leaving: boolean, routed: boolean) => {
    const metadata = { ...oldPod.metadata, ...(leaving && { deletionTimestamp: at(0) }) }
    const pods = [...view.pods, { ...oldPod, metadata }]
    return {
      ...view,
      replicaSets: [...view.replicaSets, oldSet],
      pods,
      // Nodes of a cluster are in their headless Service to the end.
      endpointSlices: [slice(routed), slice(true, { 'service.kubernetes.io/headless': '' })],
    } as unknown as View
  }
  assert.equal(switched(wanted, after(false, true)), false)
  assert.equal(switched(wanted, after(true, true)), false)
  assert.equal(switched(wanted, after(true, false)), true)
})

test('a Deployment that its controller has not seen yet is not done', () => {
  const { wanted, view } = world({ replicas: 1, ready: 1 })
  view.deployments[0].metadata.generation = 3
  assert.equal(serving(wanted, view, now), false)
  assert.equal(assess(wanted, view, now).state, 'progressing')
})

test('one crash may be bad luck, the second is the release', () => {
  const crashed = {
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 3, reason: 'Error' } },
  }
  const once = world({ replicas: 1, ready: 0, container: crashed, restartCount: 0 })
  assert.equal(assess(once.wanted, once.view, now).state, 'progressing')
  const twice = world({ replicas: 1, ready: 0, container: crashed, restartCount: 1 })
  const rollout = assess(twice.wanted, twice.view, now)
  assert.equal(rollout.state, 'failed')
  assert.equal(rollout.state === 'failed' && rollout.reason, 'crash')
  assert.match(rollout.state === 'failed' ? rollout.message : '', /web exited with code 3/)
})

test('running out of memory, a missing image and a passed deadline each have their own reason', () => {
  const cases: [object, number, string][] = [
    [{ state: {}, lastState: { terminated: { exitCode: 137, signal: 9, reason: 'OOMKilled' } } }, 2, 'oom'],
    [{ state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } } }, 0, 'image'],
    [{ state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "x" not found' } } }, 0, 'config'],
  ]
  for (const [container, restartCount, reason] of cases) {
    const { wanted, view } = world({ replicas: 1, ready: 0, container, restartCount })
    const rollout = assess(wanted, view, now)
    assert.equal(rollout.state === 'failed' && rollout.reason, reason)
  }
  const late = world({ replicas: 1, ready: 0, progressing: 'ProgressDeadlineExceeded' })
  const rollout = assess(late.wanted, late.view, now)
  assert.equal(rollout.state === 'failed' && rollout.reason, 'deadline')
})

test('the report guesses the likely cause from what was seen', () => {
  const failed = (container: object, restartCount = 2) => {
    const { wanted, view } = world({
      replicas: 1,
      ready: 0,
      container,
      restartCount,
      progressing: 'ProgressDeadlineExceeded',
    })
    const rollout = assess(wanted, view, now)
    assert.ok(rollout.state === 'failed')
    return rollout
  }
  const crash = failed({ state: {}, lastState: { terminated: { exitCode: 1, reason: 'Error' } } })
  const missing = report(
    crash,
    { logs: ['** (RuntimeError) environment variable DATABASE_URL is missing.'], events: [] },
    'shop',
  )
  assert.match(missing.cause!, /DATABASE_URL is missing/)
  const command = report(
    failed({ state: {}, lastState: { terminated: { exitCode: 127, reason: 'Error' } } }),
    { logs: ['sh: 1: bin/shop: not found'], events: [] },
    'shop',
  )
  assert.match(command.cause!, /command cannot be run/)
  const deaf = report(
    failed({ state: { running: {} } }, 0),
    {
      logs: ['listening on 4000'],
      events: ['Unhealthy: Startup probe failed: dial tcp 127.64.0.2:20001: connection refused'],
    },
    'shop',
  )
  assert.equal(deaf.reason, 'probe')
  assert.match(deaf.cause!, /nothing listens on \$PORT/)
  assert.match(deaf.probe!, /connection refused/)
})

test('a startup probe that gave up is told as such, at once and whatever the exit code', () => {
  const probed = (container: object, restartCount = 0) => {
    const { wanted, view } = world({ replicas: 1, ready: 0, container, restartCount })
    view.pods[0].spec!.containers[0].startupProbe = {
      tcpSocket: { port: 'http' },
      periodSeconds: 1,
      timeoutSeconds: 2,
      failureThreshold: 10,
    }
    return assess(wanted, view, now)
  }
  const reason = (rollout: ReturnType<typeof assess>) => rollout.state === 'failed' && rollout.reason
  assert.equal(probed({ started: false, state: { running: { startedAt: at(-12) } } }).state, 'progressing')
  assert.equal(reason(probed({ started: false, state: { running: { startedAt: at(-13) } } })), 'probe')
  assert.equal(probed({ started: true, state: { running: { startedAt: at(-60) } } }).state, 'progressing')
  const killed = { exitCode: 0, reason: 'Completed', startedAt: at(-14), finishedAt: at(-2) }
  const after = probed(
    { started: false, state: { running: { startedAt: at(-1) } }, lastState: { terminated: killed } },
    1,
  )
  assert.equal(reason(after), 'probe')
  assert.ok(after.state === 'failed')
  const told = report(
    after,
    { logs: ['Server listening on http://localhost:4000'], events: ['Unhealthy: Startup probe failed: refused'] },
    'shop',
  )
  assert.equal(told.exitCode, undefined)
  assert.match(told.cause!, /port 4000, but nothing listens on \$PORT/)
  const { wanted, view } = world({
    replicas: 1,
    ready: 0,
    restartCount: 1,
    container: { started: false, state: { running: { startedAt: at(-1) } }, lastState: { terminated: killed } },
  })
  view.pods[0].spec!.containers[0].startupProbe = { periodSeconds: 1, failureThreshold: 10 }
  view.pods[0].status!.conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: at(-2) }]
  assert.equal(assess(wanted, view, now).state, 'progressing', 'it was ready before, and is restarted')
  const early = { exitCode: 3, reason: 'Error', startedAt: at(-5), finishedAt: at(-4) }
  const loop = { started: false, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: early } }
  assert.equal(reason(probed(loop, 1)), 'crash')
})

test('a process without probes counts when its ReplicaSet calls it available', () => {
  const { wanted, view } = world({ replicas: 1, ready: 1 })
  view.deployments[0].spec!.minReadySeconds = 2
  assert.equal(serving(wanted, view, now), false)
  view.replicaSets[0].status = { replicas: 1, availableReplicas: 1 }
  assert.equal(serving(wanted, view, now), true)
})

test('a page that a probe got for an answer becomes one line', () => {
  const probe = `Startup probe failed: HTTP probe failed with statuscode: 404: <html>\n  <head>\n${'x'.repeat(1000)}`
  const lines = failureLines(
    { reason: 'probe', message: 'no', process: 'web', probe, logs: [], events: [] },
    'shop v2',
    'v1',
  )
  const told = lines.find((line) => line.includes('probe:'))!
  assert.match(told, /statuscode: 404: <html> <head> x+…$/)
  assert.doesNotMatch(told, /\n/)
})

test('a quota that refuses pods of a StatefulSet fails the rollout, unless its code was loaded already', () => {
  const template = { metadata: { annotations: { 'cuddle.dev/shape': 's' } }, spec: { containers: [{ image: 'new' }] } }
  const set: any = {
    kind: 'StatefulSet',
    metadata: { name: 'shop-web', uid: 's', labels, generation: 1 },
    spec: { replicas: 2, template },
    status: { observedGeneration: 1 },
  }
  const pod: any = {
    metadata: { name: 'shop-web-0', uid: 'p', labels, ownerReferences: [{ uid: 's' }], ...template.metadata },
    spec: { containers: [{ image: 'old' }] },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  }
  const why = 'pods "shop-web-1" is forbidden: exceeded quota: small, requested: pods=1'
  const view = (loaded: View['loaded'], sure = true): View => ({
    statefulSets: [set],
    deployments: [],
    replicaSets: [],
    endpointSlices: [],
    pods: [pod],
    loaded,
    refusals: new Map([['shop-web', { why, sure }]]),
  })
  const refused = assess([set], view([]), now)
  assert.ok(refused.state === 'failed' && refused.reason === 'refused')
  const failure = report(refused, { logs: [], events: [] }, 'shop')
  assert.match(failure.cause!, /the quota small has no room/)
  assert.match(failure.next!, /kubectl -n shop describe quota small/)
  assert.equal(assess([set], view([], false), now).state, 'progressing', 'what was said before may be over')
  const waiting = assess([set], view([{ pod: 'shop-web-0', uid: 'p', restarts: 0 }]), now)
  assert.ok(waiting.state === 'progressing')
  assert.match(waiting.message, /1 of 2 new pods ready; more are refused: .*quota: small/)
})

test('a pod that takes long is told of: its room, and what its probe answered', () => {
  const pod = (status: object): any => ({
    metadata: { name: 'shop-web-0', uid: 'p', creationTimestamp: at(-10) },
    status: { ...status },
  })
  const full = '0/1 nodes are available: 1 Insufficient cpu.'
  const unplaced = pod({ conditions: [{ type: 'PodScheduled', status: 'False', message: full }] })
  assert.equal(complaint([unplaced], now), `; no node has room: ${full}`)
  assert.equal(complaint([unplaced], now - 8_000), '')
  // A kubelet's words: the condition does not say what the probe answered.
  const conditions = [{ type: 'Ready', status: 'False', message: 'containers with unready status: [web]' }]
  const starting = pod({ startTime: at(-9), conditions })
  assert.equal(complaint([starting], now), '')
  const reply = 'Startup probe failed: HTTP probe failed with statuscode: 503'
  assert.equal(complaint([starting], now, new Map([['p', reply]])), `; ${reply}`)
})
