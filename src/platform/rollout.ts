import type { KubeObject, objects } from '#kube'
import { labels } from './kinds.ts'

export interface View {
  deployments: readonly (objects.Deployment & KubeObject)[]
  replicaSets: readonly (objects.ReplicaSet & KubeObject)[]
  pods: readonly (objects.Pod & KubeObject)[]
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

/**
 * Where a release's Deployments stand, from the state of the world alone.
 * Complete follows `kubectl rollout status`: observed, all updated, none old left serving, all available.
 */
export function assess(wanted: readonly KubeObject[], view: View): Rollout {
  const parts: string[] = []
  let complete = true
  for (const object of wanted) {
    if (object.kind !== 'Deployment') continue
    const process = object.metadata.labels?.[labels.process] ?? object.metadata.name!
    const live = view.deployments.find((item) => item.metadata.name === object.metadata.name)
    if (!live || (live.status?.observedGeneration ?? 0) < (live.metadata.generation ?? 0)) {
      complete = false
      continue
    }
    const failure = deploymentFailure(process, live, view)
    if (failure) return failure
    const replicas = live.spec?.replicas ?? 1
    const { updatedReplicas = 0, replicas: total = 0, availableReplicas = 0 } = live.status ?? {}
    if (updatedReplicas < replicas || total > updatedReplicas || availableReplicas < updatedReplicas) {
      complete = false
      const ready = newPods(live, view).filter(isReady).length
      parts.push(
        ready < replicas
          ? `${process}: ${ready} of ${replicas} new pods ready`
          : `${process}: ${replicas} of ${replicas} ready, old pods leaving`,
      )
    }
  }
  return complete ? { state: 'complete' } : { state: 'progressing', message: parts.join('; ') || 'rolling out' }
}

/** True when every new pod serves: what a waiting developer wants to know; old ones may still be leaving. */
export function serving(wanted: readonly KubeObject[], view: View): boolean {
  return wanted.every((object) => {
    if (object.kind !== 'Deployment') return true
    const live = view.deployments.find((item) => item.metadata.name === object.metadata.name)
    if (!live || (live.status?.observedGeneration ?? 0) < (live.metadata.generation ?? 0)) return false
    return newPods(live, view).filter(isReady).length >= (live.spec?.replicas ?? 1)
  })
}

/** The pods of a Deployment's newest ReplicaSet. */
export function newPods(deployment: objects.Deployment & KubeObject, view: View): (objects.Pod & KubeObject)[] {
  const revision = deployment.metadata.annotations?.['deployment.kubernetes.io/revision']
  const newest = view.replicaSets.find(
    (set) =>
      set.metadata.ownerReferences?.some((owner) => owner.uid === deployment.metadata.uid) &&
      set.metadata.annotations?.['deployment.kubernetes.io/revision'] === revision,
  )
  if (!newest || revision === undefined) return []
  return view.pods.filter(
    (pod) =>
      !pod.metadata.deletionTimestamp &&
      pod.metadata.ownerReferences?.some((owner) => owner.uid === newest.metadata.uid),
  )
}

function isReady(pod: objects.Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
}

function deploymentFailure(
  process: string,
  deployment: objects.Deployment & KubeObject,
  view: View,
): Rollout | undefined {
  for (const pod of newPods(deployment, view)) {
    const failure = podFailure(process, pod)
    if (failure) return failure
  }
  const condition = (type: string) => deployment.status?.conditions?.find((item) => item.type === type)
  const refused = condition('ReplicaFailure')
  if (refused?.status === 'True') {
    return {
      state: 'failed',
      reason: 'refused',
      process,
      message: `pods of ${process} are refused: ${refused.message ?? refused.reason}`,
    }
  }
  const progressing = condition('Progressing')
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    const pods = newPods(deployment, view)
    const pod = pods.find((item) => !isReady(item))
    const unschedulable = pod?.status?.conditions?.find(
      (item) => item.type === 'PodScheduled' && item.status === 'False',
    )
    if (unschedulable) {
      return {
        state: 'failed',
        reason: 'unschedulable',
        process,
        pod,
        message: `no node has room for ${process}: ${unschedulable.message ?? ''}`,
      }
    }
    const seconds = deployment.spec?.progressDeadlineSeconds ?? 600
    return {
      state: 'failed',
      reason: 'deadline',
      process,
      pod,
      message: `${process} was not ready within ${seconds} s`,
    }
  }
  return undefined
}

/** Why a new pod will not come up by itself, or undefined while it still may. */
export function podFailure(process: string, pod: objects.Pod & KubeObject): Rollout | undefined {
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
    const crashes =
      (status.restartCount ?? 0) + (status.state?.terminated || waiting?.reason === 'CrashLoopBackOff' ? 1 : 0)
    if (!ended || crashes <= crashesAllowed) continue
    if (ended.reason === 'OOMKilled') return failed('oom', `${process} ran out of memory (OOMKilled)`)
    if (killedByProbe(pod))
      return failed('probe', `${process} was restarted because its ${killedByProbe(pod)} probe kept failing`)
    return failed(
      'crash',
      `${process} ${ended.signal ? `was killed by signal ${ended.signal}` : `exited with code ${ended.exitCode}`}${ended.reason && !/^(Error|Completed)$/.test(ended.reason) ? ` (${ended.reason})` : ''}`,
    )
  }
  return undefined
}

/** The node agent leaves the last probe's verdict in the Ready condition; only a pod that never became started is the probe's doing. */
function killedByProbe(pod: objects.Pod): string | undefined {
  for (const status of pod.status?.containerStatuses ?? []) {
    const message = `${status.state?.waiting?.message ?? ''} ${status.lastState?.terminated?.message ?? ''}`
    const match = /(startup|liveness) probe/i.exec(message)
    if (match) return match[1].toLowerCase()
  }
  return undefined
}
