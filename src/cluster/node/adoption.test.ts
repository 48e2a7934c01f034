import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Pod } from '#kube'
import { until } from '#lib/testing'
import { startNodeAgent } from './index.ts'
import { findByEnvironment } from './proc.ts'
import { agentDefaults, condition, main, runPod, shell, testApi } from './testing/cluster.ts'

const script = fileURLToPath(new URL('./testing/agent-process.ts', import.meta.url))

function startProcess(home: string, url: string): ChildProcess {
  const child = spawn(process.execPath, [script, home, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('pods outlive an agent that is killed again and again, and the next one knows what happened meanwhile', async (t) => {
  const { home, kube, url, defer } = await testApi(t)
  defer(async () => {
    await kill(agent)
    const last = await startNodeAgent(agentDefaults(home, kube))
    await last.close({ stopPods: true, graceMs: 0 })
  })
  let agent = startProcess(home, url)
  const gate = join(home, 'gate')
  const steady = await runPod(kube, 'steady', {
    containers: [
      shell('n=0; while :; do n=$((n+1)); echo line $n; sleep 0.01; done', {
        readinessProbe: { exec: { command: ['/bin/true'] }, periodSeconds: 60 },
      }),
    ],
  })
  const job = await runPod(kube, 'job', {
    restartPolicy: 'Never',
    containers: [shell(`until [ -e ${gate} ]; do sleep 0.01; done; echo done; exit 5`)],
  })
  const running = await steady.until((pod) => condition(pod, 'Ready') === 'True')
  await job.until((pod) => main(pod)?.state?.running)
  const pid = await processOf(running.metadata.uid!)
  for (let round = 0; round < 3; round++) {
    await kill(agent)
    if (round === 1) writeFileSync(gate, '')
    agent = startProcess(home, url)
    await once(agent.stdout!, 'data')
  }
  const ended = await job.until(({ status }) => status?.phase === 'Failed')
  assert.equal(main(ended)?.state?.terminated?.exitCode, 5)
  assert.deepEqual(await job.log(), ['done'])
  const after = await steady.get()
  assert.equal(main(after)?.restartCount, 0)
  assert.equal(condition(after, 'Ready'), 'True')
  assert.equal(await processOf(running.metadata.uid!), pid)
  const lines = await until(async () => {
    const all = await steady.log()
    return all.length > 100 ? all : undefined
  })
  assert.deepEqual(
    lines,
    lines.map((_, index) => `line ${index + 1}`),
    'no line lost, none doubled',
  )
  await kube.delete(Pod, 'steady', 'shop', { gracePeriodSeconds: 1 })
  await until(async () => !(await kube.find(Pod, 'steady', 'shop')))
  assert.deepEqual(await findByEnvironment([`CUDDLE_POD_UID=${running.metadata.uid}`]), [])
})

test('after the machine was switched off, pods start again and count it', async (t) => {
  const { home, kube, defer } = await testApi(t)
  const first = await startNodeAgent(agentDefaults(home, kube))
  const pod = await runPod(kube, 'again', { containers: [shell('exec sleep 600')] })
  const before = await pod.until((object) => main(object)?.state?.running)
  await first.close()
  const uid = before.metadata.uid!
  // Another boot: nothing of the old one can be alive, whatever its pids say.
  for (const { pid } of await findByEnvironment([`CUDDLE_POD_UID=${uid}`])) process.kill(pid, 'SIGKILL')
  const attempt = join(home, 'node/pods', uid, 'containers/main/0')
  writeFileSync(join(attempt, 'boot'), 'another boot')
  rmSync(join(attempt, 'exit'), { force: true })
  const second = await startNodeAgent(agentDefaults(home, kube))
  defer(() => second.close({ stopPods: true, graceMs: 0 }))
  const after = await pod.until((object) => main(object)?.restartCount === 1 && main(object)?.state?.running)
  assert.equal(main(after)?.lastState?.terminated?.reason, 'Unknown')
  assert.equal(main(after)?.lastState?.terminated?.exitCode, 255)
  assert.equal(after.status?.podIP, before.status?.podIP)
})

test('a pod that was deleted while no agent ran is ended by the next', async (t) => {
  const { home, kube, defer } = await testApi(t)
  const first = await startNodeAgent(agentDefaults(home, kube))
  const pod = await runPod(kube, 'orphan', { containers: [shell('exec sleep 600')] })
  const { metadata } = await pod.until((object) => main(object)?.state?.running)
  await first.close()
  await kube.delete(Pod, 'orphan', 'shop', { gracePeriodSeconds: 0 })
  const second = await startNodeAgent(agentDefaults(home, kube))
  defer(() => second.close({ stopPods: true, graceMs: 0 }))
  await until(async () => (await findByEnvironment([`CUDDLE_POD_UID=${metadata.uid}`])).length === 0)
  await until(() => {
    try {
      readFileSync(join(home, 'node/pods', metadata.uid!, 'pod.json'))
    } catch {
      return true
    }
  })
})

test('a BEAM is asked to stop when the cluster goes down, takes epmd along, and comes back with it', async (t) => {
  const { home, kube, defer } = await testApi(t)
  const first = await startNodeAgent(agentDefaults(home, kube))
  const node = `beam-${process.pid}@127.0.0.1`
  const pod = await runPod(kube, 'beam', {
    containers: [
      {
        name: 'main',
        image: 'cuddle.local/host',
        command: ['erl', '-noshell', '-name', node, '-setcookie', 'x', '-eval', 'io:format("up~n")'],
      },
    ],
  })
  const { metadata } = await pod.until((object) => main(object)?.state?.running)
  await until(async () => (await pod.log())[0] === 'up')
  await first.close({ stopPods: true })
  // What was killed takes a moment to go.
  await until(async () => (await findByEnvironment([`CUDDLE_POD_UID=${metadata.uid}`])).length === 0)
  const attempt = join(home, 'node/pods', metadata.uid!, 'containers/main/0')
  assert.equal(readFileSync(join(attempt, 'exit'), 'utf8'), '0\n')
  const second = await startNodeAgent(agentDefaults(home, kube))
  defer(() => second.close({ stopPods: true, graceMs: 0 }))
  await pod.until((object) => main(object)?.restartCount === 1 && main(object)?.state?.running)
})

async function processOf(uid: string): Promise<number> {
  const found = await findByEnvironment([`CUDDLE_POD_UID=${uid}`])
  return found.find(
    ({ pid, session }) => session === pid && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('line'),
  )!.pid
}
