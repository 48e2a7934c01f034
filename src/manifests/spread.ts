import type { objects } from '#kube'
import { selector } from './names.ts'

/**
 * Replicas go to different nodes and zones where there are several, but rather together than not at all. Counted per
 * revision (`pod-template-hash`), so that the old pods of a rollout do not decide where the new ones go.
 */
export function spread(app: string, process: string): objects.TopologySpreadConstraint[] {
  return [constraint(app, process, 'kubernetes.io/hostname'), constraint(app, process, 'topology.kubernetes.io/zone')]
}

function constraint(app: string, process: string, topologyKey: string): objects.TopologySpreadConstraint {
  return {
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selector(app, process) },
    matchLabelKeys: ['pod-template-hash'],
  }
}
