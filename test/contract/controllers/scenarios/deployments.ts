import assert from 'node:assert/strict'
import { Deployment, Pod, ReplicaSet, ResourceQuota } from '#kube'
import { doesAnnotation, type Order } from '../../hollow/index.ts'
import { deployment, image } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

/** Of each image the replicas that its ReplicaSet shall have. */
const sizes = (w: World): Record<string, number> =>
  Object.fromEntries(
    w
      .list(ReplicaSet)
      .map((rs) => [rs.spec!.template!.spec!.containers[0].image!.replace('example.com/app:', ''), rs.spec!.replicas!])
      .sort(),
  )
const sized = (w: World, expected: Record<string, number>) => () => {
  assert.deepEqual(sizes(w), expected)
  return w.list(ReplicaSet).every((rs) => (rs.status?.replicas ?? 0) === rs.spec!.replicas)
}
const ready = (w: World, tag: number, count: number) => () =>
  w.pods({ image: `example.com/app:${tag}`, ready: true }).length === count

/** Gets the pods of an image ready one by one, with a frame after each. */
async function oneByOne(w: World, tag: number, replicas: number): Promise<void> {
  const image = `example.com/app:${tag}`
  for (let count = 1; count <= replicas; count++) {
    await w.until(`pod ${count} of image ${tag}`, () => w.pods({ image, ready: false }).length > 0)
    await w.tell('ready', { image, ready: false }, 1)
    await w.frame(`${count} of ${replicas} are ready`, ready(w, tag, count))
  }
}

for (const [name, rollingUpdate] of [
  ['25 % of surge and unavailable', {}],
  ['numbers of surge and unavailable', { maxSurge: 2, maxUnavailable: 1 }],
  ['no surge', { maxSurge: 0, maxUnavailable: 1 }],
  ['nothing unavailable', { maxSurge: '50%', maxUnavailable: 0 }],
] as const) {
  scenario(`a rollout with ${name}`, async (w) => {
    await w.node()
    await w.create(Deployment, deployment(w, 'web', { replicas: 4, strategy: { rollingUpdate } }, { does: 'running' }))
    await w.frame('created', sized(w, { 1: 4 }))
    await oneByOne(w, 1, 4)
    await w.patch(Deployment, 'web', image(2))
    await w.frame('a new template', () => sizes(w)['2'] !== undefined)
    await oneByOne(w, 2, 4)
    await w.frame('rolled out', sized(w, { 1: 0, 2: 4 }))
  })
}

/** The patch that gives a template another image whose pods do something else. */
const failing = (tag: number, does: Order = 'running') => ({
  spec: {
    template: {
      metadata: { annotations: { [doesAnnotation]: does } },
      spec: { containers: [{ name: 'app', image: `example.com/app:${tag}` }] },
    },
  },
})
const working = (tag: number) => failing(tag, 'ready')
const reason = (w: World, type: string) =>
  w.find(Deployment, 'web')?.status?.conditions?.find((one) => one.type === type)?.reason
const complete = (w: World, expected: Record<string, number>) => () => {
  sized(w, expected)()
  const { status, metadata } = w.find(Deployment, 'web')!
  const total = Object.values(expected).reduce((a, b) => a + b, 0)
  return (status?.availableReplicas ?? 0) === total && status?.observedGeneration === metadata.generation
}

scenario('a rollout that fails, and is taken back', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 3, progressDeadlineSeconds: 2 }))
  await w.frame('created', complete(w, { 1: 3 }))
  await w.patch(Deployment, 'web', failing(2))
  await w.frame('given up', () => reason(w, 'Progressing') === 'ProgressDeadlineExceeded')
  assert.deepEqual(sizes(w), { 1: 3, 2: 1 })
  await w.patch(Deployment, 'web', working(1))
  const whole = () => w.find(Deployment, 'web')!.status!.updatedReplicas === 3 && w.list(Pod).length === 3
  await w.frame('taken back', () => whole() && reason(w, 'Progressing') === 'NewReplicaSetAvailable')
})

scenario('a first rollout that fails', async (w) => {
  await w.node()
  const spec = { replicas: 2, progressDeadlineSeconds: 1 }
  await w.create(Deployment, deployment(w, 'web', spec, { does: 'exit 1' }))
  await w.frame('given up', () => reason(w, 'Progressing') === 'ProgressDeadlineExceeded')
  await w.tell('ready', { of: 'web' })
  await w.frame('up in the end', complete(w, { 1: 2 }))
})

scenario('a Deployment is paused, changed, scaled and resumed', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }))
  await w.frame('created', complete(w, { 1: 2 }))
  await w.patch(Deployment, 'web', { spec: { paused: true } })
  await w.frame('paused', () => reason(w, 'Progressing') === 'DeploymentPaused')
  await w.patch(Deployment, 'web', image(2))
  await w.scale(Deployment, 'web', 4)
  await w.frame('changed and scaled', complete(w, { 1: 4 }))
  await w.patch(Deployment, 'web', { spec: { paused: null } })
  await w.frame('resumed', complete(w, { 1: 0, 2: 4 }))
})

scenario('a Deployment that is created paused', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 2, paused: true }))
  await w.frame('created', () => reason(w, 'Progressing') !== undefined)
  await w.patch(Deployment, 'web', { spec: { paused: null } })
  await w.frame('resumed', complete(w, { 1: 2 }))
})

scenario('templates come back: revisions and their history', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 1 }))
  await w.frame('1', complete(w, { 1: 1 }))
  for (const tag of [2, 3]) {
    await w.patch(Deployment, 'web', {
      ...image(tag),
      metadata: { annotations: { 'kubernetes.io/change-cause': `to ${tag}`, [`example.com/${tag}`]: 'x' } },
    })
    await w.until(`${tag}`, () => sizes(w)[tag] === 1)
    await w.frame(`${tag}`, () => w.find(Deployment, 'web')!.status!.updatedReplicas === 1 && w.pods().length === 1)
  }
  await w.patch(Deployment, 'web', image(1))
  await w.frame('back to 1', complete(w, { 1: 1, 2: 0, 3: 0 }))
  await w.patch(Deployment, 'web', image(2))
  await w.frame('back to 2', complete(w, { 1: 0, 2: 1, 3: 0 }))
  await w.patch(Deployment, 'web', image(1))
  await w.frame('back to 1 again', complete(w, { 1: 1, 2: 0, 3: 0 }))
})

scenario('scaling in a rollout is proportional', async (w) => {
  await w.node()
  const strategy = { rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } }
  await w.create(Deployment, deployment(w, 'web', { replicas: 10, strategy }))
  await w.frame('created', complete(w, { 1: 10 }))
  await w.patch(Deployment, 'web', failing(2))
  await w.frame('stuck', sized(w, { 1: 8, 2: 5 }))
  await w.scale(Deployment, 'web', 15)
  await w.frame('scaled up', () => Object.values(sizes(w)).reduce((a, b) => a + b, 0) === 18)
  await w.scale(Deployment, 'web', 6)
  await w.frame('scaled down', () => Object.values(sizes(w)).reduce((a, b) => a + b, 0) <= 9)
  await w.patch(Deployment, 'web', working(3))
  await w.frame('rolled out', complete(w, { 1: 0, 2: 0, 3: 6 }))
})

scenario('a rollout overtakes another', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 5 }))
  await w.frame('created', complete(w, { 1: 5 }))
  await w.patch(Deployment, 'web', failing(2))
  await w.frame('stuck', () => sizes(w)['2'] === 3)
  await w.patch(Deployment, 'web', failing(3))
  await w.frame('stuck again', () => sizes(w)['3'] > 0)
  await w.patch(Deployment, 'web', working(4))
  await w.frame('rolled out', complete(w, { 1: 0, 2: 0, 3: 0, 4: 5 }))
})

scenario('Recreate waits for the last old pod', async (w) => {
  await w.node()
  const spec = { replicas: 2, strategy: { type: 'Recreate' } }
  await w.create(Deployment, deployment(w, 'web', spec, { lingers: true }))
  await w.frame('created', complete(w, { 1: 2 }))
  await w.patch(Deployment, 'web', image(2))
  await w.frame('old pods leave', () => w.pods({ leaving: true }).length === 2)
  const [first, second] = w.pods({ leaving: true })
  await w.hollow.release(first)
  await w.frame('one is left', () => w.pods({ leaving: true }).length === 1)
  await w.hollow.release(second)
  await w.frame('recreated', complete(w, { 1: 0, 2: 2 }))
})

for (const limit of [0, 1]) {
  scenario(`a history of ${limit}`, async (w) => {
    await w.node()
    await w.create(Deployment, deployment(w, 'web', { replicas: 1, revisionHistoryLimit: limit }))
    await w.frame('1', complete(w, { 1: 1 }))
    for (const tag of [2, 3, 4]) {
      await w.patch(Deployment, 'web', image(tag))
      const kept = { ...(limit === 1 && { [tag - 1]: 0 }), [tag]: 1 }
      await w.frame(`${tag}`, complete(w, kept))
    }
  })
}

scenario('pods are available when they have been ready for a while', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 2, minReadySeconds: 3 }))
  await w.frame('ready', () => w.find(Deployment, 'web')?.status?.readyReplicas === 2)
  await w.frame('available', complete(w, { 1: 2 }))
  await w.patch(Deployment, 'web', image(2))
  await w.frame('rolled out', complete(w, { 1: 0, 2: 2 }))
})

scenario('a Deployment goes and its ReplicaSet is found by the next', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }))
  await w.frame('created', complete(w, { 1: 2 }))
  await w.delete(Deployment, 'web', 'Orphan')
  await w.frame('orphaned', () => !w.find(Deployment, 'web') && !w.list(ReplicaSet)[0]?.metadata.ownerReferences)
  await w.create(Deployment, deployment(w, 'web', { replicas: 3 }))
  await w.frame('adopted', complete(w, { 1: 3 }))
})

scenario('labels decide whose a pod is', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }))
  await w.frame('created', complete(w, { 1: 2 }))
  const [pod] = w.pods()
  await w.patch(Pod, pod.metadata.name!, { metadata: { labels: { app: 'other' } } })
  await w.frame('released and replaced', () => w.pods().length === 3 && w.pods({ of: 'web', ready: true }).length === 2)
  await w.patch(Pod, pod.metadata.name!, { metadata: { labels: { app: 'web' } } })
  await w.frame('adopted, and one too many', () => w.pods().length === 2 && complete(w, { 1: 2 })())
})

scenario('which pods go first', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 5 }, { does: 'pending' }))
  await w.until('five', () => w.pods({ phase: 'Pending' }).length === 5 && w.pods().every((pod) => pod.spec!.nodeName))
  await w.tell('running', {}, 1)
  await w.tell('ready', { phase: 'Pending' }, 3)
  await w.until('three ready', () => w.pods({ ready: true }).length === 3)
  const [cheap] = w.pods({ ready: true })
  await w.patch(Pod, cheap.metadata.name!, {
    metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-1' } },
  })
  await w.frame('one pending, one running, three ready', () => w.find(Deployment, 'web')!.status!.readyReplicas === 3)
  for (const left of [4, 3, 2]) {
    await w.scale(Deployment, 'web', left)
    await w.frame(`${left} are left`, () => w.pods().length === left)
  }
  assert.ok(w.pods({ ready: true }).every(({ metadata }) => metadata.name !== cheap.metadata.name))
})

scenario('pods that failed are replaced', async (w) => {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }))
  await w.frame('created', complete(w, { 1: 2 }))
  const [pod] = w.pods()
  await w.patch(Pod, pod.metadata.name!, { status: { phase: 'Failed', reason: 'Evicted' } }, 'status')
  await w.frame('replaced', () => w.pods().length === 3 && complete(w, { 1: 2 })())
  await w.scale(Deployment, 'web', 0)
  await w.frame('scaled to nothing', () => w.pods().length <= 1)
})

scenario('pods that may not be created', async (w) => {
  await w.node()
  await w.create(ResourceQuota, { metadata: { name: 'two' }, spec: { hard: { pods: '2' } } })
  await w.until('quota', () => w.find(ResourceQuota, 'two')?.status?.hard)
  await w.create(Deployment, deployment(w, 'web', { replicas: 3, progressDeadlineSeconds: 600 }))
  await w.frame('refused', () => reason(w, 'ReplicaFailure') === 'FailedCreate')
  await w.scale(Deployment, 'web', 2)
  await w.frame('within the quota', () => reason(w, 'ReplicaFailure') === undefined && complete(w, { 1: 2 })())
})
