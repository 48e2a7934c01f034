import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { builtinResources, prepareCreate, prepareUpdate } from '../index.ts'
import { pullPolicy, qosClass } from './pod.ts'

const resource = (kind: string, group?: string) =>
  builtinResources().findLast((info) => info.kind === kind && (group === undefined || info.group === group))!

/** Where a server of 1.36 differs from the captured 1.20, or where another part (admission, the API) does it. */
const known: Record<string, string> = {
  'Pod.spec.volumes.6': 'ServiceAccount admission',
  'Pod.spec.containers.0.volumeMounts': 'ServiceAccount admission',
  'Pod.spec.serviceAccountName': 'ServiceAccount admission',
  'Pod.spec.serviceAccount': 'ServiceAccount admission',
  'Pod.spec.tolerations': 'DefaultTolerationSeconds admission',
  'Pod.spec.priority': 'Priority admission',
  'Pod.spec.preemptionPolicy': 'Priority admission',
  '*.metadata.generation': 'the API counts generations',
  'StatefulSet.spec.persistentVolumeClaimRetentionPolicy': 'since 1.23',
  'StatefulSet.status.availableReplicas': 'since 1.22',
  'DaemonSet.metadata.annotations': 'the deprecated template generation is not kept',
  'DaemonSet.spec.updateStrategy.rollingUpdate.maxSurge': 'since 1.22',
  'Job.metadata.labels.batch.kubernetes.io/controller-uid': 'since 1.27',
  'Job.metadata.labels.batch.kubernetes.io/job-name': 'since 1.27',
  'Job.spec.selector.matchLabels.controller-uid': 'prefixed since 1.27',
  'Job.spec.selector.matchLabels.batch.kubernetes.io/controller-uid': 'since 1.27',
  'Job.spec.template.metadata.labels.batch.kubernetes.io/controller-uid': 'since 1.27',
  'Job.spec.template.metadata.labels.batch.kubernetes.io/job-name': 'since 1.27',
  'Job.spec.completionMode': 'since 1.21',
  'Job.spec.suspend': 'since 1.21',
  'Job.spec.manualSelector': 'since 1.28',
  'Job.spec.podReplacementPolicy': 'since 1.28',
  'Service.spec.internalTrafficPolicy': 'since 1.22',
  'Service.spec.ipFamilies': 'dual-stack, since 1.20 behind a gate',
  'Service.spec.ipFamilyPolicy': 'dual-stack, since 1.20 behind a gate',
  'Service.spec.allocateLoadBalancerNodePorts': 'since 1.24',
  'Service.spec.ports.0.nodePort': 'the API allocates node ports',
  'PersistentVolumeClaim.metadata.finalizers': 'StorageObjectInUseProtection admission',
  'PersistentVolume.metadata.finalizers': 'StorageObjectInUseProtection admission',
  'HorizontalPodAutoscaler.status.currentReplicas': 'omitted since v2',
  'Namespace.metadata.labels': 'kubernetes.io/metadata.name, since 1.21',
}

function differences(want: any, got: any, path: string): string[] {
  if (typeof want !== 'object' || typeof got !== 'object' || want === null || got === null)
    return want === got ? [] : [path]
  const keys = new Set([...Object.keys(want), ...Object.keys(got)])
  return [...keys].flatMap((key) => differences(want[key], got[key], `${path}.${key}`))
}

test('minimal objects get the defaults that a real API server gave them', () => {
  const cases = JSON.parse(readFileSync(new URL('../golden/defaults-1.20.json', import.meta.url), 'utf8'))
  assert.equal(cases.length, 22)
  for (const { request, response } of cases) {
    const info = resource(request.kind)
    const apiVersion = info.group ? `${info.group}/${info.version}` : info.version
    const { uid, namespace } = response.metadata
    const prepared = prepareCreate(info, { ...request, apiVersion, metadata: { ...request.metadata, uid, namespace } })
    assert.deepEqual(prepared.causes, [], request.kind)
    assert.deepEqual(prepared.unknown, [], request.kind)
    const unexpected = differences({ ...response, apiVersion }, prepared.object, '').filter(
      (path) => !known[request.kind + path] && !known[`*${path}`],
    )
    assert.deepEqual(unexpected, [], request.kind)
  }
})

test('what the server fills in changes nothing the second time', () => {
  const cases = JSON.parse(readFileSync(new URL('../golden/defaults-1.20.json', import.meta.url), 'utf8'))
  for (const { request } of cases) {
    const info = resource(request.kind)
    const apiVersion = info.group ? `${info.group}/${info.version}` : info.version
    const { object } = prepareCreate(info, { ...request, apiVersion })
    assert.deepEqual(prepareUpdate(info, structuredClone(object), object).object, object, request.kind)
  }
})

test('the image decides the pull policy', () => {
  for (const [image, policy] of [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['registry:5000/nginx', 'Always'],
    ['registry:5000/nginx:1', 'IfNotPresent'],
    [`cuddle.local/shop@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
  ])
    assert.equal(pullPolicy(image), policy, image)
})

test('the quality of service follows requests and limits', () => {
  const of = (resources: any) => qosClass({ containers: [{ resources }] })
  assert.equal(of({}), 'BestEffort')
  assert.equal(of({ requests: { cpu: '1' } }), 'Burstable')
  assert.equal(of({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } }), 'Guaranteed')
  assert.equal(of({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } }), 'Burstable')
})

test("a Secret's stringData becomes data", () => {
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    data: { a: 'YQ==' },
    stringData: { b: 'ü\n' },
  }
  const { object } = prepareCreate(resource('Secret'), secret)
  assert.deepEqual(object.data, { a: 'YQ==', b: Buffer.from('ü\n').toString('base64') })
  assert.equal(object.stringData, undefined)
})

test('a Service keeps what was allocated when it is replaced without it', () => {
  const info = resource('Service')
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { type: 'NodePort', ports: [{ port: 80 }] },
  }
  const old = prepareCreate(info, service).object
  old.spec.clusterIP = '127.48.0.9'
  old.spec.clusterIPs = ['127.48.0.9']
  old.spec.ports[0].nodePort = 30001
  const { object, causes } = prepareUpdate(info, service, old)
  assert.deepEqual(causes, [])
  assert.equal(object.spec.clusterIP, '127.48.0.9')
  assert.equal(object.spec.ports[0].nodePort, 30001)
  const patched = { ...object, spec: { ...object.spec, type: 'ClusterIP' } }
  const closed = prepareUpdate(info, patched, object)
  assert.deepEqual(closed.causes, [])
  assert.equal(closed.object.spec.ports[0].nodePort, undefined)
})
