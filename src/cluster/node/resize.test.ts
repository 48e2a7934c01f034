import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type objects, Pod } from '#kube'
import { condition, main, shell, type TestCluster, testCluster } from './testing/cluster.ts'

const sleeper = (resources: object, more: object = {}) => ({
  terminationGracePeriodSeconds: 0,
  containers: [{ ...shell('exec sleep 600'), resources, ...more } as never],
})

/** As `kubectl patch --subresource resize`. */
const resize = ({ kube }: TestCluster, name: string, resources: objects.ResourceRequirements) =>
  kube.patch(Pod, { name, namespace: 'shop' }, { spec: { containers: [{ name: 'main', resources }] } } as never, {
    type: 'strategic',
    subresource: 'resize',
  })

const capacity = { cpu: 4, memoryBytes: 2 ** 30 }

/** The CPU weight (or shares) of the groups that a process is in. */
function weightOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'latin1').trim().split('\n')
  return lines.flatMap((line) => {
    const [, controllers, path] = line.split(':')
    const file =
      controllers === '' ? `/sys/fs/cgroup${path}/cpu.weight` : `/sys/fs/cgroup/${controllers}${path}/cpu.shares`
    if (controllers !== '' && !controllers.split(',').includes('cpu')) return []
    try {
      return [readFileSync(file, 'latin1').trim()]
    } catch {
      return []
    }
  })
}

test('a running pod is given more and less without a restart', async (t) => {
  const cluster = await testCluster(t, { capacity })
  const pod = await cluster.run(
    'grows',
    sleeper({ requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '64Mi' } }),
  )
  const before = main(await pod.until((one) => condition(one, 'Ready') === 'True'))!
  assert.deepEqual(before.allocatedResources, { cpu: '100m', memory: '64Mi' })
  const [attempt] = [...cluster.agent.stats()]
  assert.equal(attempt.containers.length, 1)
  await resize(cluster, 'grows', { requests: { cpu: '2', memory: '128Mi' }, limits: { memory: '128Mi' } })
  const after = main(await pod.until((one) => main(one)?.resources?.requests?.['cpu'] === '2'))!
  assert.deepEqual(after.allocatedResources, { cpu: '2', memory: '128Mi' })
  assert.deepEqual([after.containerID, after.restartCount], [before.containerID, 0])
  await resize(cluster, 'grows', { requests: { cpu: '500m', memory: '128Mi' }, limits: { memory: '128Mi' } })
  await pod.until((one) => main(one)?.resources?.requests?.['cpu'] === '500m')
})

test('what can never fit, or not now, waits and is told; it is given as soon as there is room', async (t) => {
  const cluster = await testCluster(t, { capacity })
  const small = await cluster.run('small', sleeper({ requests: { cpu: '1' } }))
  const other = await cluster.run('other', sleeper({ requests: { cpu: '2' } }))
  for (const pod of [small, other]) await pod.until((one) => condition(one, 'Ready') === 'True')
  const pending = (one: objects.Pod) =>
    one.status?.conditions?.find(({ type }) => (type as string) === 'PodResizePending')
  await resize(cluster, 'small', { requests: { cpu: '5' } })
  const never = pending(await small.until(pending))!
  assert.deepEqual(
    [never.reason, never.message],
    ['Infeasible', "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"],
  )
  await resize(cluster, 'small', { requests: { cpu: '3' } })
  const later = await small.until((one) => pending(one)?.reason === 'Deferred')
  assert.match(pending(later)!.message ?? '', /requested: 3000, used: 2000, capacity: 4000/)
  assert.equal(main(later)?.resources?.requests?.['cpu'], '1', 'it has what it had')
  await resize(cluster, 'other', { requests: { cpu: '500m' } })
  const given = await small.until((one) => !pending(one))
  assert.deepEqual([main(given)?.resources?.requests?.['cpu'], main(given)?.restartCount], ['3', 0])
})

test('a container whose policy says so is restarted with what it asks for', async (t) => {
  const cluster = await testCluster(t, { capacity })
  const policy = { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }
  const pod = await cluster.run('restarts', sleeper({ requests: { cpu: '1' } }, policy))
  await pod.until((one) => condition(one, 'Ready') === 'True')
  await resize(cluster, 'restarts', { requests: { cpu: '2' } })
  const after = await pod.until((one) => main(one)?.restartCount === 1 && main(one)?.state?.running)
  assert.equal(main(after)?.allocatedResources?.['cpu'], '2')
})

test('the kernel is told, where groups can be made', async (t) => {
  const cluster = await testCluster(t, { capacity })
  const pod = await cluster.run('weighed', {
    terminationGracePeriodSeconds: 0,
    containers: [{ ...shell('echo $$$$; exec sleep 600'), resources: { requests: { cpu: '100m' } } } as never],
  })
  await pod.until((one) => condition(one, 'Ready') === 'True')
  const pid = Number((await pod.logged(1))[0])
  const [before] = weightOf(pid)
  if (!['102', '4', '5'].includes(before ?? '')) return t.skip('no CPU groups can be made here')
  await resize(cluster, 'weighed', { requests: { cpu: '2' } })
  await pod.until((one) => main(one)?.resources?.requests?.['cpu'] === '2')
  assert.ok(Number(weightOf(pid)[0]) > 10 * Number(before), `${before} → ${weightOf(pid)[0]}`)
})
