import { Event, type Kube, type KubeObject, type objects } from '#kube'

/** Why pods of StatefulSets cannot be made, by the name of the set. */
export type Refusals = ReadonlyMap<string, string>

/**
 * Asks why pods of StatefulSets are missing. A Deployment has a condition for that (`ReplicaFailure`); of a StatefulSet only Events
 * tell: `FailedCreate` about the set, with the name of the pod and the words of the API server.
 *
 * @param since when the rollout began, as the API server writes times; what happened before says nothing
 */
export async function readRefusals(
  kube: Kube,
  sets: readonly (objects.StatefulSet & KubeObject)[],
  pods: readonly KubeObject[],
  since: string | undefined,
): Promise<Refusals> {
  const found = await Promise.all(
    sets
      .filter((set) => missingPods(set, pods).size > 0)
      .map(async (set): Promise<[string, string][]> => {
        const message = await refusalOf(kube, set, missingPods(set, pods), since ?? '')
        return message === undefined ? [] : [[set.metadata.name!, message]]
      }),
  )
  return new Map(found.flat())
}

function missingPods(set: objects.StatefulSet & KubeObject, pods: readonly KubeObject[]): Set<string> {
  const { name } = set.metadata
  const wanted = Array.from({ length: set.spec?.replicas ?? 1 }, (_, ordinal) => `${name}-${ordinal}`)
  const present = new Set(pods.map(({ metadata }) => metadata.name))
  return new Set(wanted.filter((pod) => !present.has(pod)))
}

async function refusalOf(
  kube: Kube,
  { metadata }: KubeObject,
  missing: ReadonlySet<string>,
  since: string,
): Promise<string | undefined> {
  const { name, namespace, uid } = metadata
  const { items } = await kube.list(Event, { namespace, fieldSelector: `involvedObject.name=${name}` })
  const events = items
    .filter((event) => event.reason === 'FailedCreate' && event.involvedObject?.uid === uid && lastSeen(event) >= since)
    .sort((one, other) => (lastSeen(one) < lastSeen(other) ? 1 : -1))
  for (const { message = '' } of events) {
    // The words of the StatefulSet controller, the same since Kubernetes 1.5.
    const [, pod, why] = /^create Pod (\S+) in StatefulSet \S+ failed error: (.*)$/s.exec(message) ?? []
    if (pod !== undefined && missing.has(pod)) return why
  }
  return undefined
}

const lastSeen = ({ series, lastTimestamp, eventTime, metadata }: objects.Event) =>
  series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? ''
