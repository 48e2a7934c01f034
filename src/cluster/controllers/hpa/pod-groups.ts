import { getCondition, type objects } from '#kube'
import type { Sample } from './samples.ts'

/** A pod's CPU says nothing yet while it starts. */
const cpuInitialisationMs = 300_000
/** A pod that was never ready for this long after its start counts again. */
const initialReadinessMs = 30_000

export interface PodGroups {
  ready: number
  unready: ReadonlySet<string>
  missing: ReadonlySet<string>
  /** Pods that do not count at all. */
  ignored: ReadonlySet<string>
}

/** Which pods' samples count, and as what (upstream's groupPods). `resource` is undefined for custom metrics. */
export function groupPods(
  pods: readonly objects.Pod[],
  samples: ReadonlyMap<string, Sample>,
  resource: string | undefined,
  now: number,
): PodGroups {
  const groups = { ready: 0, unready: new Set<string>(), missing: new Set<string>(), ignored: new Set<string>() }
  for (const pod of pods) {
    const name = pod.metadata.name!
    const sample = samples.get(name)
    if (pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === 'Failed') groups.ignored.add(name)
    else if (pod.status?.phase === 'Pending') groups.unready.add(name)
    else if (!sample) groups.missing.add(name)
    else if (resource === 'cpu' && isStarting(pod, sample, now)) groups.unready.add(name)
    else groups.ready++
  }
  return groups
}

function isStarting(pod: objects.Pod, sample: Sample, now: number): boolean {
  const ready = getCondition(pod, 'Ready')
  const started = Date.parse(pod.status?.startTime ?? '')
  if (!ready || Number.isNaN(started)) return true
  const changed = Date.parse(ready.lastTransitionTime ?? '')
  if (started + cpuInitialisationMs > now) return ready.status === 'False' || sample.at < changed + sample.window
  return ready.status === 'False' && started + initialReadinessMs > changed
}
