import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinResources, prepareCreate, prepareUpdate } from '../index.ts'

const infoOf = (kind: string) => builtinResources().findLast((info) => info.kind === kind)!
const apiVersion = (kind: string) => [infoOf(kind).group, infoOf(kind).version].filter(Boolean).join('/')
const object = (kind: string, fields: any, metadata: any = { name: 'x' }) => ({
  apiVersion: apiVersion(kind),
  kind,
  metadata,
  ...fields,
})
const messages = (prepared: any) => prepared.causes.map((cause: any) => `${cause.field}: ${cause.message}`)
const created = (kind: string, fields: any, metadata?: any) =>
  messages(prepareCreate(infoOf(kind), object(kind, fields, metadata)))
const changed = (kind: string, before: any, after: any) => {
  const info = infoOf(kind)
  const old = prepareCreate(info, object(kind, before)).object
  return messages(prepareUpdate(info, object(kind, after), old))
}
const c = (more: any = {}) => ({ name: 'c', image: 'i', ...more })
const pod = (more: any = {}, container: any = {}) => ({ spec: { containers: [c(container)], ...more } })
const deployment = (more: any = {}, container: any = {}) => ({
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, ...pod({}, container) },
    ...more,
  },
})
const job = (more: any = {}) => ({ spec: { template: pod({ restartPolicy: 'Never' }), ...more } })

test('valid objects have nothing to say', () => {
  assert.deepEqual(created('Pod', pod()), [])
  assert.deepEqual(created('Deployment', deployment()), [])
  assert.deepEqual(created('Job', job()), [])
})

test('pods', () => {
  for (const [fields, ...wanted] of [
    [{ spec: {} }, 'spec.containers: Required value'],
    [pod({}, { name: undefined }), 'spec.containers[0].name: Required value'],
    [pod({}, { image: undefined }), 'spec.containers[0].image: Required value'],
    [{ spec: { containers: [c(), c()] } }, 'spec.containers[1].name: Duplicate value: "c"'],
    [
      pod({}, { imagePullPolicy: 'Sometimes' }),
      'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ],
    [
      pod({}, { ports: [{ containerPort: 70000 }] }),
      'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      pod(
        {},
        {
          ports: [
            { containerPort: 1, name: 'a' },
            { containerPort: 2, name: 'a' },
          ],
        },
      ),
      'spec.containers[0].ports[1].name: Duplicate value: "a"',
    ],
    [
      pod({}, { volumeMounts: [{ name: 'v', mountPath: '/x' }] }),
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
    [
      pod({ volumes: [{ name: 'v', emptyDir: {}, secret: { secretName: 's' } }] }),
      'spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type',
    ],
    [pod({}, { livenessProbe: {} }), 'spec.containers[0].livenessProbe: Required value: must specify a handler type'],
    [
      pod({}, { readinessProbe: { tcpSocket: { port: 1 }, exec: { command: ['x'] } } }),
      'spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
    ],
    [
      pod({}, { livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } }),
      'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
    ],
    [
      pod({}, { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ],
    [pod({}, { env: [{ value: 'x' }] }), 'spec.containers[0].env[0].name: Required value'],
    [
      pod({}, { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
      'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ],
    [
      pod({ restartPolicy: 'Maybe' }),
      'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"',
    ],
  ] as [any, ...string[]][])
    assert.deepEqual(created('Pod', fields), wanted)
  const update = changed('Pod', pod(), pod({}, { env: [{ name: 'X', value: 'y' }] }))
  assert.match(
    update[0],
    /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/,
  )
  assert.deepEqual(changed('Pod', pod(), pod({}, { image: 'j', imagePullPolicy: 'Always' })), [])
  assert.equal(changed('Pod', pod(), pod({ nodeName: 'node-0' })).length, 1)
})

test('workloads', () => {
  for (const [kind, fields, ...wanted] of [
    [
      'Deployment',
      deployment({ replicas: -1 }),
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'Deployment',
      deployment({ selector: undefined }),
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
    ],
    [
      'Deployment',
      deployment({ selector: {} }),
      'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
    ],
    [
      'Deployment',
      deployment({ selector: { matchLabels: { a: 'c' } } }),
      'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
    ],
    [
      'Deployment',
      deployment({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
    ],
    [
      'Deployment',
      deployment({ strategy: { type: 'Roll' } }),
      'spec.strategy: Unsupported value: {"Type":"Roll","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
    ],
    ['Deployment', deployment({}, { image: '' }), 'spec.template.spec.containers[0].image: Required value'],
    [
      'Job',
      { spec: { template: pod() } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    ['CronJob', { spec: { jobTemplate: job() } }, 'spec.schedule: Required value'],
    [
      'CronJob',
      { spec: { schedule: '* * *', jobTemplate: job() } },
      'spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]',
    ],
    [
      'CronJob',
      { spec: { schedule: '@daily', timeZone: 'Moon/Base', jobTemplate: job() } },
      'spec.timeZone: Invalid value: "Moon/Base": unknown time zone Moon/Base',
    ],
  ] as [string, any, ...string[]][])
    assert.deepEqual(created(kind, fields), wanted)
  assert.match(
    created('CronJob', { spec: { schedule: '99 * * * *', jobTemplate: job() } })[0],
    /^spec.schedule: Invalid value: "99/,
  )
  const other = deployment({ selector: { matchLabels: { a: 'c' } } })
  other.spec.template.metadata.labels = { a: 'c' }
  assert.deepEqual(changed('Deployment', deployment(), other), [
    'spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable',
  ])
  assert.match(
    changed('Job', job(), { spec: { template: pod({ restartPolicy: 'OnFailure' }) } })[0],
    /^spec.template: Invalid value: .*: field is immutable$/,
  )
})

test('services, configuration, claims', () => {
  const service = (spec: any) => ({ spec: { ports: [{ port: 80 }], ...spec } })
  for (const [kind, fields, ...wanted] of [
    ['Service', { spec: {} }, 'spec.ports: Required value'],
    [
      'Service',
      service({ ports: [{ port: 0 }] }),
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
    [
      'Service',
      service({ ports: [{ port: 1 }, { port: 2 }] }),
      'spec.ports[0].name: Required value',
      'spec.ports[1].name: Required value',
    ],
    [
      'Service',
      service({ ports: [{ port: 1, nodePort: 30000 }] }),
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    ['Service', { spec: { type: 'ExternalName' } }, 'spec.externalName: Required value'],
    [
      'ConfigMap',
      { data: { 'a b': 'x' } },
      "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ],
    [
      'Secret',
      { type: 'kubernetes.io/tls', data: {} },
      'data[tls.crt]: Required value',
      'data[tls.key]: Required value',
    ],
    [
      'PersistentVolumeClaim',
      { spec: {} },
      'spec.accessModes: Required value: at least 1 access mode is required',
      'spec.resources[storage]: Required value',
    ],
    ['Ingress', { spec: {} }, 'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
    [
      'Ingress',
      { spec: { rules: [{ http: { paths: [{ backend: { service: { name: 's', port: { number: 80 } } } }] } }] } },
      'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
    ],
    [
      'PodDisruptionBudget',
      { spec: { minAvailable: 1, maxUnavailable: 1 } },
      'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
    ],
    [
      'Lease',
      { spec: { leaseDurationSeconds: 0 } },
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
    ],
  ] as [string, any, ...string[]][])
    assert.deepEqual(created(kind, fields), wanted)
  assert.deepEqual(changed('Service', service({ clusterIP: '10.0.0.1' }), service({ clusterIP: '10.0.0.2' })), [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  ])
  assert.deepEqual(changed('ConfigMap', { data: { a: 'b' }, immutable: true }, { data: { a: 'c' }, immutable: true }), [
    'data: Forbidden: field is immutable when `immutable` is set',
  ])
  assert.deepEqual(changed('Secret', { type: 'a/b' }, { type: 'c/d' }), [
    'type: Invalid value: "c/d": field is immutable',
  ])
})

test('metadata', () => {
  const name = (metadata: any) => created('ConfigMap', {}, metadata)
  assert.deepEqual(name({}), ['metadata.name: Required value: name or generateName is required'])
  assert.match(name({ name: 'A' })[0], /^metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain/)
  assert.match(
    name({ name: 'a', labels: { 'a b': 'c' } })[0],
    /^metadata.labels: Invalid value: "a b": name part must consist of/,
  )
  assert.match(
    name({ name: 'a', labels: { a: 'b c' } })[0],
    /^metadata.labels: Invalid value: "b c": a valid label must be an empty string or/,
  )
  assert.deepEqual(name({ name: 'a', annotations: { big: 'x'.repeat(262_145) } }), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ])
  assert.deepEqual(created('ClusterRole', {}, { name: 'system:x' }), [])
  assert.match(
    created('Namespace', {}, { name: 'a.b' })[0],
    /^metadata.name: Invalid value: "a.b": must not contain dots/,
  )
  const info = infoOf('ConfigMap')
  const old = object(
    'ConfigMap',
    {},
    { name: 'a', uid: 'u', finalizers: ['x/y'], deletionTimestamp: '2026-01-01T00:00:00Z' },
  )
  const next = object(
    'ConfigMap',
    {},
    { name: 'a', uid: 'v', finalizers: ['x/y', 'x/z'], deletionTimestamp: '2026-01-01T00:00:00Z' },
  )
  assert.deepEqual(messages(prepareUpdate(info, next, old)), [
    'metadata.uid: Invalid value: "v": field is immutable',
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/z"}',
  ])
})
