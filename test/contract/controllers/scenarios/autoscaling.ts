import assert from 'node:assert/strict'
import { Deployment, HorizontalPodAutoscaler } from '#kube'
import { deployment } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

/** No window in which past recommendations count, and no limit of speed. */
const eager = {
  scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: 'Percent', value: 1000, periodSeconds: 1 }] },
  scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Percent', value: 100, periodSeconds: 1 }] },
}
const external = (name: string, target: object) => ({ type: 'External', external: { metric: { name }, target } })
const average = (name: string, value: number) => external(name, { type: 'AverageValue', averageValue: String(value) })

async function autoscaled(w: World, replicas: number, spec: object): Promise<void> {
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas }))
  await w.until('created', () => w.pods({ ready: true }).length === replicas)
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }
  await w.create(HorizontalPodAutoscaler, {
    metadata: { name: 'web' },
    spec: { scaleTargetRef, maxReplicas: 8, behavior: eager, ...spec },
  })
}
const found = (w: World) => w.find(HorizontalPodAutoscaler, 'web')
const condition = (w: World, type: string) => found(w)?.status?.conditions?.find((one) => one.type === type)
/** The decision has been made, and its metric was seen: of what each metric was read to be. */
const decided = (w: World, replicas: number, seen?: string) => () => {
  assert.equal(w.pods({ ready: true }).length, replicas)
  const metrics = (found(w)?.status?.currentMetrics ?? []) as any[]
  const read = metrics.map(({ external }) => external?.current?.averageValue ?? external?.current?.value).join()
  if (seen !== undefined) assert.equal(read, seen)
  return found(w)?.status?.desiredReplicas === replicas && found(w)?.status?.currentReplicas === replicas
}

scenario('an autoscaler by an average', async (w) => {
  w.metric('queue', 20)
  await autoscaled(w, 2, { metrics: [average('queue', 10)] })
  await w.frame('as it should be', decided(w, 2, '10'))
  w.metric('queue', 45)
  await w.frame('more', decided(w, 5, '9'))
  w.metric('queue', 52)
  await w.frame('within the tolerance', decided(w, 5, '10400m'))
  w.metric('queue', 200)
  await w.frame('as many as there may be', decided(w, 8, '25'))
  w.metric('queue', 1)
  await w.frame('as few as there may be', decided(w, 1, '1'))
})

scenario('an autoscaler by a value', async (w) => {
  w.metric('depth', 30)
  await autoscaled(w, 1, { minReplicas: 2, metrics: [external('depth', { type: 'Value', value: '30' })] })
  await w.frame('at least two', decided(w, 2, '30'))
  w.metric('depth', 60)
  await w.frame('more, until there are as many as there may be', decided(w, 8, '60'))
  w.metric('depth', 0)
  await w.frame('nothing to do', decided(w, 2, '0'))
})

scenario('the metric that asks for most decides', async (w) => {
  w.metric('a', 20)
  w.metric('b', 40)
  await autoscaled(w, 1, { metrics: [average('a', 10), average('b', 10)] })
  await w.frame('b', decided(w, 4, '5,10'))
  w.metric('a', 60)
  await w.frame('a', decided(w, 6, '10,6667m'))
})

scenario('how fast an autoscaler may be', async (w) => {
  const one = [{ type: 'Pods', value: 2, periodSeconds: 600 }]
  const behavior = {
    scaleUp: { stabilizationWindowSeconds: 0, policies: one },
    scaleDown: { stabilizationWindowSeconds: 0, policies: one },
  }
  w.metric('queue', 70)
  await autoscaled(w, 2, { metrics: [average('queue', 10)], behavior })
  await w.frame(
    'two more, and no more',
    () => decided(w, 4)() && condition(w, 'ScalingLimited')?.reason === 'ScaleUpLimit',
  )
})

scenario('an autoscaler that may not scale down, or not soon', async (w) => {
  w.metric('queue', 40)
  await autoscaled(w, 4, {
    metrics: [average('queue', 10)],
    behavior: { ...eager, scaleDown: { selectPolicy: 'Disabled' } },
  })
  await w.frame('as it should be', decided(w, 4, '10'))
  w.metric('queue', 8)
  await w.frame('disabled', decided(w, 4, '2'))
  await w.patch(HorizontalPodAutoscaler, 'web', {
    spec: { behavior: { ...eager, scaleDown: { stabilizationWindowSeconds: 3600, selectPolicy: 'Max' } } },
  })
  await w.frame('stabilised', () => decided(w, 4)() && condition(w, 'AbleToScale')?.reason === 'ScaleDownStabilized')
})

scenario('an autoscaler without its metric or its target', async (w) => {
  await autoscaled(w, 2, { metrics: [average('nothing', 10)] })
  await w.frame('no metric', () => condition(w, 'ScalingActive')?.status === 'False')
  w.metric('nothing', 30)
  await w.frame('there it is', decided(w, 3, '10'))
  await w.scale(Deployment, 'web', 0)
  await w.frame('disabled by zero replicas', () => condition(w, 'ScalingActive')?.reason === 'ScalingDisabled')
  await w.delete(Deployment, 'web')
  await w.frame('no target', () => condition(w, 'AbleToScale')?.reason === 'FailedGetScale')
})
