import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRoll } from './roll.ts'
import { type LoadedPod, rememberShape, restartsOf } from './shape.ts'

const now = Date.parse('2026-03-01T12:00:00Z')

interface Fake {
  ordinal: number
  image: string
  ready?: boolean
  restarts?: number
  memory?: string
  label?: string
  conditions?: object[]
}

function template(image: string, memory = '1Gi', label = 'shop'): any {
  const made = {
    metadata: { labels: { app: label } },
    spec: { containers: [{ name: 'web', image, resources: { limits: { memory } } }] },
  }
  rememberShape(made)
  return made
}

const pod = ({ ordinal, image, ready = true, restarts = 0, memory, label, conditions = [] }: Fake): any => ({
  metadata: {
    name: `web-${ordinal}`,
    uid: `u${ordinal}`,
    annotations: template(image, memory, label).metadata.annotations,
    ownerReferences: [{ kind: 'StatefulSet', uid: 'set' }],
  },
  spec: template(image, memory).spec,
  status: {
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }, ...conditions],
    containerStatuses: [{ restartCount: restarts }],
  },
})

function plan(pods: Fake[], present: number, { replicas = 3, usual = '', loaded = [] as LoadedPod[] } = {}) {
  const wanted: any = { spec: { replicas, template: template('new') } }
  const live: any = {
    metadata: { uid: 'set', generation: 1, annotations: usual ? { 'cuddle.dev/usual-replicas': usual } : {} },
    spec: { replicas: present },
    status: { observedGeneration: 1 },
  }
  const state = planRoll(wanted, live, pods.map(pod), loaded, now)
  return {
    serving: state.serving,
    stale: state.stale.map(({ metadata }) => metadata.name),
    next: state.next && {
      ...state.next,
      remove: state.next.remove.map(({ metadata }) => metadata.name),
      ...(state.next.resize && { resize: state.next.resize.map(({ metadata }) => metadata.name) }),
    },
  }
}

const of = (image: string, ...ordinals: number[]) => ordinals.map((ordinal) => ({ ordinal, image }))

test('new before old: it grows, replaces, and shrinks', () => {
  assert.deepEqual(plan(of('old', 0), 1, { replicas: 1 }).next, { replicas: 2, usual: 1, remove: [] })
  const starting = [...of('old', 0), { ordinal: 1, image: 'new', ready: false }]
  assert.equal(plan(starting, 2, { replicas: 1, usual: '1' }).next, undefined)
  const both = [...of('old', 0), ...of('new', 1)]
  assert.deepEqual(plan(both, 2, { replicas: 1, usual: '1' }).next, { remove: ['web-0'] })
  assert.equal(plan(of('new', 1), 2, { replicas: 1, usual: '1' }).next, undefined, 'web-0 has to come back first')
  assert.deepEqual(plan(of('new', 0, 1), 2, { replicas: 1, usual: '1' }).next, { replicas: 1, usual: null, remove: [] })
  assert.deepEqual(plan(of('new', 0), 1, { replicas: 1, usual: '1' }).next, { usual: null, remove: [] })
  assert.equal(plan(of('new', 0), 1, { replicas: 1 }).next, undefined)
})

test('never fewer ready pods than are wanted', () => {
  const pods = [...of('old', 0, 1, 2), ...of('new', 3), ...of('new', 4).map((one) => ({ ...one, ready: false }))]
  assert.deepEqual(plan(pods, 6, { usual: '3' }), {
    serving: 1,
    stale: ['web-0', 'web-1', 'web-2'],
    next: { remove: ['web-2'] },
  })
})

test('pods into which the code was loaded stay, until one is restarted', () => {
  const loaded = [0, 1, 2].map((ordinal) => ({ pod: `web-${ordinal}`, uid: `u${ordinal}`, restarts: 0 }))
  assert.deepEqual(plan(of('old', 0, 1, 2), 3, { loaded }), { serving: 3, stale: [], next: undefined })
  const crashed = [...of('old', 0, 1), { ordinal: 2, image: 'old', ready: false, restarts: 1 }]
  assert.deepEqual(plan(crashed, 3, { loaded }), { serving: 2, stale: ['web-2'], next: { remove: ['web-2'] } })
  const other = of('old', 0, 1, 2).map((one) => ({ ...one, label: 'other' }))
  assert.equal(plan(other, 3, { loaded }).stale.length, 3, 'their template differs in more than the image')
})

test('pods of another size get it where they run, and new ones come for those that cannot', () => {
  const small = of('new', 0, 1, 2).map((one) => ({ ...one, memory: '512Mi' }))
  assert.deepEqual(plan(small, 3), { serving: 0, stale: [], next: { resize: ['web-0', 'web-1', 'web-2'], remove: [] } })
  const told = { type: 'PodResizeInProgress', status: 'True' }
  const underway = of('new', 0, 1, 2).map((one) => ({ ...one, conditions: [told] }))
  assert.deepEqual(plan(underway, 3), { serving: 0, stale: [], next: undefined })
  const full = { type: 'PodResizePending', status: 'True', reason: 'Infeasible' }
  const stuck = [...of('new', 0, 1), { ordinal: 2, image: 'new', conditions: [full] }]
  assert.deepEqual(plan(stuck, 3), { serving: 2, stale: ['web-2'], next: { replicas: 4, usual: 3, remove: [] } })
})

test('scaling sets the number and touches nobody', () => {
  assert.deepEqual(plan(of('new', 0), 1).next, { replicas: 3, usual: null, remove: [] })
  assert.deepEqual(plan(of('new', 0, 1, 2, 3), 4, { replicas: 0 }).next, { replicas: 0, usual: null, remove: [] })
})

test('restarts of all containers count', () => {
  assert.equal(restartsOf({ status: { containerStatuses: [{ restartCount: 1 }, { restartCount: 2 }] } } as any), 3)
})
