import assert from 'node:assert/strict'
import { Job, Pod } from '#kube'
import { job } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const status = (w: World, name = 'work') => w.find(Job, name)?.status
const met = (w: World, type: string, name?: string) =>
  status(w, name)?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false
const reason = (w: World, type: string) => status(w)?.conditions?.find((one) => one.type === type)?.reason
const counts = (w: World, active: number, succeeded: number, failed: number) => () => {
  const { active: a = 0, succeeded: s = 0, failed: f = 0, uncountedTerminatedPods } = status(w) ?? {}
  assert.deepEqual([a, s, f], [active, succeeded, failed])
  return !uncountedTerminatedPods?.succeeded?.length && !uncountedTerminatedPods?.failed?.length
}
/** Running pods, and those that are told something. */
const running = { phase: 'Running' }
const upAndRunning = (w: World, count: number) => () => w.pods(running).length === count

scenario('a Job that succeeds', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', {}))
  await w.frame('running', () => upAndRunning(w, 1)() && status(w)?.ready === 1)
  await w.tell('exit 0', running)
  await w.frame('done', () => met(w, 'Complete') && counts(w, 0, 1, 0)())
})

scenario('a Job in parallel', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { completions: 5, parallelism: 2 }))
  for (const done of [0, 1, 2, 3]) {
    await w.frame(`${done} done`, () => upAndRunning(w, 2)() && counts(w, 2, done, 0)())
    await w.tell('exit 0', running, 1)
  }
  await w.frame('the last', () => upAndRunning(w, 1)() && counts(w, 1, 4, 0)())
  await w.tell('exit 0', running)
  await w.frame('done', () => met(w, 'Complete') && counts(w, 0, 5, 0)())
})

scenario('a work queue: one success ends it', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { parallelism: 3 }))
  await w.frame('running', () => upAndRunning(w, 3)() && counts(w, 3, 0, 0)())
  await w.tell('exit 0', running, 1)
  await w.frame('no more are started', () => counts(w, 2, 1, 0)())
  await w.tell('exit 0', running)
  await w.frame('done', () => met(w, 'Complete'))
})

scenario('a Job whose pods fail too often', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { backoffLimit: 1, completions: 2, parallelism: 2 }))
  await w.frame('running', () => upAndRunning(w, 2)() && counts(w, 2, 0, 0)())
  await w.tell('exit 1', running, 1)
  await w.frame('one failed and was replaced', counts(w, 2, 0, 1))
  await w.tell('exit 1', running, 1)
  await w.frame('failed', () => met(w, 'Failed') && counts(w, 0, 0, 3)())
  assert.equal(reason(w, 'Failed'), 'BackoffLimitExceeded')
})

scenario('a Job of no second chances', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { backoffLimit: 0 }, { does: 'exit 3' }))
  await w.frame('failed', () => met(w, 'Failed') && counts(w, 0, 0, 1)())
})

scenario('a failed pod is replaced after a while', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', {}))
  // From here on there are ten seconds until it is tried again: both clusters are to begin with them together.
  await w.frame('running', () => upAndRunning(w, 1)() && status(w)?.ready === 1)
  await w.tell('exit 1', running)
  await w.frame('failed once', () => w.list(Pod).length === 1 && counts(w, 0, 0, 1)())
  await w.frame('tried again', () => upAndRunning(w, 1)() && counts(w, 1, 0, 1)())
  await w.tell('exit 0', running)
  await w.frame('done', () => met(w, 'Complete'))
})

scenario('restarts in place count as failures', async (w) => {
  await w.node()
  const spec = { restartPolicy: 'OnFailure' }
  await w.create(Job, job(w, 'work', { backoffLimit: 2 }, { spec }))
  await w.until('running', () => upAndRunning(w, 1)() && status(w)?.ready === 1)
  await w.tell('exit 1', running)
  await w.frame('restarting', () => status(w)?.ready === 0)
  await w.tell('ready', running)
  await w.frame('again', () => status(w)?.ready === 1)
  await w.tell('exit 1', running)
  await w.frame('failed', () => met(w, 'Failed'))
})

scenario('an Indexed Job', async (w) => {
  await w.node()
  const spec = { completions: 4, parallelism: 2, completionMode: 'Indexed' }
  await w.create(Job, job(w, 'work', spec))
  const index = (pod: any) => pod.metadata.annotations['batch.kubernetes.io/job-completion-index']
  const finish = async (order: 'exit 0' | 'exit 1', at: string) => {
    const found = w.pods(running).find((pod) => index(pod) === at)
    assert.ok(found, `no pod of index ${at}`)
    await w.hollow.tell(found, order)
  }
  await w.frame('the first two', () => upAndRunning(w, 2)() && counts(w, 2, 0, 0)())
  await finish('exit 0', '1')
  await w.frame('the third', () => upAndRunning(w, 2)() && counts(w, 2, 1, 0)())
  await finish('exit 0', '2')
  await w.frame('the fourth', () => upAndRunning(w, 2)() && counts(w, 2, 2, 0)())
  await finish('exit 1', '0')
  await w.frame('one is tried again', () => upAndRunning(w, 2)() && counts(w, 2, 2, 1)())
  await w.tell('exit 0', running)
  await w.frame('done', () => met(w, 'Complete') && status(w)?.completedIndexes === '0-3')
})

scenario('each index has its own limit', async (w) => {
  await w.node()
  const spec = { completions: 3, parallelism: 3, completionMode: 'Indexed', backoffLimitPerIndex: 0 }
  await w.create(Job, job(w, 'work', spec))
  await w.frame('running', () => upAndRunning(w, 3)() && counts(w, 3, 0, 0)())
  await w.tell('exit 1', running, 1)
  await w.frame('one index failed', () => counts(w, 2, 0, 1)())
  await w.tell('exit 0', running)
  await w.frame('the others did not', () => met(w, 'Failed') && counts(w, 0, 2, 1)())
})

scenario('too many indexes fail', async (w) => {
  await w.node()
  const spec = {
    completions: 4,
    parallelism: 4,
    completionMode: 'Indexed',
    backoffLimitPerIndex: 0,
    maxFailedIndexes: 1,
  }
  await w.create(Job, job(w, 'work', spec))
  await w.frame('running', () => upAndRunning(w, 4)() && counts(w, 4, 0, 0)())
  await w.tell('exit 1', running, 2)
  await w.frame('failed', () => met(w, 'Failed'))
  assert.equal(reason(w, 'Failed'), 'MaxFailedIndexesExceeded')
})

for (const [action, exit] of [
  ['FailJob', 'exit 42'],
  ['FailIndex', 'exit 42'],
  ['Ignore', 'exit 42'],
  ['Count', 'exit 42'],
  ['FailJob', 'exit 1'],
] as const) {
  scenario(`a pod failure policy: ${action} on 42, and ${exit}`, async (w) => {
    await w.node()
    const onExitCodes = { containerName: 'app', operator: 'In', values: [42] }
    const podFailurePolicy = { rules: [{ action, onExitCodes }] }
    const indexed = { completionMode: 'Indexed', backoffLimitPerIndex: 1 }
    const spec = { completions: 2, parallelism: 2, podFailurePolicy, ...(action === 'FailIndex' && indexed) }
    await w.create(Job, job(w, 'work', { backoffLimit: 2, ...spec }))
    await w.frame('running', () => upAndRunning(w, 2)() && counts(w, 2, 0, 0)())
    await w.tell(exit, running, 1)
    const told = () => w.list(Pod).some((pod) => pod.status?.phase === 'Failed') || met(w, 'Failed')
    if (action === 'FailJob' && exit === 'exit 42') {
      await w.frame('failed', () => met(w, 'Failed'))
      assert.equal(reason(w, 'Failed'), 'PodFailurePolicy')
      return
    }
    await w.frame('one failed', () => told() && (action === 'FailIndex' ? counts(w, 1, 0, 1)() : upAndRunning(w, 2)()))
    await w.tell('exit 0', running)
    await w.frame('done', () => met(w, action === 'FailIndex' ? 'Failed' : 'Complete'))
  })
}

scenario('a disruption does not count when the policy says so', async (w) => {
  await w.node()
  const rules = [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }]
  await w.create(Job, job(w, 'work', { backoffLimit: 0, podFailurePolicy: { rules } }))
  await w.frame('running', () => upAndRunning(w, 1)() && counts(w, 1, 0, 0)())
  await w.kube.evict(w.pods(running)[0].metadata.name!, w.ns)
  await w.frame('replaced', () => upAndRunning(w, 1)() && status(w)?.ready === 1 && counts(w, 1, 0, 0)())
})

for (const rule of [
  { succeededIndexes: '0,2' },
  { succeededCount: 1 },
  { succeededIndexes: '1-2', succeededCount: 1 },
]) {
  scenario(`a success policy: ${JSON.stringify(rule).replaceAll(/[{}"]/g, '')}`, async (w) => {
    await w.node()
    const successPolicy = { rules: [rule] }
    const spec = { completions: 3, parallelism: 3, completionMode: 'Indexed', successPolicy }
    await w.create(Job, job(w, 'work', spec))
    await w.frame('running', () => upAndRunning(w, 3)() && counts(w, 3, 0, 0)())
    for (const at of ['2', '0']) {
      if (met(w, 'SuccessCriteriaMet')) break
      const found = w
        .pods(running)
        .find((pod) => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'] === at)
      await w.hollow.tell(found!, 'exit 0')
      await w.frame(`index ${at} succeeded`, () => (status(w)?.succeeded ?? 0) === (at === '2' ? 1 : 2))
    }
    await w.frame('done', () => met(w, 'Complete') && w.pods(running).length === 0)
  })
}

scenario('a Job is suspended and resumed', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { suspend: true, completions: 2, parallelism: 2 }))
  await w.frame('suspended from the start', () => met(w, 'Suspended'))
  await w.patch(Job, 'work', { spec: { suspend: false } })
  await w.frame('running', () => upAndRunning(w, 2)() && counts(w, 2, 0, 0)())
  await w.tell('exit 0', running, 1)
  await w.frame('half', () => counts(w, 1, 1, 0)())
  await w.patch(Job, 'work', { spec: { suspend: true } })
  await w.frame('suspended', () => met(w, 'Suspended') && counts(w, 0, 1, 0)() && w.pods(running).length === 0)
  await w.patch(Job, 'work', { spec: { suspend: false } })
  await w.frame('resumed', () => upAndRunning(w, 1)() && counts(w, 1, 1, 0)())
  await w.tell('exit 0', running)
  await w.frame('done', () => met(w, 'Complete'))
})

scenario('a Job that takes too long', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { activeDeadlineSeconds: 3, parallelism: 2, completions: 2 }))
  await w.frame('failed', () => met(w, 'Failed') && counts(w, 0, 0, 2)())
  assert.equal(reason(w, 'Failed'), 'DeadlineExceeded')
})

scenario('a finished Job goes by itself', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { ttlSecondsAfterFinished: 3 }, { does: 'exit 0' }))
  await w.frame('gone', () => w.list(Job).length === 0 && w.list(Pod).length === 0)
})

scenario('parallelism may change', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { completions: 6, parallelism: 1 }))
  await w.frame('one', () => upAndRunning(w, 1)() && counts(w, 1, 0, 0)())
  await w.patch(Job, 'work', { spec: { parallelism: 3 } })
  await w.frame('three', () => upAndRunning(w, 3)() && counts(w, 3, 0, 0)())
  await w.patch(Job, 'work', { spec: { parallelism: 0 } })
  await w.frame('none', () => w.pods().length === 0 && counts(w, 0, 0, 0)())
})

scenario('pods are replaced only when they have failed', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', { podReplacementPolicy: 'Failed' }, { lingers: true }))
  await w.frame('running', () => upAndRunning(w, 1)() && counts(w, 1, 0, 0)())
  await w.kube.delete(Pod, w.pods()[0].metadata.name!, w.ns)
  await w.frame('leaving', () => w.pods({ leaving: true }).length === 1 && status(w)?.terminating === 1)
  await w.hollow.release(w.pods({ leaving: true })[0])
  await w.frame('replaced', () => upAndRunning(w, 1)())
})

scenario('a pod of a Job is deleted', async (w) => {
  await w.node()
  await w.create(Job, job(w, 'work', {}))
  await w.frame('running', () => upAndRunning(w, 1)() && counts(w, 1, 0, 0)())
  await w.kube.delete(Pod, w.pods()[0].metadata.name!, w.ns)
  await w.frame('counted and replaced', () => upAndRunning(w, 1)() && counts(w, 1, 0, 1)())
})
