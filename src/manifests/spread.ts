import type { objects } from '#kube'
import { selector } from './names.ts'

/**
 * Replicas go to different nodes and zones where there are several, but rather together than not at all. Counted per
 * revision where each rollout makes new pods, so that the old ones do not decide where the new ones go.
 * @param revision labels of a revision, besides the process's own
 */
export function spread(app: string, process: string, revision: readonly string[]): objects.TopologySpreadConstraint[] {
  return ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selector(app, process) },
    ...(revision.length === 0 ? {} : { matchLabelKeys: [...revision] }),
  }))
}
