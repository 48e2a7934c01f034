import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '#kube'
import { compile } from '#manifests'
import { parseSpec } from '#spec'
import type { AppObject, ReleaseSpec } from './kinds.ts'
import { effectiveObjects } from './scale.ts'

function release(yaml: string): ReleaseSpec {
  const parsed = parseSpec(yaml, { file: 'cuddle.yaml' })
  assert.ok(parsed.ok)
  const fields = { app: 'shop', image: `cuddle.local/shop@sha256:${'0'.repeat(64)}`, spec: parsed.spec }
  const objects = compile({
    ...fields,
    namespace: 'shop',
    release: 3,
    config: {},
    scale: {},
    runtime: 'generic',
    environment: { baseDomain: 'localhost', scheme: 'http' },
  })
  return { ...fields, number: 3, cause: { kind: 'deploy', message: '', user: '' }, objects } as never
}

/** `Deployment 3`, `HorizontalPodAutoscaler 2..10@60`, `PodDisruptionBudget` of web. */
function shape(objects: KubeObject[]): string[] {
  return objects.flatMap(({ kind, spec }) => {
    if (kind === 'Deployment') return [`Deployment ${spec.replicas ?? '-'}`]
    if (kind === 'PodDisruptionBudget') return ['PodDisruptionBudget']
    if (kind !== 'HorizontalPodAutoscaler') return []
    const { averageUtilization } = spec.metrics[0].resource.target
    return [`HorizontalPodAutoscaler ${spec.minReplicas}..${spec.maxReplicas}@${averageUtilization}`]
  })
}

for (const [scale, app, expected] of [
  ['1', {}, ['Deployment 1']],
  ['1', { scale: { web: 3 } }, ['Deployment 3', 'PodDisruptionBudget']],
  ['3', { scale: { web: 1 } }, ['Deployment 1']],
  ['2..10', {}, ['Deployment -', 'HorizontalPodAutoscaler 2..10@60', 'PodDisruptionBudget']],
  ['2..10', { scale: { web: 4 } }, ['Deployment 4', 'PodDisruptionBudget']],
  ['2..10', { scale: { web: 0 } }, ['Deployment 0']],
  [
    '{ min: 2, max: 10, target: 75 }',
    { autoscale: { web: { min: 1, max: 3 } } },
    ['Deployment -', 'HorizontalPodAutoscaler 1..3@75', 'PodDisruptionBudget'],
  ],
  [
    '2',
    { autoscale: { web: { min: 1, max: 3 } } },
    ['Deployment -', 'HorizontalPodAutoscaler 1..3@60', 'PodDisruptionBudget'],
  ],
] as const) {
  test(`scale ${scale} of the spec with ${JSON.stringify(app)} set by hand`, () => {
    const rendered = release(`processes: { web: bin/web }\nscale: { web: ${scale} }`)
    const frozen = structuredClone(rendered)
    assert.deepEqual(shape(effectiveObjects(rendered, app as AppObject['spec'])), expected)
    assert.deepEqual(rendered, frozen, 'the release is not touched')
  })
}
