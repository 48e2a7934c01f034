import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from '#manifests'
import { parseSpec } from '#spec'
import { beamPod, missingLinks } from './nodes.ts'

/** A running pod of an app as the manifests make it. */
function pod(yaml: string): any {
  const parsed = parseSpec(yaml, { file: 'cuddle.yaml' })
  assert.ok(parsed.ok)
  const objects: any[] = compile({
    app: 'shop',
    namespace: 'shop',
    release: 1,
    image: `cuddle.local/shop@sha256:${'0'.repeat(64)}`,
    config: {},
    scale: {},
    runtime: 'beam',
    environment: { baseDomain: 'localhost', scheme: 'http' },
    spec: parsed.spec,
  })
  const { template } = objects.find(({ kind }) => kind === 'Deployment').spec
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, name: 'shop-web-1', uid: 'u1', namespace: 'shop' },
    spec: template.spec,
    status: {
      podIP: '10.0.0.7',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'web', restartCount: 2, state: { running: {} } }],
    },
  }
}

const clustered = 'processes: {web: bin/shop start}\nbeam: {cluster: true, port: 9200}'

test('a pod of a clustered app says how its node is reached', () => {
  assert.deepEqual(beamPod(pod(clustered)), {
    pod: 'shop-web-1',
    uid: 'u1',
    process: 'web',
    namespace: 'shop',
    name: 'shop@10.0.0.7',
    host: '10.0.0.7',
    port: 9200,
    restarts: 2,
    ready: true,
    clustered: true,
    schedulers: undefined,
    cookie: { name: 'shop-cookie', key: 'cookie' },
  })
})

test('pods that are no nodes, do not run yet, or are about to go are left alone', () => {
  assert.equal(beamPod(pod('processes: {web: bin/shop start}')), undefined)
  const going = pod(clustered)
  going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
  assert.equal(beamPod(going), undefined)
  const waiting = pod(clustered)
  waiting.status.containerStatuses[0].state = { waiting: { reason: 'CrashLoopBackOff' } }
  assert.equal(beamPod(waiting), undefined)
  assert.equal(beamPod({ ...pod(clustered), status: {} }), undefined)
})

test('missing links are found once a pair, also when only one side misses the other', () => {
  const known = (lists: Record<string, string[] | undefined>) => missingLinks(new Map(Object.entries(lists)))
  assert.deepEqual(known({ a: ['b', 'c'], b: ['a', 'c'], c: ['a', 'b'] }), [])
  assert.deepEqual(known({ a: [], b: ['c'], c: ['b'] }), [
    ['a', 'b'],
    ['a', 'c'],
  ])
  assert.deepEqual(known({ a: ['b'], b: [] }), [['b', 'a']])
  assert.deepEqual(known({ a: undefined, b: [], c: undefined }), [
    ['b', 'a'],
    ['b', 'c'],
  ])
})

test('schedulers are worth the CPU that a pod has, unless the app has flags of its own', () => {
  const given = (yaml: string, cpu: string) => {
    const one = pod(yaml)
    one.status.containerStatuses[0].resources = { requests: { cpu } }
    return beamPod(one)?.schedulers
  }
  assert.equal(given(clustered, '100m'), 2)
  assert.equal(given(clustered, '3500m'), 4)
  assert.equal(given(clustered, '100'), 8, 'no more than it has')
  assert.equal(given(`${clustered}\nenv: {ERL_FLAGS: "+S 1:1"}`, '4'), undefined)
})

test('pods that are only read are nodes too, of no cluster', () => {
  const alone = beamPod(pod('processes: {web: bin/shop start}\nscale: {web: 1..3}'))
  assert.deepEqual([alone?.clustered, alone?.name], [false, 'shop@10.0.0.7'])
  assert.equal(beamPod(pod('processes: {web: bin/shop start}')), undefined)
})
