import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { evictIn, graceMs, isLost, type Sighting, sight, taintsFor } from './judge.ts'

const node = (taints?: object[]): objects.Node =>
  ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, spec: { taints } }) as any

test('a node is lost only after a whole grace period of watching without a renewal', () => {
  let seen: Sighting | undefined
  for (let now = 0; now < graceMs; now += 10_000) {
    seen = sight(seen, 'r1', now, 10_000)
    assert.equal(isLost(seen, now), false)
  }
  seen = sight(seen, 'r1', graceMs, 10_000)
  assert.equal(isLost(seen, graceMs), true)
  assert.equal(isLost(sight(seen, 'r2', graceMs, 10_000), graceMs), false)
})

test('a lease that is old at the first look is given a grace period; so is one after a gap in looking', () => {
  const first = sight(undefined, 'long ago', 1_000_000, 10_000)
  assert.equal(isLost(first, 1_000_000), false)
  const woken = sight(first, 'long ago', 1_000_000 + 3_600_000, 10_000)
  assert.equal(isLost(woken, 1_000_000 + 3_600_000), false)
})

test('taints follow the Ready condition and cordoning, and leave others alone', () => {
  const own = { key: 'mine', effect: 'NoSchedule' }
  const lost = taintsFor(node([own]), 'Unknown', 'now')
  assert.deepEqual(
    lost.map(({ key, effect }) => `${key}:${effect}`),
    ['mine:NoSchedule', 'node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'],
  )
  const tainted = node(lost as any)
  assert.equal(taintsFor(tainted, 'Unknown', 'later'), tainted.spec!.taints)
  const pressed = { ...tainted, status: { conditions: [{ type: 'DiskPressure', status: 'True' }] } } as objects.Node
  assert.deepEqual(
    taintsFor(pressed, 'True', 'later').map(({ key }) => key),
    ['mine', 'node.kubernetes.io/disk-pressure'],
  )
  assert.deepEqual(taintsFor(tainted, 'True', 'later'), [own])
})

test('a pod stays on a tainted node as long as it tolerates', () => {
  const taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }
  const pod = (tolerations: object[]): objects.Pod => ({ spec: { containers: [], tolerations } }) as any
  const toleration = { key: taint.key, operator: 'Exists', effect: 'NoExecute' }
  assert.equal(
    evictIn(pod([]), [taint], () => 0),
    0,
  )
  assert.equal(
    evictIn(pod([toleration]), [taint], () => 1e9),
    undefined,
  )
  assert.equal(
    evictIn(pod([{ ...toleration, tolerationSeconds: 300 }]), [taint], () => 100_000),
    200_000,
  )
  assert.equal(
    evictIn(pod([]), [{ ...taint, effect: 'NoSchedule' }], () => 0),
    undefined,
  )
})
