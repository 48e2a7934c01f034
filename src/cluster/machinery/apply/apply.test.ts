import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyServerSide,
  builtinResources,
  conflictStatus,
  PatchError,
  prepareCreate,
  prepareUpdate,
  resourceFromCrd,
  trackManagedFields,
} from '../index.ts'

const now = Date.parse('2026-11-23T03:12:03Z')
const widgets = resourceFromCrd(
  {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  properties: {
                    color: { type: 'string' },
                    replicas: { type: 'integer', default: 1 },
                    tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
                    steps: { type: 'array', items: { type: 'string' } },
                    any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                    ports: {
                      type: 'array',
                      'x-kubernetes-list-type': 'map',
                      'x-kubernetes-list-map-keys': ['port', 'protocol'],
                      items: {
                        type: 'object',
                        required: ['port'],
                        properties: {
                          port: { type: 'integer' },
                          protocol: { type: 'string', default: 'TCP' },
                          name: { type: 'string' },
                        },
                      },
                    },
                  },
                },
                status: { type: 'object', properties: { phase: { type: 'string' } } },
              },
            },
          },
        },
      ],
    },
  },
  'v1',
)
const widget = (spec: any) => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name: 'a', namespace: 'default' },
  spec,
})

function apply(live: any, spec: any, manager: string, force = false): any {
  const result = applyServerSide({ info: widgets, live, applied: widget(spec), manager, force, now })
  if (result.conflicts) throw new Error(conflictStatus(result.conflicts).message)
  return live ? prepareUpdate(widgets, result.object, live).object : prepareCreate(widgets, result.object).object
}
const owners = (object: any) =>
  object.metadata.managedFields?.map((entry: any) => [
    entry.manager,
    entry.operation,
    entry.fieldsV1['f:spec'] ?? entry.fieldsV1,
  ])

test('an apply owns what it names, list items by their keys with defaults filled in', () => {
  const object = apply(undefined, { color: 'red', ports: [{ port: 80, name: 'x' }] }, 'z')
  assert.deepEqual(object.metadata.managedFields, [
    {
      manager: 'z',
      operation: 'Apply',
      apiVersion: 'example.com/v1',
      time: '2026-11-23T03:12:03Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:spec': {
          'f:color': {},
          'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {} } },
        },
      },
    },
  ])
  assert.deepEqual(object.spec, { color: 'red', replicas: 1, ports: [{ port: 80, protocol: 'TCP', name: 'x' }] })
})

test('equal values share ownership, different ones conflict, force takes over', () => {
  const first = apply(undefined, { color: 'red', ports: [{ port: 80, name: 'x' }] }, 'z')
  const shared = apply(first, { color: 'red' }, 'm2')
  assert.deepEqual(
    owners(shared).map(([manager]: any) => manager),
    ['m2', 'z'],
  )
  const result = applyServerSide({
    info: widgets,
    live: first,
    applied: widget({ color: 'blue', ports: [{ port: 80, name: 'y' }] }),
    manager: 'm2',
    now,
  })
  const { message, causes } = conflictStatus(result.conflicts!)
  assert.equal(
    message,
    'Apply failed with 2 conflicts: conflicts with "z":\n- .spec.color\n- .spec.ports[port=80,protocol="TCP"].name',
  )
  assert.deepEqual(causes[1], {
    reason: 'FieldManagerConflict',
    message: 'conflict with "z"',
    field: '.spec.ports[port=80,protocol="TCP"].name',
  })
  const forced = apply(first, { color: 'blue', ports: [{ port: 80, name: 'y' }] }, 'm2', true)
  assert.deepEqual(owners(forced), [
    [
      'm2',
      'Apply',
      { 'f:color': {}, 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {} } } },
    ],
    ['z', 'Apply', { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } }],
  ])
})

test('what is left out goes, unless someone else owns it', () => {
  const m1 = apply(undefined, { color: 'red', replicas: 2, ports: [{ port: 1 }, { port: 2 }] }, 'm1')
  const m2 = apply(m1, { color: 'red', ports: [{ port: 3 }] }, 'm2')
  assert.deepEqual(
    m2.spec.ports.map((port: any) => port.port),
    [1, 2, 3],
  )
  const less = apply(m2, { ports: [{ port: 2 }] }, 'm1')
  assert.deepEqual(less.spec, {
    color: 'red',
    replicas: 1,
    ports: [
      { port: 2, protocol: 'TCP' },
      { port: 3, protocol: 'TCP' },
    ],
  })
  const none = apply(apply(less, {}, 'm1'), {}, 'm2')
  assert.deepEqual(none.spec, { replicas: 1 })
})

test('plain writes win and take ownership; an apply then conflicts with them by version', () => {
  const applied = apply(undefined, { color: 'red' }, 'm1')
  const after = prepareUpdate(widgets, { ...applied, spec: { ...applied.spec, color: 'blue' } }, applied).object
  const stolen = trackManagedFields({ info: widgets, before: applied, after, manager: 'u1', operation: 'Update', now })
  assert.deepEqual(owners(stolen), [['u1', 'Update', { 'f:color': {} }]])
  const result = applyServerSide({ info: widgets, live: stolen, applied: widget({ color: 'red' }), manager: 'm1', now })
  assert.equal(
    conflictStatus(result.conflicts!).message,
    'Apply failed with 1 conflict: conflict with "u1" using example.com/v1: .spec.color',
  )
})

test('creating records everything that was set, defaults included', () => {
  const { object } = prepareCreate(widgets, {
    ...widget({ color: 'blue' }),
    metadata: { generateName: 'g-', labels: { i: 'a' } },
  })
  const tracked = trackManagedFields({ info: widgets, after: object, manager: 'unknown', operation: 'Update', now })
  assert.deepEqual(tracked.metadata.managedFields[0].fieldsV1, {
    'f:metadata': { 'f:generateName': {}, 'f:labels': { '.': {}, 'f:i': {} } },
    'f:spec': { '.': {}, 'f:color': {}, 'f:replicas': {} },
  })
})

test('status belongs to its own entry, and to nobody through the main endpoint', () => {
  const { object } = prepareCreate(widgets, widget({ color: 'blue' }))
  const live = trackManagedFields({ info: widgets, after: object, manager: 'a', operation: 'Update', now })
  const up = { ...live, status: { phase: 'Up' } }
  const viaMain = trackManagedFields({ info: widgets, before: live, after: up, manager: 'b', operation: 'Update', now })
  assert.deepEqual(viaMain.metadata.managedFields, live.metadata.managedFields)
  const viaStatus = trackManagedFields({
    info: widgets,
    before: live,
    after: up,
    manager: 'b',
    operation: 'Update',
    subresource: 'status',
    now,
  })
  assert.deepEqual(viaStatus.metadata.managedFields[1], {
    manager: 'b',
    operation: 'Update',
    apiVersion: 'example.com/v1',
    time: '2026-11-23T03:12:03Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:status': { '.': {}, 'f:phase': {} } },
    subresource: 'status',
  })
})

test('a write that changes nothing changes no entry; removing gives up ownership', () => {
  const { object } = prepareCreate(widgets, widget({ color: 'blue', any: { x: 1 } }))
  const live = trackManagedFields({ info: widgets, after: object, manager: 'a', operation: 'Update', now })
  const later = now + 60_000
  const same = trackManagedFields({
    info: widgets,
    before: live,
    after: structuredClone(live),
    manager: 'b',
    operation: 'Update',
    now: later,
  })
  assert.deepEqual(same, live)
  const { any: _, ...spec } = live.spec
  const less = trackManagedFields({
    info: widgets,
    before: live,
    after: { ...live, spec },
    manager: 'b',
    operation: 'Update',
    now: later,
  })
  assert.deepEqual(owners(less), [['a', 'Update', { '.': {}, 'f:color': {}, 'f:replicas': {} }]])
})

test('managedFields [{}] forgets all; the next apply finds one owner for what was there', () => {
  const live = apply(undefined, { color: 'red' }, 'm1')
  const reset = trackManagedFields({
    info: widgets,
    before: live,
    after: { ...live, metadata: { ...live.metadata, managedFields: [{}] } },
    manager: 'x',
    operation: 'Update',
    now,
  })
  assert.equal(reset.metadata.managedFields, undefined)
  const result = applyServerSide({ info: widgets, live: reset, applied: widget({ color: 'red' }), manager: 'm1', now })
  assert.deepEqual(owners(result.object), [
    ['m1', 'Apply', { 'f:color': {} }],
    ['before-first-apply', 'Update', { '.': {}, 'f:color': {}, 'f:replicas': {} }],
  ])
})

test('at most ten updaters are told apart', () => {
  let live = trackManagedFields({
    info: widgets,
    after: prepareCreate(widgets, widget({})).object,
    manager: 'm0',
    operation: 'Update',
    now,
  })
  for (let i = 1; i <= 14; i++) {
    const after = { ...live, spec: { ...live.spec, any: { ...live.spec.any, [`k${i}`]: i } } }
    live = trackManagedFields({
      info: widgets,
      before: live,
      after,
      manager: `m${i}`,
      operation: 'Update',
      now: now + i * 1000,
    })
  }
  const managers = live.metadata.managedFields.map((entry: any) => entry.manager)
  assert.equal(managers.length, 10)
  assert.equal(managers[0], 'ancient-changes')
  assert.equal(managers.at(-1), 'm14')
})

test('sets, atomic lists and free-form maps', () => {
  const first = apply(undefined, { tags: ['a', 'b'], steps: ['x', 'y'], any: { k: { l: 1 } } }, 'm1')
  assert.deepEqual(owners(first)[0][2], {
    'f:any': { 'f:k': { '.': {}, 'f:l': {} } },
    'f:steps': {},
    'f:tags': { 'v:"a"': {}, 'v:"b"': {} },
  })
  const second = apply(first, { tags: ['c'] }, 'm2')
  assert.deepEqual(second.spec.tags, ['a', 'b', 'c'])
  assert.deepEqual(apply(second, { tags: ['b'], steps: ['x'] }, 'm1').spec, {
    replicas: 1,
    tags: ['b', 'c'],
    steps: ['x'],
  })
})

test('the configuration orders its items; others keep their place', () => {
  const live = apply(undefined, { ports: [{ port: 1 }, { port: 2 }, { port: 3 }, { port: 4 }] }, 'm1')
  const after = apply(live, { ports: [{ port: 4 }, { port: 9 }, { port: 2 }] }, 'm2')
  assert.deepEqual(
    after.spec.ports.map((port: any) => port.port),
    [1, 3, 4, 9, 2],
  )
})

test('a configuration that does not fit the type is refused', () => {
  for (const [spec, message] of [
    [{ nope: 1 }, '.spec.nope: field not declared in schema'],
    [{ color: 1 }, '.spec.color: expected string, got &value.valueUnstructured{Value:1}'],
    [
      { ports: [{ name: 'x' }] },
      '.spec.ports: element 0: associative list with keys has an element that omits key field "port" (and doesn\'t have default value)',
    ],
    [{ ports: [{ port: 1 }, { port: 1 }] }, '.spec.ports: duplicate entries for key [port=1,protocol="TCP"]'],
  ] as const)
    assert.throws(
      () => apply(undefined, spec, 'm'),
      (error) =>
        error instanceof PatchError &&
        error.code === 500 &&
        error.message === `failed to create typed patch object (/a; example.com/v1, Kind=Widget): ${message}`,
    )
  const managed = { ...widget({}), metadata: { name: 'a', managedFields: [{ manager: 'x' }] } }
  assert.throws(() => applyServerSide({ info: widgets, applied: managed, manager: 'm', now }), {
    code: 400,
    message: 'metadata.managedFields must be nil',
  })
})

const deployments = builtinResources().find((info) => info.kind === 'Deployment')!
const deployment = (containers: any[], more: any = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', namespace: 'default' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers } },
    ...more,
  },
})

test('applying a Deployment again changes nothing', () => {
  const applied = deployment([
    { name: 'c', image: 'i:1', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '0.5' } } },
  ])
  const created = applyServerSide({ info: deployments, applied, manager: 'm', now })
  const live = prepareCreate(deployments, created.object!).object
  const again = applyServerSide({ info: deployments, live, applied, manager: 'm', now })
  assert.deepEqual(prepareUpdate(deployments, again.object!, live).object, live)
})

test('a scaler and an applier share a Deployment', () => {
  const applied = deployment([{ name: 'c', image: 'i:1' }])
  const created = applyServerSide({ info: deployments, applied, manager: 'm', now })
  const live = prepareCreate(deployments, created.object!).object
  const after = { ...live, spec: { ...live.spec, replicas: 5 } }
  const scaled = trackManagedFields({
    info: deployments,
    before: live,
    after,
    manager: 'hpa',
    operation: 'Update',
    subresource: 'scale',
    now,
  })
  assert.deepEqual(scaled.metadata.managedFields[1].fieldsV1, { 'f:spec': { 'f:replicas': {} } })
  const again = applyServerSide({ info: deployments, live: scaled, applied, manager: 'm', now })
  assert.equal(prepareUpdate(deployments, again.object!, scaled).object.spec.replicas, 5)
})

test('a created Deployment’s fields are recorded as kube-apiserver records them', () => {
  const { object } = prepareCreate(deployments, deployment([{ name: 'c', image: 'i' }]))
  const tracked = trackManagedFields({ info: deployments, after: object, manager: 'kubectl', operation: 'Update', now })
  assert.deepEqual(tracked.metadata.managedFields[0].fieldsV1, {
    'f:spec': {
      'f:progressDeadlineSeconds': {},
      'f:replicas': {},
      'f:revisionHistoryLimit': {},
      'f:selector': {},
      'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} }, 'f:type': {} },
      'f:template': {
        'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
        'f:spec': {
          'f:containers': {
            'k:{"name":"c"}': {
              '.': {},
              'f:image': {},
              'f:imagePullPolicy': {},
              'f:name': {},
              'f:resources': {},
              'f:terminationMessagePath': {},
              'f:terminationMessagePolicy': {},
            },
          },
          'f:dnsPolicy': {},
          'f:restartPolicy': {},
          'f:schedulerName': {},
          'f:securityContext': {},
          'f:terminationGracePeriodSeconds': {},
        },
      },
    },
  })
})
