import assert from 'node:assert/strict'
import { contract } from '../../case.ts'
import { runPod, shell } from '../pods.ts'

const conditions = (status: any) =>
  Object.fromEntries(
    status.conditions
      // Of a pod that has ended: until its sandbox goes, whenever that is.
      .filter(({ type }: any) => type !== 'PodReadyToStartContainers')
      .map(({ type, status, reason }: any) => [type, [status, reason]]),
  )

/** What clients read of a status, without what only a machine knows. */
const essence = ({ status }: any) => ({
  phase: status.phase,
  reason: status.reason,
  qosClass: status.qosClass,
  conditions: conditions(status),
  containers: [...(status.initContainerStatuses ?? []), ...status.containerStatuses].map((one: any) => ({
    name: one.name,
    ready: one.ready,
    started: one.started,
    restartCount: one.restartCount,
    state: withoutTimes(one.state),
    lastState: withoutTimes(one.lastState),
  })),
})

function withoutTimes(state: any): unknown {
  const [[kind, { startedAt: _, finishedAt: __, containerID: ___, ...rest } = {} as any] = []] = Object.entries<any>(
    state ?? {},
  )
  return kind && { [kind]: rest }
}

contract('the status of a pod that runs', async (c) => {
  const pod = await runPod(c, 'p', 'exec sleep 1000')
  const ready = ({ body }: any) => conditions(body.status)['Ready'][0] === 'True'
  await c.until(pod, ready, { pick: essence })
})

contract('the status of pods that have ended', async (c) => {
  const good = await runPod(c, 'good', 'echo done', { phase: 'Succeeded' })
  await c.get(good, { pick: essence })
  const message = { terminationMessagePolicy: 'FallbackToLogsOnError' }
  const bad = await runPod(c, 'bad', 'echo last words; exit 3', { phase: 'Failed', container: message })
  const { body } = await c.get(bad, { pick: essence })
  assert.equal(body.status.containerStatuses[0].state.terminated.message, 'last words\n')
})

contract('init containers come first, and one that fails ends the pod', async (c) => {
  const spec = { initContainers: [shell(c, 'first', 'true'), shell(c, 'second', 'exit 5')] }
  const pod = await runPod(c, 'p', 'true', { phase: 'Failed', spec })
  await c.get(pod, { pick: essence })
})

contract('a container is started again', async (c) => {
  const pod = await runPod(c, 'p', 'exit 7', {
    spec: { restartPolicy: 'OnFailure', containers: [shell(c, 'main', 'exit 7')] },
  })
  const waiting = ({ body }: any) => body.status.containerStatuses[0].state.waiting?.reason === 'CrashLoopBackOff'
  const picked = ({ status }: any) => {
    const [{ restartCount, ready, started, state, lastState }] = status.containerStatuses
    return {
      phase: status.phase,
      known: restartCount > 0,
      ready,
      started,
      reason: state.waiting.reason,
      last: withoutTimes(lastState),
    }
  }
  await c.until(pod, waiting, { pick: picked })
})
