import type { KubeObject } from '#kube'
import type { Scale } from '#spec'
import { metadata, objectName } from './names.ts'
import type { ObjectInput } from './types.ts'

/**
 * Per cent of the CPU that a process requests. Its request is what it always gets, so that there is room above while new pods
 * start, which take a share of the load only after they are ready.
 */
const cpuTarget = 60

/** Does a scale leave the number of replicas to an autoscaler? */
export function autoscaled(scale: Scale): boolean {
  return scale.max > scale.min
}

/** Keeps the replicas of a process between the bounds, by the CPU that its pods use. */
export function autoscaler(input: ObjectInput, process: string, kind: string, { min, max, target }: Scale): KubeObject {
  const name = objectName(input.app, process)
  const averageUtilization = target ?? cpuTarget
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadata(input, name, process),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind, name },
      minReplicas: min,
      maxReplicas: max,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } }],
    },
  }
}
