import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { backOff, phaseOf, plan } from './plan.ts'
import { type ContainerRecord, freshContainer } from './record.ts'

const rules = { initialMs: 10_000, maxMs: 300_000, resetMs: 600_000 }

function pod(spec: object): objects.Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec } as unknown as objects.Pod
}
const ended = (exitCode: number): ContainerRecord => ({
  ...freshContainer(),
  begun: true,
  state: { terminated: { exitCode } },
})
const running = (): ContainerRecord => ({ ...freshContainer(), begun: true, started: true, state: { running: {} } })

test('init containers come one after the other, then all others at once', () => {
  const spec = pod({
    initContainers: [{ name: 'a' }, { name: 'side', restartPolicy: 'Always' }, { name: 'b' }],
    containers: [{ name: 'x' }, { name: 'y' }],
  })
  const records = Object.fromEntries(['a', 'side', 'b', 'x', 'y'].map((name) => [name, freshContainer()]))
  assert.deepEqual(plan(spec, records, 0).start, ['a'])
  records['a'] = ended(0)
  assert.deepEqual(plan(spec, records, 0).start, ['side'])
  records['side'] = { ...running(), started: false }
  assert.deepEqual(plan(spec, records, 0).start, [])
  records['side'].started = true
  assert.deepEqual(plan(spec, records, 0).start, ['b'])
  records['b'] = ended(0)
  assert.deepEqual(plan(spec, records, 0).start, ['x', 'y'])
  assert.equal(phaseOf(spec, records), 'Pending')
})

test('restart policies decide what comes back and what a pod comes to', () => {
  for (const [restartPolicy, exitCode, start, phase] of [
    ['Always', 0, ['x'], 'Running'],
    ['Always', 1, ['x'], 'Running'],
    ['OnFailure', 1, ['x'], 'Running'],
    ['OnFailure', 0, [], 'Succeeded'],
    ['Never', 0, [], 'Succeeded'],
    ['Never', 1, [], 'Failed'],
  ] as const) {
    const spec = pod({ restartPolicy, containers: [{ name: 'x' }] })
    const records = { x: ended(exitCode) }
    assert.deepEqual(plan(spec, records, 0).start, [...start], `${restartPolicy} ${exitCode}`)
    assert.equal(phaseOf(spec, records), phase, `${restartPolicy} ${exitCode}`)
  }
})

test('a failed init container fails a pod that never restarts, and holds any other back', () => {
  for (const [restartPolicy, phase, start] of [
    ['Never', 'Failed', []],
    ['Always', 'Pending', ['a']],
  ] as const) {
    const spec = pod({ restartPolicy, initContainers: [{ name: 'a' }], containers: [{ name: 'x' }] })
    const records = { a: ended(1), x: freshContainer() }
    assert.equal(phaseOf(spec, records), phase)
    assert.deepEqual(plan(spec, records, 0).start, [...start])
  }
})

test('a pod is over when only sidecars are left', () => {
  const spec = pod({
    restartPolicy: 'Never',
    initContainers: [{ name: 'side', restartPolicy: 'Always' }],
    containers: [{ name: 'x' }],
  })
  const result = plan(spec, { side: running(), x: ended(0) }, 0)
  assert.equal(result.finished, true)
  assert.deepEqual(result.start, [])
})

test('the first restart is immediate, then waits double up to the cap, and a long run wipes the slate', () => {
  const record = freshContainer()
  const waits: number[] = []
  for (let end = 0; end < 9; end++) {
    backOff(record, 100, 1_000_000, rules)
    waits.push(record.notBefore === 0 ? 0 : record.notBefore - 1_000_000)
  }
  assert.deepEqual(waits, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000])
  backOff(record, 600_000, 2_000_000, rules)
  assert.equal(record.notBefore, 0)
})

test('a wall clock that was set back does not hold a container for hours', () => {
  const spec = pod({ containers: [{ name: 'x' }] })
  const records = { x: { ...ended(1), notBefore: 10 * 3_600_000 } }
  assert.deepEqual(plan(spec, records, 0).start, ['x'])
  assert.equal(plan(spec, { x: { ...ended(1), notBefore: 5000 } }, 0).wakeAt, 5000)
})
