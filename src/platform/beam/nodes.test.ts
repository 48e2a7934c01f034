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
