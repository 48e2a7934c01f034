import type { KubeObject, objects } from '#kube'
import { CuddleError } from '#lib'
import type { Scale } from '#spec'
import { metadata, objectName } from './names.ts'
import { type AutoscalerTarget, targetsOf } from './targets.ts'
import type { ObjectInput } from './types.ts'

/**
 * Keeps the replicas of a process between the bounds, by its targets: the one that asks for most decides.
 *
 * @param nodes whether its pods are nodes of the BEAM that the platform can read
 * @throws CuddleError `no_signal` for a target that only such nodes have
 */
export function autoscaler(
  input: ObjectInput,
  process: string,
  { kind, nodes }: { kind: string; nodes: boolean },
  scale: Scale,
): KubeObject {
  const name = objectName(input.app, process)
  const targets = targetsOf(scale, nodes)
  const missing = nodes ? undefined : targets.find(({ source }) => source === 'node')
  if (missing) {
    throw new CuddleError('no_signal', `${input.app}: ${process} is scaled by what only Erlang and Elixir nodes tell`, {
      hint: `scale: {${process}: {min: ${scale.min}, max: ${scale.max}, target: {cpu: 60%}}}`,
    })
  }
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadata(input, name, process),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind, name },
      minReplicas: scale.min,
      maxReplicas: scale.max,
      metrics: targets.map(metric),
    },
  }
}

function metric(target: AutoscalerTarget): objects.MetricSpec {
  if (target.source === 'resource') {
    const { name, percent } = target
    return { type: 'Resource', resource: { name, target: { type: 'Utilization', averageUtilization: percent } } }
  }
  return {
    type: 'Pods',
    pods: {
      metric: { name: target.metric },
      target: { type: 'AverageValue', averageValue: quantity(target.average) },
    },
  }
}

/** Whole, or in thousandths. */
function quantity(value: number): string {
  return Number.isInteger(value) ? String(value) : `${Math.round(value * 1000)}m`
}
