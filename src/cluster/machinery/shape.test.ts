import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinResources, prepareCreate } from './index.ts'
import { canonicalQuantity } from './quantity.ts'

const deployments = builtinResources().find((info) => info.kind === 'Deployment')!
const pods = builtinResources().find((info) => info.kind === 'Pod')!
const pod = (spec: any, metadata: any = { name: 'p' }) => ({ apiVersion: 'v1', kind: 'Pod', metadata, spec })

test('unknown fields are dropped and named by path', () => {
  const { object, unknown } = prepareCreate(
    pods,
    pod({ replicas: 2, containers: [{ name: 'c', image: 'i', ports: [{ port: 1, containerPort: 1 }] }] }),
  )
  assert.deepEqual(unknown, ['spec.replicas', 'spec.containers[0].ports[0].port'])
  assert.equal(object.spec.replicas, undefined)
})

test('wrong types are told as Go tells them', () => {
  for (const [spec, message] of [
    [
      { replicas: '3' },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { replicas: 1.5 },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { template: [] },
      'json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec',
    ],
    [
      { template: { spec: { containers: [{ env: [{ name: 'A', value: true }] }] } } },
      'json: cannot unmarshal bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
    [
      { template: { spec: { containers: {} } } },
      'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
  ] as const) {
    const { malformed } = prepareCreate(deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec,
    })
    assert.equal(malformed, message)
  }
})

test('quantities and times are stored in canonical form', () => {
  for (const [given, stored] of [
    ['0.5', '500m'],
    ['1024Mi', '1Gi'],
    ['1500m', '1500m'],
    ['1000m', '1'],
    [2, '2'],
    ['1e3', '1e3'],
    ['0', '0'],
    ['1000Ki', '1000Ki'],
    ['1.5Gi', '1536Mi'],
    ['-1', '-1'],
    ['100000', '100k'],
    ['one', undefined],
    ['', undefined],
  ] as const)
    assert.equal(canonicalQuantity(given), stored, String(given))
  const lease = builtinResources().find((info) => info.kind === 'Lease')!
  const renew = (renewTime: string) =>
    prepareCreate(lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'l' },
      spec: { renewTime },
    })
  assert.equal(renew('2026-01-01T01:00:00.123456+01:00').object.spec.renewTime, '2026-01-01T00:00:00.123456Z')
  assert.match(renew('2026-01-01T00:00:00.123Z').malformed!, /^parsing time/)
})

test('hostile objects are refused or kept as data, never executed', () => {
  const labels = JSON.parse('{"__proto__":"x","constructor":"y"}')
  const prepared = prepareCreate(
    pods,
    pod({ containers: [{ name: 'c', image: 'i' }] }, { name: 'p', annotations: labels }),
  )
  assert.equal(Object.hasOwn(prepared.object.metadata.annotations, '__proto__'), true)
  assert.equal(({} as any).x, undefined)
  const unknown = prepareCreate(
    pods,
    pod(JSON.parse('{"__proto__":{"containers":[]},"containers":[{"name":"c","image":"i"}]}')),
  )
  assert.deepEqual(unknown.unknown, ['spec.__proto__'])
  let deep: any = {}
  for (let i = 0; i < 5000; i++) deep = { properties: { a: deep } }
  const crds = builtinResources().find((info) => info.kind === 'CustomResourceDefinition')!
  const nested = prepareCreate(crds, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'a.b.c' },
    spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: deep } }] },
  })
  assert.equal(nested.malformed, 'exceeded max depth')
})

test('Secrets take only base64', () => {
  const secrets = builtinResources().find((info) => info.kind === 'Secret')!
  const bad = prepareCreate(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { a: 'a*b' } })
  assert.match(bad.malformed!, /^illegal base64 data at input byte 1/)
})
