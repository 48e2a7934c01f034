import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone } from '#lib'
import type { Deployment, ReplicaSet } from './fleet.ts'
import { planRollout, type RolloutPlan } from './plan.ts'

const start = Date.parse('2026-01-01T00:00:00Z')

/** A Deployment with its ReplicaSets whose pods do at once what they are told, or not, as the test says. */
class World {
  deployment: Deployment
  sets: ReplicaSet[] = []
  now = start
  #made = 0

  constructor(spec: Record<string, any> = {}) {
    this.deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'shop', namespace: 'shop', uid: 'd', generation: 1, annotations: {} },
      spec: {
        replicas: 4,
        selector: { matchLabels: { app: 'shop' } },
        progressDeadlineSeconds: 600,
        ...spec,
        template: template('1'),
      },
    }
  }

  image(tag: string) {
    this.deployment.spec!.template = template(tag)
    this.deployment.metadata.generation!++
  }

  scale(replicas: number) {
    this.deployment.spec!.replicas = replicas
    this.deployment.metadata.generation!++
  }

  pass(extra: { oldPodsLeft?: boolean } = {}): RolloutPlan {
    const plan = planRollout({ deployment: this.deployment, replicaSets: clone(this.sets), now: this.now, ...extra })
    if (plan.create) {
      const rs = clone(plan.create) as unknown as ReplicaSet
      const creationTimestamp = new Date(start + 1000 * this.#made++).toISOString()
      rs.metadata = { ...rs.metadata, creationTimestamp, uid: rs.metadata.name, generation: 1 }
      this.sets.push(rs)
    }
    for (const { rs, replicas, annotations } of plan.change) {
      const mine = this.sets.find(({ metadata }) => metadata.name === rs.metadata.name)!
      if (replicas !== undefined) mine.spec!.replicas = replicas
      if (annotations) mine.metadata.annotations = annotations
    }
    this.sets = this.sets.filter((rs) => !plan.remove.some(({ metadata }) => metadata.name === rs.metadata.name))
    if (plan.revision) this.deployment.metadata.annotations!['deployment.kubernetes.io/revision'] = plan.revision
    this.deployment.status = plan.status
    return plan
  }

  /** The ReplicaSets' pods come up and go as specified; those of `broken` never get ready. */
  pods(broken?: string) {
    for (const rs of this.sets) {
      const replicas = rs.spec!.replicas ?? 1
      const ready = broken && image(rs) === broken ? 0 : replicas
      rs.status = { replicas, readyReplicas: ready, availableReplicas: ready, observedGeneration: 1 }
    }
  }

  sizes(): Record<string, number> {
    return Object.fromEntries(this.sets.map((rs) => [image(rs), rs.spec!.replicas ?? 1]))
  }

  /** Passes until the controller rests, then the pods catch up, until nothing moves; `look` sees every state between. */
  settle(broken?: string, look: () => void = () => {}) {
    for (let turn = 0; turn < 50; turn++) {
      const before = this.#state()
      for (let last = ''; last !== this.#state(); ) {
        last = this.#state()
        this.pass()
        look()
      }
      this.pods(broken)
      if (before === this.#state()) return
    }
    throw new Error('does not settle')
  }

  #state(): string {
    return JSON.stringify([this.sets, this.deployment.status])
  }

  reason(type: string): string | undefined {
    return this.deployment.status?.conditions?.find((condition) => condition.type === type)?.reason
  }
}

function template(tag: string): any {
  return { metadata: { labels: { app: 'shop' } }, spec: { containers: [{ name: 'c', image: tag }] } }
}
const image = (rs: ReplicaSet) => rs.spec!.template!.spec!.containers[0].image!

test('a first rollout creates one ReplicaSet of full size and completes', () => {
  const world = new World()
  const plan = world.pass()
  assert.equal(plan.create?.spec.replicas, 4)
  assert.equal(world.reason('Progressing'), 'NewReplicaSetCreated')
  assert.equal(world.reason('Available'), 'MinimumReplicasUnavailable')
  world.pods()
  world.settle()
  assert.equal(world.reason('Progressing'), 'NewReplicaSetAvailable')
  assert.equal(world.reason('Available'), 'MinimumReplicasAvailable')
  const { replicas, updatedReplicas, readyReplicas, availableReplicas, unavailableReplicas } = world.deployment.status!
  assert.deepEqual([replicas, updatedReplicas, readyReplicas, availableReplicas], [4, 4, 4, 4])
  assert.equal(unavailableReplicas, undefined)
  assert.equal(world.deployment.metadata.annotations!['deployment.kubernetes.io/revision'], '1')
})

test('4 replicas at 25%/25% roll 3+2, 1+4, 0+4: never more than 5, never fewer than 3 available', () => {
  const world = new World()
  world.settle()
  world.image('2')
  const seen: string[] = []
  world.settle(undefined, () => {
    const sizes = world.sizes()
    assert.ok(sizes['1'] + (sizes['2'] ?? 0) <= 5)
    const available = world.sets.reduce(
      (sum, rs) => sum + Math.min(rs.spec!.replicas!, rs.status?.availableReplicas ?? 0),
      0,
    )
    assert.ok(available >= 3, `only ${available} available`)
    const state = `${sizes['1']}+${sizes['2'] ?? 0}`
    if (seen.at(-1) !== state) seen.push(state)
  })
  assert.deepEqual(seen, ['4+1', '3+1', '3+2', '1+2', '1+4', '0+4'])
  assert.equal(world.reason('Progressing'), 'NewReplicaSetAvailable')
})

test('a broken version stops at the surge and the deadline is only reported', () => {
  const world = new World()
  world.settle()
  world.image('bad')
  world.settle('bad')
  const sizes = world.sizes()
  assert.deepEqual(sizes, { '1': 3, bad: 2 })
  world.now += 601_000
  world.settle('bad')
  assert.equal(world.reason('Progressing'), 'ProgressDeadlineExceeded')
  assert.deepEqual(world.sizes(), sizes)
  assert.equal(world.reason('Available'), 'MinimumReplicasAvailable')
})

test('a third version first takes down the broken second', () => {
  const world = new World()
  world.settle()
  world.image('bad')
  world.settle('bad')
  world.image('3')
  world.settle('bad')
  assert.deepEqual(world.sizes(), { '1': 0, bad: 0, '3': 4 })
})

test('rolling back re-uses the old ReplicaSet and gives it the next revision', () => {
  const world = new World()
  world.settle()
  const first = world.sets[0].metadata.name
  world.image('2')
  world.settle()
  world.image('1')
  world.settle()
  assert.equal(world.sets.length, 2)
  const back = world.sets.find(({ metadata }) => metadata.name === first)!
  assert.equal(back.spec!.replicas, 4)
  assert.equal(back.metadata.annotations!['deployment.kubernetes.io/revision'], '3')
  assert.equal(back.metadata.annotations!['deployment.kubernetes.io/revision-history'], '1')
  assert.equal(world.deployment.metadata.annotations!['deployment.kubernetes.io/revision'], '3')
})

test('scaling in the middle of a rollout is proportional', () => {
  const world = new World({ replicas: 10, strategy: { rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } })
  world.settle()
  world.image('bad')
  world.settle('bad')
  assert.deepEqual(world.sizes(), { '1': 8, bad: 5 })
  world.scale(15)
  world.pass()
  assert.deepEqual(world.sizes(), { '1': 11, bad: 7 })
  world.pods('bad')
  world.settle('bad')
  assert.deepEqual(world.sizes(), { '1': 11, bad: 7 })
})

test('scaling a settled Deployment resizes its one ReplicaSet and makes no revision', () => {
  const world = new World()
  world.settle()
  world.scale(2)
  world.settle()
  assert.deepEqual(world.sizes(), { '1': 2 })
  world.scale(0)
  world.settle()
  world.scale(3)
  world.settle()
  assert.deepEqual(world.sizes(), { '1': 3 })
  assert.equal(world.deployment.metadata.annotations!['deployment.kubernetes.io/revision'], '1')
})

test('Recreate waits until every old pod is gone', () => {
  const world = new World({ strategy: { type: 'Recreate' } })
  world.settle()
  world.image('2')
  assert.equal(world.pass().create, undefined)
  assert.deepEqual(world.sizes(), { '1': 0 })
  world.pods()
  assert.equal(world.pass({ oldPodsLeft: true }).create, undefined)
  assert.equal(world.pass().create?.spec.replicas, 4)
})

test('a paused Deployment scales but does not roll', () => {
  const world = new World()
  world.settle()
  world.deployment.spec!.paused = true
  world.image('2')
  world.settle()
  assert.equal(world.reason('Progressing'), 'DeploymentPaused')
  world.scale(6)
  world.settle()
  assert.deepEqual(world.sizes(), { '1': 6 })
  world.deployment.spec!.paused = false
  world.settle()
  assert.deepEqual(world.sizes(), { '1': 0, '2': 6 })
})

test('both bounds 0 still move; maxSurge 0 never exceeds the replicas', () => {
  const world = new World({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } })
  world.settle()
  world.image('2')
  world.settle(undefined, () => {
    const sizes = world.sizes()
    assert.ok(sizes['1'] + (sizes['2'] ?? 0) <= 4)
  })
  assert.deepEqual(world.sizes(), { '1': 0, '2': 4 })
})

test('history beyond revisionHistoryLimit goes, oldest revision first', () => {
  const world = new World({ revisionHistoryLimit: 1 })
  for (const tag of ['1', '2', '3', '4']) {
    world.image(tag)
    world.settle()
  }
  assert.deepEqual(world.sizes(), { '3': 0, '4': 4 })
})

test('a name that someone else holds makes another hash', () => {
  const world = new World()
  const wanted = planRollout({ deployment: world.deployment, replicaSets: [], now: start }).create!.metadata.name
  const plan = planRollout({
    deployment: world.deployment,
    replicaSets: [],
    taken: (name) => name === wanted,
    now: start,
  })
  assert.notEqual(plan.create!.metadata.name, wanted)
  assert.equal(plan.status.collisionCount, 1)
})
