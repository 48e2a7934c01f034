import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { formatIndexes, parseIndexes } from './indexes.ts'
import { failuresKey, indexKey, trackingFinalizer } from './kinds.ts'
import { planJob } from './plan.ts'

/** A Job and its pods, with each pass carried out at once. */
class World {
  job: objects.Job
  pods: objects.Pod[] = []
  now = Date.parse('2026-01-01T00:00:00Z')
  #made = 0

  constructor(spec: Record<string, any> = {}) {
    this.job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'j', namespace: 'shop', uid: 'j' },
      spec: { parallelism: 1, completions: 1, backoffLimit: 2, ...spec } as any,
    }
  }

  pass() {
    const plan = planJob({ job: this.job, pods: this.pods, now: this.now })
    const gone = new Set([...plan.discard])
    for (const pod of plan.untrack) pod.metadata.finalizers = []
    this.pods = this.pods.filter((pod) => !gone.has(pod))
    for (const pod of plan.end) {
      pod.metadata.deletionTimestamp = 'now'
      pod.status = { phase: 'Failed' }
    }
    this.job.status = plan.status
    for (const { index, failures } of plan.create) {
      const name = `p${this.#made++}`
      const annotations: Record<string, string> = index === undefined ? {} : { [indexKey]: String(index) }
      if (failures !== undefined) annotations[failuresKey] = String(failures)
      const metadata = { name, namespace: 'shop', uid: name, annotations, finalizers: [trackingFinalizer] }
      this.pods.push({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata,
        spec: { containers: [] },
        status: { phase: 'Running' },
      })
    }
    return plan
  }

  finish(name: string, phase: 'Succeeded' | 'Failed', exitCode = 1) {
    const pod = this.pods.find(({ metadata }) => metadata.name === name)!
    const finishedAt = new Date(this.now).toISOString()
    pod.status = { phase, containerStatuses: [{ name: 'c', state: { terminated: { exitCode, finishedAt } } } as any] }
  }

  settle() {
    for (let turn = 0; turn < 20; turn++) {
      const before = JSON.stringify([this.job.status, this.pods])
      this.pass()
      if (before === JSON.stringify([this.job.status, this.pods])) return
    }
    throw new Error('does not settle')
  }

  get running(): string[] {
    return this.pods.filter(({ status }) => status?.phase === 'Running').map(({ metadata }) => metadata.name!)
  }

  reason(type: string): string | undefined {
    return this.job.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True')
      ?.reason
  }
}

test('one pod, one success, complete; the pod is counted once and given free', () => {
  const world = new World()
  world.settle()
  assert.deepEqual(world.running, ['p0'])
  assert.equal(world.job.status!.startTime, '2026-01-01T00:00:00Z')
  world.finish('p0', 'Succeeded')
  world.settle()
  assert.equal(world.reason('SuccessCriteriaMet'), 'CompletionsReached')
  assert.equal(world.reason('Complete'), 'CompletionsReached')
  assert.equal(world.job.status!.succeeded, 1)
  assert.deepEqual(world.pods[0].metadata.finalizers, [])
  assert.ok(world.job.status!.completionTime)
})

test('counting survives a crash after the finalizer went and before the status was written', () => {
  const world = new World({ completions: 2, parallelism: 2 })
  world.settle()
  world.finish('p0', 'Succeeded')
  world.pass()
  assert.deepEqual(world.job.status!.uncountedTerminatedPods!.succeeded, ['p0'])
  const noted = world.job.status
  world.pass()
  assert.deepEqual(world.pods[0].metadata.finalizers, [])
  world.job.status = noted
  world.pods.shift()
  world.settle()
  assert.equal(world.job.status!.succeeded, 1)
})

test('failures are replaced up to backoffLimit, then the Job fails and what runs is ended first', () => {
  const world = new World({ parallelism: 2, completions: 2 })
  world.settle()
  for (const name of ['p0', 'p2', 'p3']) {
    assert.equal(world.reason('Failed'), undefined)
    world.finish(name, 'Failed')
    world.settle()
  }
  assert.equal(world.reason('FailureTarget'), 'BackoffLimitExceeded')
  assert.equal(world.reason('Failed'), 'BackoffLimitExceeded')
  assert.deepEqual(world.running, [])
  assert.equal(world.job.status!.active, undefined)
  assert.equal(world.job.status!.failed, 4)
})

test('backoffLimit 0 allows no second try', () => {
  const world = new World({ backoffLimit: 0 })
  world.settle()
  world.finish('p0', 'Failed')
  world.settle()
  assert.equal(world.reason('Failed'), 'BackoffLimitExceeded')
  assert.equal(world.pods.length, 1)
})

test('activeDeadlineSeconds ends a Job, ttlSecondsAfterFinished removes it', () => {
  const world = new World({ activeDeadlineSeconds: 10, ttlSecondsAfterFinished: 60 })
  world.settle()
  assert.equal(world.pass().nextIn, 10_000)
  world.now += 10_000
  world.settle()
  assert.equal(world.reason('Failed'), 'DeadlineExceeded')
  assert.equal(world.pass().nextIn, 60_000)
  world.now += 60_000
  assert.equal(world.pass().remove, true)
})

test('suspend takes the pods away without counting them as failed, and resume starts the clock anew', () => {
  const world = new World()
  world.settle()
  world.job.spec!.suspend = true
  world.settle()
  assert.deepEqual([world.pods, world.job.status!.startTime, world.job.status!.failed], [[], undefined, undefined])
  assert.equal(world.reason('Suspended'), 'JobSuspended')
  world.now += 5000
  world.job.spec!.suspend = false
  world.settle()
  assert.equal(world.running.length, 1)
  assert.equal(world.job.status!.startTime, '2026-01-01T00:00:05Z')
})

test('an Indexed Job runs each index to its success', () => {
  const world = new World({ completionMode: 'Indexed', completions: 3, parallelism: 2, backoffLimit: 6 })
  world.settle()
  const indexOf = (pod: objects.Pod) => pod.metadata.annotations![indexKey]
  assert.deepEqual(world.pods.map(indexOf), ['0', '1'])
  world.finish('p1', 'Succeeded')
  world.finish('p0', 'Failed')
  world.settle()
  assert.equal(world.job.status!.completedIndexes, '1')
  assert.deepEqual(world.pods.filter(({ status }) => status!.phase === 'Running').map(indexOf), ['0', '2'])
  for (const name of world.running) world.finish(name, 'Succeeded')
  world.settle()
  assert.equal(world.job.status!.completedIndexes, '0-2')
  assert.equal(world.reason('Complete'), 'CompletionsReached')
})

test('podFailurePolicy: the first matching rule decides', () => {
  const rules = [
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } },
  ]
  const world = new World({ podFailurePolicy: { rules }, backoffLimit: 6 })
  world.settle()
  world.pods[0].status = { phase: 'Failed', conditions: [{ type: 'DisruptionTarget', status: 'True' } as any] }
  world.settle()
  assert.equal(world.job.status!.failed, undefined)
  world.finish(world.running[0], 'Failed', 42)
  world.settle()
  assert.equal(world.reason('Failed'), 'PodFailurePolicy')
})

test('a work queue (no completions) is done when one succeeded and none runs', () => {
  const world = new World({ completions: undefined, parallelism: 3 })
  world.settle()
  assert.equal(world.running.length, 3)
  world.finish('p0', 'Succeeded')
  world.settle()
  assert.equal(world.running.length, 2)
  assert.equal(world.reason('Complete'), undefined)
  world.finish('p1', 'Succeeded')
  world.finish('p2', 'Succeeded')
  world.settle()
  assert.equal(world.reason('Complete'), 'CompletionsReached')
})

test('parallelism 0 pauses', () => {
  const world = new World()
  world.settle()
  world.job.spec!.parallelism = 0
  world.settle()
  assert.deepEqual(world.pods, [])
})

test('indexes are written as ranges and read back', () => {
  assert.equal(formatIndexes(new Set([4, 0, 2, 3, 7, 8])), '0,2-4,7,8')
  assert.deepEqual([...parseIndexes('0,2-4,99-999999999', 10)], [0, 2, 3, 4])
})

test('backoffLimitPerIndex: each index fails on its own, and the others go on', () => {
  const world = new World({ completionMode: 'Indexed', completions: 3, parallelism: 3, backoffLimitPerIndex: 1 })
  const running = (index: number) =>
    world.pods.find(({ metadata, status }) => {
      return status?.phase === 'Running' && metadata.annotations?.[indexKey] === String(index)
    })?.metadata.name
  world.job.spec!.backoffLimit = 2 ** 31 - 1
  world.settle()
  world.finish(running(1)!, 'Failed')
  world.settle()
  assert.equal(running(1), undefined, 'the index waits before it is tried again')
  assert.deepEqual(world.pods[1].metadata.finalizers, [trackingFinalizer], 'which its failed pod remembers')
  assert.equal(world.pass().nextIn, 10_000)
  world.now += 10_000
  world.settle()
  assert.deepEqual(world.pods[1].metadata.finalizers, [])
  assert.equal(world.pods.at(-1)!.metadata.annotations![failuresKey], '1')
  world.finish(running(1)!, 'Failed')
  world.settle()
  assert.deepEqual([world.job.status!.failedIndexes, world.job.status!.failed], ['1', 2])
  assert.equal(world.reason('Failed'), undefined)
  world.finish(running(0)!, 'Succeeded')
  world.finish(running(2)!, 'Succeeded')
  world.settle()
  assert.equal(world.reason('Failed'), 'FailedIndexes')
  assert.equal(world.job.status!.completedIndexes, '0,2')
})

test('maxFailedIndexes ends the Job with what runs; FailIndex ends an index at once', () => {
  const rules = [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [42] } }]
  const world = new World({
    completionMode: 'Indexed',
    completions: 4,
    parallelism: 4,
    backoffLimit: 2 ** 31 - 1,
    backoffLimitPerIndex: 5,
    maxFailedIndexes: 1,
    podFailurePolicy: { rules },
  })
  world.settle()
  world.finish('p0', 'Failed', 42)
  world.settle()
  assert.equal(world.job.status!.failedIndexes, '0')
  assert.equal(world.running.length, 3)
  world.finish('p1', 'Failed', 42)
  world.settle()
  assert.equal(world.reason('Failed'), 'MaxFailedIndexesExceeded')
  assert.deepEqual(world.running, [])
})

for (const [rule, succeed, met] of [
  [{ succeededIndexes: '0,2-3', succeededCount: 1 }, ['p2'], true],
  [{ succeededIndexes: '0,2-3', succeededCount: 1 }, ['p1'], false],
  [{ succeededIndexes: '0-1' }, ['p0'], false],
  [{ succeededIndexes: '0-1' }, ['p0', 'p1'], true],
  [{ succeededCount: 2 }, ['p0', 'p3'], true],
] as const) {
  test(`successPolicy ${JSON.stringify(rule)} with ${succeed}: ${met ? 'met' : 'not met'}`, () => {
    const successPolicy = { rules: [{ succeededIndexes: '3', succeededCount: 9 }, rule] }
    const world = new World({ completionMode: 'Indexed', completions: 4, parallelism: 4, successPolicy })
    world.settle()
    for (const name of succeed) world.finish(name, 'Succeeded')
    world.settle()
    assert.equal(world.reason('Complete'), met ? 'SuccessPolicy' : undefined)
    if (met) assert.deepEqual(world.running, [])
  })
}

test('podReplacementPolicy: a pod on its way out is replaced at once, or only when it is finished', () => {
  for (const [podReplacementPolicy, count] of [
    ['TerminatingOrFailed', 2],
    ['Failed', 1],
  ] as const) {
    const world = new World({ podReplacementPolicy })
    world.settle()
    world.pods[0].metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
    world.settle()
    assert.equal(world.pods.length, count, podReplacementPolicy)
    world.finish('p0', 'Failed')
    world.settle()
    assert.equal(world.pods.length, 2)
    assert.equal(world.job.status!.failed, 1)
  }
})
