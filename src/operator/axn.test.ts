import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap, Namespace, Pod } from '#kube'
import { FakeClock } from '#lib/testing'
import { childAnnotation, controller, reconcileOnce, testAxn } from './index.ts'
import { Greeting } from './testing/harness.ts'

const object = {
  metadata: { name: 'hello', namespace: 'n', uid: 'u', generation: 3 },
  spec: { message: 'hi' },
}

test('a pass is a pure function of the object and the lister: no cluster is needed', async () => {
  const greeter = controller(Greeting, { owns: [ConfigMap] })
    .step('child', (axn) =>
      axn.child(ConfigMap, { metadata: { name: axn.name }, data: { m: axn.object.spec.message } }),
    )
    .step('status', (axn) =>
      axn
        .status({ pods: axn.lister.list(Pod, { namespace: 'n' }).length })
        .event('Greeted', 'hi')
        .requeueAfter(5000)
        .requeueAfter(9000),
    )
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'n' } }
  const axn = await reconcileOnce(greeter, testAxn(Greeting, object, { objects: [pod] }))
  assert.deepEqual(axn.effects, [
    {
      do: 'apply',
      type: ConfigMap,
      force: true,
      child: true,
      object: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          name: 'hello',
          namespace: 'n',
          annotations: { [childAnnotation]: 'greeting' },
          ownerReferences: [
            {
              apiVersion: 'x.io/v1',
              kind: 'Greeting',
              name: 'hello',
              uid: 'u',
              controller: true,
              blockOwnerDeletion: true,
            },
          ],
        },
        data: { m: 'hi' },
      },
    },
  ])
  assert.deepEqual(axn.nextStatus, { pods: 1 })
  assert.equal(axn.events[0]?.reason, 'Greeted')
  assert.equal(axn.requeue, 5000)
})

test('tokens do not change: each method gives a new one', () => {
  const axn = testAxn(Greeting, object)
  axn.status({ a: 1 }).halt()
  assert.deepEqual([axn.nextStatus, axn.halted, axn.effects], [undefined, false, []])
  assert.throws(() => {
    ;(axn.object.spec as { message: string }).message = 'changed'
  }, TypeError)
})

test('a condition keeps its time until its status changes', async () => {
  const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const first = testAxn(Greeting, object, { clock }).condition('Ready', false, 'Waiting', 'for pods')
  assert.deepEqual(first.nextStatus, {
    conditions: [
      {
        type: 'Ready',
        status: 'False',
        reason: 'Waiting',
        message: 'for pods',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        observedGeneration: 3,
      },
    ],
  })
  await clock.advance(60_000)
  const same = first.condition('Ready', false, 'StillWaiting').nextStatus?.['conditions']
  assert.deepEqual([same[0].reason, same[0].lastTransitionTime], ['StillWaiting', '2026-01-01T00:00:00Z'])
  const ready = first.condition('Ready', true, 'Done').nextStatus?.['conditions']
  assert.deepEqual([ready.length, ready[0].lastTransitionTime], [1, '2026-01-01T00:01:00Z'])
})

test('halt keeps later steps from running', async () => {
  const halting = controller(Greeting)
    .step('stop', (axn) => axn.status({ a: 1 }).halt())
    .step('never', (axn) => axn.status({ b: 2 }))
  assert.deepEqual((await reconcileOnce(halting, testAxn(Greeting, object))).nextStatus, { a: 1 })
})

test('finalizers come with the first pass, and go one by one when the object is deleted', async () => {
  const two = controller(Greeting)
    .finalize('x.io/one', (axn) => axn)
    .finalize('x.io/two', (axn) => axn.requeueAfter(1000))
  assert.deepEqual((await reconcileOnce(two, testAxn(Greeting, object))).finalizers, ['x.io/one', 'x.io/two'])
  const deleted = {
    ...object,
    metadata: {
      ...object.metadata,
      deletionTimestamp: '2026-01-01T00:00:00Z',
      finalizers: ['x.io/two', 'x.io/one', 'z'],
    },
  }
  const axn = await reconcileOnce(two, testAxn(Greeting, deleted))
  assert.deepEqual([axn.finalizers, axn.requeue], [['x.io/two', 'z'], 1000])
})

test('children stay in the namespace of their owner; a cluster-scoped owner may have them anywhere', () => {
  const child = { metadata: { name: 'c', namespace: 'other' } }
  assert.throws(() => testAxn(Greeting, object).child(ConfigMap, child), { code: 'foreign-child' })
  assert.throws(() => testAxn(Greeting, object).child(Namespace, { metadata: { name: 'c' } }), {
    code: 'foreign-child',
  })
  const owner = { metadata: { name: 'n', uid: 'u' } }
  assert.equal(testAxn(Namespace, owner).child(ConfigMap, child).effects.length, 1)
})

test('a step that forgets to return is named', async () => {
  const forgetful = controller(Greeting).step('forget', (() => {}) as never)
  await assert.rejects(reconcileOnce(forgetful, testAxn(Greeting, object)), /step forget did not return/)
  assert.throws(() => forgetful.step('forget', (axn) => axn), { code: 'duplicate-step' })
})
