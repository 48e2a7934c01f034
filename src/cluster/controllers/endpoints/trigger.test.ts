import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { TriggerTimes } from './trigger.ts'

const second = (at: number) => `2026-01-01T00:00:0${at}Z`
const service = { metadata: { name: 'web', uid: 's', creationTimestamp: second(1) } } as objects.Service
const pod = (name: string, at?: number): objects.Pod =>
  ({
    metadata: { name },
    status: { conditions: at === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: second(at) }] },
  }) as any

test('the earliest readiness that is new since the last look, and the creation of the Service at the first', () => {
  const times = new TriggerTimes()
  assert.equal(times.look(service, [pod('a', 3)]), second(1))
  assert.equal(times.look(service, [pod('a', 3)]), undefined)
  assert.equal(times.look(service, [pod('a', 6), pod('b', 5), pod('c')]), second(5))
  assert.equal(times.look(service, [pod('a', 6)]), undefined)
  times.forget('s')
  assert.equal(times.look(service, []), second(1))
})
