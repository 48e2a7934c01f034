import assert from 'node:assert/strict'
import { Deployment, ReplicaSet } from '#kube'
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
