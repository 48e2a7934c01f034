import { Deployment, Event, type Kube, type KubeObject, type objects, Pod, ReplicaSet, StatefulSet } from '#kube'
import { rfc3339 } from '#lib'
import type { Context } from './context.ts'
import { labels } from './kinds.ts'
import { lastSeen, readRefusals } from './stateful/refusals.ts'

type PodObject = objects.Pod & KubeObject

/** What probes of pods answered last, by the uid of the pod. */
export type ProbeReplies = ReadonlyMap<string, string>

/** A pod that takes so long gets told why, ms. */
const patience = 5_000

/** Why a pod that takes long is not ready, where the cluster says so: a developer need not wait until the probe gives up. */
export function complaint(pods: readonly PodObject[], now: number, replies: ProbeReplies = new Map()): string {
  const [slow] = slowPods(pods, now)
  const condition = (type: string) =>
    slow?.status?.conditions?.find((one) => one.type === type && one.status !== 'True')
  const unplaced = condition('PodScheduled')?.message
  const message = condition('Ready')?.message ?? ''
  // Kubelets tell what a probe answered in an Event only; the embedded cluster says it in the condition, too.
  const reply = /(?:Startup|Readiness) probe failed: .*/s.exec(message)?.[0] ?? replies.get(slow?.metadata.uid ?? '')
  const said = unplaced ? `no node has room: ${unplaced}` : reply
  return said ? `; ${said.replace(/\s+/g, ' ').slice(0, 200)}` : ''
}

function slowPods(pods: readonly PodObject[], now: number): PodObject[] {
  return pods.filter(({ metadata, status }) => {
    const ready = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
    // Nobody sets `startTime` of a pod that no node has taken.
    const since = status?.startTime ?? metadata.creationTimestamp ?? ''
    return !ready && !metadata.deletionTimestamp && now - Date.parse(since) > patience
  })
}

/** Reads what probes answer, where a pod of those takes long. */
export async function readProbeReplies(
  kube: Kube,
  namespace: string,
  pods: readonly PodObject[],
  now: number,
): Promise<ProbeReplies> {
  if (slowPods(pods, now).length === 0) return new Map()
  const fieldSelector = 'reason=Unhealthy,involvedObject.kind=Pod'
  const { items } = await kube.list(Event, { namespace, fieldSelector })
  const inOrder = items.sort((one, other) => (lastSeen(one) < lastSeen(other) ? -1 : 1))
  return new Map(inOrder.map(({ involvedObject, message = '' }) => [involvedObject?.uid ?? '', message]))
}

/**
 * Why pods of a process are waited for: one has no room or fails its probe, or the cluster refuses to make more.
 * An empty string where nothing is known.
 *
 * @param since when the waiting began, wall clock, ms
 */
export async function explainWait(
  { kube, clock }: Context,
  app: string,
  process: string,
  since: number,
): Promise<string> {
  const options = { namespace: app, labelSelector: `${labels.app}=${app},${labels.process}=${process}` }
  const now = clock.now()
  const [pods, sets, deployments, replicaSets] = await Promise.all([
    kube.listAll(Pod, options),
    kube.listAll(StatefulSet, options),
    kube.listAll(Deployment, options),
    kube.listAll(ReplicaSet, options),
  ])
  const said = complaint(pods.items, now, await readProbeReplies(kube, app, pods.items, now))
  if (said) return said
  const [refusal] = [...(await readRefusals(kube, sets.items, pods.items, rfc3339(since), now)).values()]
  const failure = [...deployments.items, ...replicaSets.items]
    .flatMap(({ status }) => status?.conditions ?? [])
    .find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
  const why = refusal?.why ?? failure?.message
  return why ? `; more are refused: ${why}` : ''
}
