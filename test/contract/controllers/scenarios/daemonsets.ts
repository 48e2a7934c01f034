import assert from 'node:assert/strict'
import { DaemonSet, Node, Pod } from '#kube'
import { compared } from '../kinds.ts'
import { daemonSet, image } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

/** Pods by node, image and state: `a:1 ready`. */
const state = (w: World): string[] =>
  w
    .pods()
    .map((pod) => {
      const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
      const node = pod.spec!.nodeName?.replace(`${w.ns}-`, '')
      return `${node}:${pod.spec!.containers[0].image!.replace('example.com/app:', '')}${ready ? ' ready' : ''}`
    })
    .sort()
const is = (w: World, ...expected: string[]) => {
  return () => {
    assert.deepEqual(state(w), expected)
    const { status, metadata } = w.find(DaemonSet, 'agent')!
    const ready = w.pods({ ready: true }).length
    const leaving = w.pods({ leaving: true }).length
    return status?.observedGeneration === metadata.generation && status?.numberReady === ready && leaving === 0
  }
}
/** Which node is next is nobody's promise. */
const anyNode = (w: World) =>
  w.compare(compared, (object) => {
    if (object.kind !== 'Pod') return object
    const { nodeName: _, affinity: __, ...spec } = object.spec
    return { ...object, spec }
  })
const on = (w: World, name: string) => w.pods().find((pod) => pod.spec?.nodeName === `${w.ns}-${name}`)!

scenario('daemons follow nodes', async (w) => {
  await w.node('a')
  await w.node('b')
  await w.node('tainted', { taints: [{ key: 'example.com/special', effect: 'NoSchedule' }] })
  await w.create(DaemonSet, daemonSet(w, 'agent'))
  await w.frame('created', is(w, 'a:1 ready', 'b:1 ready'))
  await w.node('c')
  await w.frame('a node more', is(w, 'a:1 ready', 'b:1 ready', 'c:1 ready'))
  await w.patch(Node, `${w.ns}-b`, { metadata: { labels: { scenario: 'none' } } })
  await w.frame('a node that no longer fits', is(w, 'a:1 ready', 'c:1 ready'))
  await w.patch(Node, `${w.ns}-c`, { spec: { unschedulable: true } })
  await w.frame('a cordoned node', is(w, 'a:1 ready', 'c:1 ready'))
  await w.kube.delete(Pod, on(w, 'c').metadata.name!, w.ns)
  await w.frame('which gets a new one', is(w, 'a:1 ready', 'c:1 ready'))
  await w.patch(Pod, on(w, 'a').metadata.name!, { status: { phase: 'Failed', reason: 'Evicted' } }, 'status')
  await w.frame('one that failed is replaced', is(w, 'a:1 ready', 'c:1 ready'))
})

scenario('a rollout of daemons, one after another', async (w) => {
  anyNode(w)
  for (const name of ['a', 'b', 'c']) await w.node(name)
  await w.create(DaemonSet, daemonSet(w, 'agent', {}, { does: 'running' }))
  await w.until('three', () => w.pods({ phase: 'Running' }).length === 3)
  await w.tell('ready', {})
  await w.frame('created', is(w, 'a:1 ready', 'b:1 ready', 'c:1 ready'))
  await w.patch(DaemonSet, 'agent', image(2))
  for (let done = 1; done <= 3; done++) {
    await w.until(
      `pod ${done}`,
      () => w.pods({ image: 'example.com/app:2', ready: false, phase: 'Running' }).length === 1,
    )
    await w.frame(
      `${done} of 3 was replaced`,
      () => w.find(DaemonSet, 'agent')!.status!.updatedNumberScheduled === done,
    )
    await w.tell('ready', { ready: false })
  }
  await w.frame('rolled out', is(w, 'a:2 ready', 'b:2 ready', 'c:2 ready'))
  await w.patch(DaemonSet, 'agent', image(1))
  await w.until(
    'one of the first revision',
    () => w.pods({ image: 'example.com/app:1', phase: 'Running' }).length === 1,
  )
  await w.frame('taken back', () => w.find(DaemonSet, 'agent')!.status!.updatedNumberScheduled === 1)
})

scenario('a rollout of daemons, with surge', async (w) => {
  anyNode(w)
  for (const name of ['a', 'b']) await w.node(name)
  const updateStrategy = { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  await w.create(DaemonSet, daemonSet(w, 'agent', { updateStrategy }, { does: 'running' }))
  await w.until('two', () => w.pods({ phase: 'Running' }).length === 2)
  await w.tell('ready', {})
  await w.frame('created', is(w, 'a:1 ready', 'b:1 ready'))
  // The status counts the older of a node's two pods, and of two from the same second that whose random name comes first.
  await w.nextSecond(Pod)
  await w.patch(DaemonSet, 'agent', image(2))
  for (let done = 1; done <= 2; done++) {
    const added = { image: 'example.com/app:2' }
    const fresh = { ...added, ready: false, phase: 'Running' }
    await w.frame(`${done} of 2 is added`, () => w.pods(added).length === done && w.pods(fresh).length === 1)
    await w.tell('ready', fresh)
  }
  await w.frame('rolled out', is(w, 'a:2 ready', 'b:2 ready'))
})

scenario('half of the daemons may be away', async (w) => {
  anyNode(w)
  for (const name of ['a', 'b', 'c', 'd']) await w.node(name)
  const updateStrategy = { rollingUpdate: { maxUnavailable: '50%' } }
  await w.create(DaemonSet, daemonSet(w, 'agent', { updateStrategy }, { does: 'running' }))
  await w.until('four', () => w.pods({ phase: 'Running' }).length === 4)
  await w.tell('ready', {})
  await w.frame('created', is(w, 'a:1 ready', 'b:1 ready', 'c:1 ready', 'd:1 ready'))
  await w.patch(DaemonSet, 'agent', image(2))
  await w.frame('two', () => w.pods({ image: 'example.com/app:2', phase: 'Running' }).length === 2)
  await w.tell('ready', { ready: false })
  await w.frame('four', () => w.pods({ image: 'example.com/app:2', phase: 'Running' }).length === 4)
  await w.tell('ready', { ready: false })
  await w.frame('rolled out', is(w, 'a:2 ready', 'b:2 ready', 'c:2 ready', 'd:2 ready'))
})

scenario('daemons OnDelete', async (w) => {
  for (const name of ['a', 'b']) await w.node(name)
  await w.create(DaemonSet, daemonSet(w, 'agent', { updateStrategy: { type: 'OnDelete' }, revisionHistoryLimit: 0 }))
  await w.frame('created', is(w, 'a:1 ready', 'b:1 ready'))
  await w.patch(DaemonSet, 'agent', image(2))
  await w.frame('nothing happens', is(w, 'a:1 ready', 'b:1 ready'))
  await w.kube.delete(Pod, on(w, 'a').metadata.name!, w.ns)
  await w.frame('one was deleted', is(w, 'a:2 ready', 'b:1 ready'))
  await w.delete(DaemonSet, 'agent', 'Foreground')
  await w.frame('all of it goes', () => w.list(Pod).length === 0 && w.list(DaemonSet).length === 0)
})
