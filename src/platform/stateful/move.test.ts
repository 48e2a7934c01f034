import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testAxn } from '#operator'
import { App } from '../kinds.ts'
import { movePods } from './move.ts'
import { rememberShape } from './shape.ts'

const template = (image: string): any => {
  const made = { metadata: {}, spec: { containers: [{ name: 'web', image }] } }
  rememberShape(made)
  return made
}
const pod = (ordinal: number, image: string): any => ({
  metadata: {
    name: `web-${ordinal}`,
    uid: `u${ordinal}`,
    annotations: template(image).metadata.annotations,
    ownerReferences: [{ uid: 'set' }],
  },
  spec: { containers: [{ name: 'web', image }] },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
})

test('an autoscaler is held while pods are replaced, and let go afterwards', () => {
  const set: any = { kind: 'StatefulSet', metadata: { name: 'web' }, spec: { template: template('new') } }
  const autoscaler: any = {
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: { scaleTargetRef: { name: 'web' }, minReplicas: 1, maxReplicas: 3 },
  }
  const patches = (pods: any[], replicas: number, annotations = {}) => {
    const live: any = {
      metadata: { name: 'web', uid: 'set', generation: 1, annotations },
      spec: { replicas },
      status: { observedGeneration: 1 },
    }
    const axn = testAxn(App, { metadata: { name: 'shop' } } as any)
    const moved = movePods(axn, [set, autoscaler], { statefulSets: [live], pods, loaded: [] }, 0)
    return moved.effects.flatMap((effect) => (effect.do === 'patch' ? [[effect.ref.type.kind, effect.patch]] : []))
  }
  assert.deepEqual(patches([pod(0, 'old'), pod(1, 'old')], 2), [
    ['HorizontalPodAutoscaler', { spec: { minReplicas: 4, maxReplicas: 4 } }],
    ['StatefulSet', { metadata: { annotations: { 'cuddle.dev/usual-replicas': '2' } }, spec: { replicas: 4 } }],
  ])
  const done = patches(
    [0, 1, 2, 3].map((ordinal) => pod(ordinal, 'new')),
    4,
    { 'cuddle.dev/usual-replicas': '2' },
  )
  assert.deepEqual(done, [
    ['HorizontalPodAutoscaler', { spec: { minReplicas: 1, maxReplicas: 3 } }],
    ['StatefulSet', { metadata: { annotations: { 'cuddle.dev/usual-replicas': null } }, spec: { replicas: 2 } }],
  ])
})
