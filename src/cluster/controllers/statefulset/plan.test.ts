import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { reviseTemplate, revisionLabel, templateOf } from '../shared/index.ts'
import { planStatefulSet } from './plan.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

function set(spec: Record<string, any> = {}): objects.StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'shop', uid: 's', generation: 1 },
    spec: { replicas: 3, serviceName: 'db', selector: {}, template: {}, ...spec } as any,
  }
}

function pod(ordinal: number, extra: { ready?: boolean; revision?: string; phase?: string; dying?: boolean } = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `db-${ordinal}`,
      labels: { [revisionLabel]: extra.revision ?? 'new' },
      ...(extra.dying ? { deletionTimestamp: 'now' } : {}),
    },
    status: {
      phase: extra.phase ?? 'Running',
      conditions: [{ type: 'Ready', status: extra.ready === false ? 'False' : 'True' }],
    },
  } as objects.Pod
}

function plan(spec: Record<string, any>, pods: objects.Pod[]) {
  const result = planStatefulSet({ set: set(spec), pods, updateRevision: 'new', currentRevision: 'old', now })
  return {
    ...result,
    created: result.create.map(({ ordinal }) => ordinal),
    deleted: result.delete.map(({ metadata }) => metadata.name),
  }
}

test('OrderedReady creates one after the other, each when all before it are ready', () => {
  assert.deepEqual(plan({}, []).created, [0])
  assert.deepEqual(plan({}, [pod(0, { ready: false })]).created, [])
  assert.deepEqual(plan({}, [pod(0)]).created, [1])
  assert.deepEqual(plan({}, [pod(0, { ready: false }), pod(2)]).created, [])
})

test('Parallel creates and deletes all at once', () => {
  assert.deepEqual(plan({ podManagementPolicy: 'Parallel' }, []).created, [0, 1, 2])
  const parallel = { podManagementPolicy: 'Parallel', replicas: 1 }
  assert.deepEqual(plan(parallel, [pod(0), pod(1), pod(2)]).deleted, ['db-2', 'db-1'])
})

test('scaling down takes the highest first, one at a time, and only when the rest is well', () => {
  assert.deepEqual(plan({ replicas: 1 }, [pod(0), pod(1), pod(2)]).deleted, ['db-2'])
  assert.deepEqual(plan({ replicas: 1 }, [pod(0), pod(1), pod(2, { dying: true })]).deleted, [])
  assert.deepEqual(plan({ replicas: 1 }, [pod(0, { ready: false }), pod(1)]).deleted, [])
})

test('a finished pod is deleted, to come back under its name', () => {
  assert.deepEqual(plan({}, [pod(0, { phase: 'Failed', ready: false })]).deleted, ['db-0'])
})

test('a rolling update goes from the top, waits for each, and stops at the partition', () => {
  const old = { revision: 'old' }
  assert.deepEqual(plan({}, [pod(0, old), pod(1, old), pod(2, old)]).deleted, ['db-2'])
  assert.deepEqual(plan({}, [pod(0, old), pod(1, old), pod(2, { ready: false })]).deleted, [])
  assert.deepEqual(plan({}, [pod(0, old), pod(1, old), pod(2)]).deleted, ['db-1'])
  const partition = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }
  assert.deepEqual(plan(partition, [pod(0, old), pod(1, old), pod(2)]).deleted, [])
  const revisions = plan({ ...partition, podManagementPolicy: 'Parallel' }, []).create.map(({ revision }) => revision)
  assert.deepEqual(revisions, ['old', 'old', 'new'])
})

test('OnDelete replaces nothing by itself, and brings back what is deleted as new', () => {
  const onDelete = { updateStrategy: { type: 'OnDelete' } }
  const old = { revision: 'old' }
  assert.deepEqual(plan(onDelete, [pod(0, old), pod(1, old), pod(2, old)]).deleted, [])
  assert.equal(plan(onDelete, [pod(0, old), pod(1, old)]).create[0].revision, 'new')
})

test('the current revision moves only when every pod is new and ready', () => {
  const half = plan({}, [pod(0, { revision: 'old' }), pod(1), pod(2)]).status
  assert.deepEqual([half.currentRevision, half.updatedReplicas, half.currentReplicas], ['old', 2, 1])
  const whole = plan({}, [pod(0), pod(1), pod(2)]).status
  assert.deepEqual([whole.currentRevision, whole.currentReplicas, whole.availableReplicas], ['new', 3, 3])
})

test('ordinals may start elsewhere', () => {
  assert.deepEqual(plan({ ordinals: { start: 5 }, replicas: 2 }, [pod(5)]).created, [6])
})

test('a template has one revision; a rollback moves the old one to the top; history is limited', () => {
  const first = set({ template: { spec: { containers: [{ image: 'a:1' }] } } })
  const made = reviseTemplate(first, [], new Set(), { hashLabel: 'hash' }).create!
  assert.equal(made.revision, 1)
  const stored = [made as any]
  assert.equal(reviseTemplate(first, stored, new Set(), { hashLabel: 'hash' }).create, undefined)
  const second = set({ template: { spec: { containers: [{ image: 'a:2' }] } }, revisionHistoryLimit: 0 })
  const next = reviseTemplate(second, stored, new Set(), { hashLabel: 'hash' })
  assert.equal(next.create!.revision, 2)
  assert.deepEqual(next.surplus, stored)
  const back = reviseTemplate(first, [...stored, next.create as any], new Set(), { hashLabel: 'hash' })
  assert.deepEqual(back.bump, { name: made.metadata.name, revision: 3 })
  assert.deepEqual(templateOf(stored, made.metadata.name), { spec: { containers: [{ image: 'a:1' }] } })
})
