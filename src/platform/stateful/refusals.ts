import { Event, type Kube, type KubeObject, type objects } from '#kube'

type Pod = objects.Pod & KubeObject
type StatefulSet = objects.StatefulSet & KubeObject

export interface Refusal {
  why: string
  /** Said since the rollout began, or nothing has happened for long: the pod will not come by itself. Else it is what was said last. */
  sure: boolean
}

/** Why pods of StatefulSets cannot be made, by the name of the set. */
export type Refusals = ReadonlyMap<string, Refusal>

/** For so long, and the time that a pod has to stop, a missing pod may be about to come back, ms. */
const lateMs = 60_000
/** For so long what was said before a rollout is not told either: the pod is most likely being made, ms. */
const doubtMs = 5_000

/**
 * Asks why pods of StatefulSets are missing. A Deployment has a condition for that (`ReplicaFailure`); of a StatefulSet only Events
 * tell: `FailedCreate` about the set, with the name of the pod and the words of the API server. Kubernetes takes 25 Events about an
 * object, then one in five minutes (the spam filter of client-go), so older ones are told too, and believed where pods are missing
 * for long; where there is none that is said.
 *
 * @param since when the rollout began, as the API server writes times
 * @param now wall clock, ms
 */
export async function readRefusals(
  kube: Kube,
  sets: readonly StatefulSet[],
  pods: readonly Pod[],
  since: string,
  now: number,
): Promise<Refusals> {
  const found = await Promise.all(
    sets.map(async (set): Promise<[string, Refusal][]> => {
      const missing = missingPods(set, pods)
      if (missing.size === 0) return []
      const { name, namespace } = set.metadata
      const said = await refusalOf(kube, set, missing)
      const late = isLate(set, pods, since, now)
      const sure = late || (said !== undefined && said.at >= since)
      if (!sure && (!said || now - Date.parse(since) < doubtMs)) return []
      const why = said?.why ?? `no Event says why; kubectl -n ${namespace} describe statefulset ${name} may`
      return [[name!, { why, sure }]]
    }),
  )
  return new Map(found.flat())
}

function missingPods(set: StatefulSet, pods: readonly KubeObject[]): Set<string> {
  const { name } = set.metadata
  const wanted = Array.from({ length: set.spec?.replicas ?? 1 }, (_, ordinal) => `${name}-${ordinal}`)
  const present = new Set(pods.map(({ metadata }) => metadata.name))
  return new Set(wanted.filter((pod) => !present.has(pod)))
}

/** Whether nothing has happened for longer than any pod takes to go and to be made again. */
function isLate({ metadata, spec }: StatefulSet, pods: readonly Pod[], since: string, now: number): boolean {
  const moments = pods
    .filter((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
    .flatMap((pod) => [
      pod.metadata.creationTimestamp ?? '',
      pod.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '',
    ])
  const last = [since, ...moments].sort().at(-1)!
  const grace = spec?.template?.spec?.terminationGracePeriodSeconds ?? 30
  return now - Date.parse(last) > lateMs + grace * 1000
}

async function refusalOf(
  kube: Kube,
  { metadata }: StatefulSet,
  missing: ReadonlySet<string>,
): Promise<{ why: string; at: string } | undefined> {
  const { name, namespace, uid } = metadata
  const { items } = await kube.list(Event, { namespace, fieldSelector: `involvedObject.name=${name}` })
  const events = items
    .filter((event) => event.reason === 'FailedCreate' && event.involvedObject?.uid === uid)
    .sort((one, other) => (lastSeen(one) < lastSeen(other) ? 1 : -1))
  for (const event of events) {
    // The words of the StatefulSet controller; older ones began with a small letter.
    const words = /^create Pod (\S+) in StatefulSet \S+ failed error: (.*)$/is.exec(event.message ?? '')
    if (words && missing.has(words[1])) return { why: words[2], at: lastSeen(event) }
  }
  return undefined
}

/** When an Event happened last, as the API server writes times. */
export const lastSeen = ({ series, lastTimestamp, eventTime, metadata }: objects.Event) =>
  series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? ''
