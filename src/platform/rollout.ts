import type { KubeObject, objects } from '#kube'
import { goodbyeAnnotation } from '#manifests'
import { labels } from './kinds.ts'
import type { Refusals } from './stateful/refusals.ts'
import { planRoll } from './stateful/roll.ts'
import { type LoadedPod, runs } from './stateful/shape.ts'
import { complaint, type ProbeReplies } from './waiting.ts'

export interface View {
  statefulSets: readonly (objects.StatefulSet & KubeObject)[]
  /** Pods that run the release with code that was loaded into them. */
  loaded: readonly LoadedPod[]
  /** Of StatefulSets; those of Deployments stand in their conditions. */
  refusals?: Refusals
  /** Of pods that take long. */
  replies?: ProbeReplies
  deployments: readonly (objects.Deployment & KubeObject)[]
  replicaSets: readonly (objects.ReplicaSet & KubeObject)[]
  pods: readonly (objects.Pod & KubeObject)[]
  endpointSlices: readonly (objects.EndpointSlice & KubeObject)[]
}

export type Rollout =
  | { state: 'complete' }
  | { state: 'progressing'; message: string }
  | {
      state: 'failed'
      reason: 'crash' | 'oom' | 'probe' | 'image' | 'config' | 'refused' | 'unschedulable' | 'deadline'
      process: string
      pod?: objects.Pod & KubeObject
      message: string
    }

/** How often a new pod may end before its rollout counts as failed: once can be bad luck, twice is the release. */
const crashesAllowed = 1

/** Seconds beyond the time to start after which a pod of a StatefulSet has failed; manifests say the same of Deployments. */
const deadlineMargin = 60

/**
 * Where a release's workloads stand, from the state of the world alone.
 * Complete follows `kubectl rollout status`: observed, all updated, none old left serving, all available.
 * @param now wall clock, ms
 */
export function assess(wanted: readonly KubeObject[], view: View, now: number): Rollout {
  const parts: string[] = []
  let complete = true
  for (const object of wanted) {
    const process = object.metadata.labels?.[labels.process] ?? object.metadata.name!
    if (object.kind === 'StatefulSet') {
      const { made, serving, stale, replicas, resizing } = stateOf(object, view, now)
      for (const pod of made) {
        const failure = podFailure(process, pod, now) ?? overdue(process, pod, now)
        if (failure) return failure
      }
      if (serving >= replicas && stale.length === 0) continue
      if (resizing.length > 0 && stale.length === 0) {
        complete = false
        parts.push(`${process}: resizing ${resizing.length} of ${replicas} pods where they run`)
        continue
      }
      const refusal = view.refusals?.get(object.metadata.name!)
      // Where all pods there are have the code nothing is to be gained by going back: they serve, and one more waits for its room.
      if (refusal?.sure && (view.loaded.length === 0 || stale.length > 0)) return refused(process, refusal.why)
      complete = false
      const waits = refusal === undefined ? complaint(made, now, view.replies) : `; more are refused: ${refusal.why}`
      parts.push(
        serving < replicas
          ? `${process}: ${serving} of ${replicas} new pods ready${waits}${farewells(process, view)}`
          : `${process}: ${replicas} of ${replicas} ready, old pods leaving${farewells(process, view)}`,
      )
      continue
    }
    if (object.kind !== 'Deployment') continue
    const live = view.deployments.find((item) => item.metadata.name === object.metadata.name)
    if (!live || (live.status?.observedGeneration ?? 0) < (live.metadata.generation ?? 0)) {
      complete = false
      continue
    }
    const failure = deploymentFailure(process, live, view, now)
    if (failure) return failure
    const replicas = live.spec?.replicas ?? 1
    const { updatedReplicas = 0, replicas: total = 0, availableReplicas = 0 } = live.status ?? {}
    if (updatedReplicas < replicas || total > updatedReplicas || availableReplicas < updatedReplicas) {
      complete = false
      const pods = newPods(live, view)
      const ready = pods.filter(isReady).length
      parts.push(
        ready < replicas
          ? `${process}: ${ready} of ${replicas} new pods ready${complaint(pods, now, view.replies)}`
          : available(live, view) < replicas
            ? `${process}: ${replicas} of ${replicas} ready, waiting whether they stay up`
            : `${process}: ${replicas} of ${replicas} ready, old pods leaving${farewells(process, view)}`,
      )
    }
  }
  return complete ? { state: 'complete' } : { state: 'progressing', message: parts.join('; ') || 'rolling out' }
}

function stateOf(object: KubeObject, view: View, now: number) {
  const live = view.statefulSets.find((item) => item.metadata.name === object.metadata.name)
  return planRoll(object, live, view.pods, view.loaded, now)
}

/** What a Deployment's controller says of its pods after `progressDeadlineSeconds`, for those of a StatefulSet. */
function overdue(process: string, pod: objects.Pod & KubeObject, now: number): Rollout | undefined {
  if (isReady(pod)) return undefined
  const container = pod.spec?.containers[0]?.name ?? ''
  const seconds = (startupSeconds(pod, container) ?? deadlineMargin) + deadlineMargin
  const ready = pod.status?.conditions?.find((condition) => condition.type === 'Ready')
  const since = ready?.lastTransitionTime ?? pod.metadata.creationTimestamp ?? ''
  if (now - Date.parse(since) < seconds * 1000) return undefined
  return late(process, pod, seconds)
}

/** What an old pod that leaves is busy with, where the platform sees it off. */
function farewells(process: string, view: View): string {
  const notes = view.pods.flatMap(({ metadata }) => {
    const note = metadata.annotations?.[goodbyeAnnotation]
    return metadata.deletionTimestamp && metadata.labels?.[labels.process] === process && note
      ? [`; ${metadata.name}: ${note}`]
      : []
  })
  return notes[0] ?? ''
}

/** True when every new pod serves: what a waiting developer wants to know; old ones may still be leaving. */
export function serving(wanted: readonly KubeObject[], view: View, now: number): boolean {
  return wanted.every((object) => {
    if (object.kind === 'StatefulSet') {
      const live = view.statefulSets.some((item) => item.metadata.name === object.metadata.name)
      const { serving, replicas } = stateOf(object, view, now)
      return live && serving >= replicas
    }
    if (object.kind !== 'Deployment') return true
    const live = view.deployments.find((item) => item.metadata.name === object.metadata.name)
    if (!live || (live.status?.observedGeneration ?? 0) < (live.metadata.generation ?? 0)) return false
    return available(live, view) >= (live.spec?.replicas ?? 1)
  })
}

/**
 * True when nothing old is in the way any more: every pod that is not of the release is leaving, and no endpoint that the
 * router may choose belongs to one. From then on whoever asks the app gets the new version; the old pods end in their own time.
 */
export function switched(wanted: readonly KubeObject[], view: View): boolean {
  return wanted.every((object) => {
    const old = oldPods(object, view)
    if (!old) return object.kind !== 'Deployment'
    const names = new Set(old.map((pod) => pod.metadata.name))
    return !isRouted(view.endpointSlices, (pod) => names.has(pod)) && old.every((pod) => pod.metadata.deletionTimestamp)
  })
}

/** Pods of a process that are not of the workload as it is wanted: older ones, and those of a workload of another kind. */
function oldPods(object: KubeObject, view: View): (objects.Pod & KubeObject)[] | undefined {
  const { name } = object.metadata
  const process = object.metadata.labels?.[labels.process]
  const mine = view.pods.filter(
    ({ metadata }) =>
      metadata.labels?.[labels.process] === process &&
      metadata.ownerReferences?.some(({ kind }) => kind === 'ReplicaSet' || kind === 'StatefulSet'),
  )
  if (object.kind === 'StatefulSet') {
    const live = view.statefulSets.find((item) => item.metadata.name === name)
    return live && mine.filter((pod) => !isOwned(pod, live) || !runs(pod, object.spec.template, view.loaded))
  }
  if (object.kind !== 'Deployment') return undefined
  const live = view.deployments.find((item) => item.metadata.name === name)
  const newest = live && newestSet(live, view)
  return newest && mine.filter((pod) => !isOwned(pod, newest))
}

/**
 * Whether a Service sends new requests to such a pod. Slices of headless Services do not count: nodes of a cluster find
 * each other by them, also those that leave.
 */
export function isRouted(
  slices: readonly objects.EndpointSlice[],
  wanted: (pod: string | undefined) => boolean,
): boolean {
  return slices.some(
    ({ metadata, endpoints }) =>
      metadata.labels?.['service.kubernetes.io/headless'] === undefined &&
      endpoints?.some(({ targetRef, conditions }) => wanted(targetRef?.name) && conditions?.ready !== false),
  )
}

function isOwned(object: KubeObject, owner: KubeObject): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) ?? false
}

/** New pods that count: ready, and for `minReadySeconds` where there is no probe to tell a crash at boot from a good start. */
function available(deployment: objects.Deployment & KubeObject, view: View): number {
  if (!deployment.spec?.minReadySeconds) return newPods(deployment, view).filter(isReady).length
  return newestSet(deployment, view)?.status?.availableReplicas ?? 0
}

function newestSet(deployment: objects.Deployment & KubeObject, view: View) {
  const revision = deployment.metadata.annotations?.['deployment.kubernetes.io/revision']
  if (revision === undefined) return undefined
  return view.replicaSets.find(
    (set) => isOwned(set, deployment) && set.metadata.annotations?.['deployment.kubernetes.io/revision'] === revision,
  )
}

/** The pods of a Deployment's newest ReplicaSet. */
export function newPods(deployment: objects.Deployment & KubeObject, view: View): (objects.Pod & KubeObject)[] {
  const newest = newestSet(deployment, view)
  if (!newest) return []
  return view.pods.filter((pod) => !pod.metadata.deletionTimestamp && isOwned(pod, newest))
}

function isReady(pod: objects.Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
}

function deploymentFailure(
  process: string,
  deployment: objects.Deployment & KubeObject,
  view: View,
  now: number,
): Rollout | undefined {
  for (const pod of newPods(deployment, view)) {
    const failure = podFailure(process, pod, now)
    if (failure) return failure
  }
  const condition = (type: string) => deployment.status?.conditions?.find((item) => item.type === type)
  const replicaFailure = condition('ReplicaFailure')
  if (replicaFailure?.status === 'True')
    return refused(process, replicaFailure.message ?? replicaFailure.reason ?? 'no reason given')
  const progressing = condition('Progressing')
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    const pods = newPods(deployment, view)
    const pod = pods.find((item) => !isReady(item))
    return late(process, pod, deployment.spec?.progressDeadlineSeconds ?? 600)
  }
  return undefined
}

function refused(process: string, why: string): Rollout {
  return { state: 'failed', reason: 'refused', process, message: `pods of ${process} are refused: ${why}` }
}

function late(process: string, pod: (objects.Pod & KubeObject) | undefined, seconds: number): Rollout {
  const unschedulable = pod?.status?.conditions?.find((item) => item.type === 'PodScheduled' && item.status === 'False')
  if (unschedulable) {
    const message = `no node has room for ${process}: ${unschedulable.message ?? ''}`
    return { state: 'failed', reason: 'unschedulable', process, pod, message }
  }
  return { state: 'failed', reason: 'deadline', process, pod, message: `${process} was not ready within ${seconds} s` }
}

/** Why a new pod will not come up by itself, or undefined while it still may. `now` is wall clock, ms. */
export function podFailure(process: string, pod: objects.Pod & KubeObject, now: number): Rollout | undefined {
  const failed = (reason: Extract<Rollout, { state: 'failed' }>['reason'], message: string): Rollout => ({
    state: 'failed',
    reason,
    process,
    pod,
    message,
  })
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const waiting = status.state?.waiting
    switch (waiting?.reason) {
      case 'ErrImagePull':
      case 'ImagePullBackOff':
      case 'InvalidImageName':
      case 'ErrImageNeverPull':
        return failed('image', `the image cannot be pulled: ${waiting.message ?? waiting.reason}`)
      case 'CreateContainerConfigError':
      case 'CreateContainerError':
      case 'RunContainerError':
        return failed('config', `the container cannot be made: ${waiting.message ?? waiting.reason}`)
    }
    const ended = status.state?.terminated ?? status.lastState?.terminated
    const allowed = startupSeconds(pod, status.name)
    if (allowed !== undefined && neverStarted(pod, status, allowed, now))
      return failed('probe', `${process} did not pass its startup probe within ${allowed} s`)
    const crashes =
      (status.restartCount ?? 0) + (status.state?.terminated || waiting?.reason === 'CrashLoopBackOff' ? 1 : 0)
    if (!ended || crashes <= crashesAllowed) continue
    if (ended.reason === 'StartError')
      return failed('crash', `${process} could not be started: ${ended.message ?? `exit code ${ended.exitCode}`}`)
    if (ended.reason === 'OOMKilled') return failed('oom', `${process} ran out of memory (OOMKilled)`)
    return failed(
      'crash',
      `${process} ${ended.signal ? `was killed by signal ${ended.signal}` : `exited with code ${ended.exitCode}`}${ended.reason && !/^(Error|Completed)$/.test(ended.reason) ? ` (${ended.reason})` : ''}`,
    )
  }
  return undefined
}

function startupProbeOf(pod: objects.Pod, container: string): objects.Probe | undefined {
  return pod.spec?.containers?.find((item) => item.name === container)?.startupProbe
}

/** How long the startup probe of a container lets it start, seconds. */
function startupSeconds(pod: objects.Pod, container: string): number | undefined {
  const probe = startupProbeOf(pod, container)
  if (!probe) return undefined
  return (probe.initialDelaySeconds ?? 0) + (probe.periodSeconds ?? 10) * (probe.failureThreshold ?? 3)
}

/**
 * True when the startup probe gave up on a run. A status does not say so: a container that was killed for it may exit with
 * any code, 0 too. But a pod that never was ready and whose process ran as long as the probe allows did not end by
 * itself; and one that still runs is told at once, before preStop and grace period are over. Times are whole seconds.
 */
function neverStarted(pod: objects.Pod, status: objects.ContainerStatus, seconds: number, now: number): boolean {
  if (status.started) return false
  const { running } = status.state ?? {}
  // The last attempt may begin when the time is over, and has its own time for an answer.
  const lastAnswer = seconds + (startupProbeOf(pod, status.name)?.timeoutSeconds ?? 1)
  if (running && now - Date.parse(running.startedAt ?? '') >= (lastAnswer + 1) * 1000) return true
  const ended = status.state?.terminated ?? status.lastState?.terminated
  if (!ended || ended.reason === 'OOMKilled') return false
  const startedAt = Date.parse(ended.startedAt ?? '')
  const ready = pod.status?.conditions?.find((condition) => condition.type === 'Ready')
  const wasReady = Date.parse(ready?.lastTransitionTime ?? '') > startedAt + 1000
  return !wasReady && Date.parse(ended.finishedAt ?? '') - startedAt >= seconds * 1000
}
