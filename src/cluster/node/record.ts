import type { objects } from '#kube'

/** What this node knows of one container; the fields that the API shows are as the API shows them. */
export interface ContainerRecord {
  state: objects.ContainerState
  lastState: objects.ContainerState
  /** Number of the current or last attempt, and of its directory. */
  restartCount: number
  /** An attempt of this number has begun (or is about to). */
  begun: boolean
  started: boolean
  ready: boolean
  /** Restarts in a row that count for the backoff. */
  failures: number
  /** Not to be started before; wall clock, ms. */
  notBefore: number
  imageID: string
  containerID: string
  /** Directories in which the attempt was put to limit its resources. */
  cgroups: string[]
  /** The resources that the running attempt was given; what the spec says may have been changed since. */
  given?: objects.ResourceRequirements
  /** What the last counted probe said; undefined after a success. */
  complaint?: string | undefined
}

/** Everything that survives the agent, as `pod.json`. */
export interface PodRecord {
  version: 1
  pod: objects.Pod
  ip: string
  /** Wall clock, ms. */
  startedAt: number
  /** Volumes and address are there. */
  sandbox: boolean
  containers: Record<string, ContainerRecord>
  conditions: objects.PodCondition[]
  /** Succeeded and Failed are for ever. */
  phase: string
  reason?: string
  message?: string
  /** A change of its resources that is not done yet. */
  resize?: { type: 'PodResizePending' | 'PodResizeInProgress'; reason: string; message: string } | undefined
  /** The pod is being stopped since then (wall clock, ms) and may take so long. */
  stopping?: { since: number; graceSeconds: number } | undefined
}

export function freshContainer(): ContainerRecord {
  return {
    state: { waiting: { reason: 'ContainerCreating' } },
    lastState: {},
    restartCount: 0,
    begun: false,
    started: false,
    ready: false,
    failures: 0,
    notBefore: 0,
    imageID: '',
    containerID: '',
    cgroups: [],
  }
}

/** `sidecar`: an init container with restartPolicy Always (KEP-753). */
export type ContainerKind = 'init' | 'sidecar' | 'app'

export interface ContainerInfo {
  spec: objects.Container
  kind: ContainerKind
}

/** All containers of a pod, init containers first, in the order of the spec. */
export function containersOf(pod: objects.Pod): ContainerInfo[] {
  return [
    ...(pod.spec?.initContainers ?? []).map(
      (spec): ContainerInfo => ({ spec, kind: spec.restartPolicy === 'Always' ? 'sidecar' : 'init' }),
    ),
    ...(pod.spec?.containers ?? []).map((spec): ContainerInfo => ({ spec, kind: 'app' })),
  ]
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

/** The policy that rules one container: sidecars always come back, init containers of an Always pod only after a failure. */
export function restartPolicy(pod: objects.Pod, { spec, kind }: ContainerInfo): RestartPolicy {
  if (kind === 'sidecar') return 'Always'
  const policy = ((kind === 'app' && spec.restartPolicy) || pod.spec?.restartPolicy || 'Always') as RestartPolicy
  return kind === 'init' && policy === 'Always' ? 'OnFailure' : policy
}

/** Whether a container that stands like this will be started (again). */
export function wantsStart(record: ContainerRecord, policy: RestartPolicy): boolean {
  if (record.state.running) return false
  const ended = record.state.terminated
  if (!ended) return true
  return policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0)
}

/** The record of a pod that this node has not seen before; restart counts go on where the API knows of earlier runs. */
export function freshRecord(pod: objects.Pod, now: number): PodRecord {
  const known = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  const containers: Record<string, ContainerRecord> = {}
  for (const { spec } of containersOf(pod)) {
    const record = freshContainer()
    const before = known.find(({ name }) => name === spec.name)
    if (before?.containerID) record.restartCount = before.restartCount + 1
    containers[spec.name] = record
  }
  const { phase, reason, message, conditions, startTime } = pod.status ?? {}
  const over = phase === 'Succeeded' || phase === 'Failed'
  return {
    version: 1,
    pod,
    ip: '',
    startedAt: startTime ? Date.parse(startTime) : now,
    sandbox: false,
    containers,
    conditions: conditions ?? [],
    phase: over ? phase : 'Pending',
    ...(over && reason && { reason }),
    ...(over && message && { message }),
  }
}

const defaultGraceSeconds = 30

/** How long a pod may take to end, s. */
export function graceSeconds({ metadata, spec }: objects.Pod): number {
  return metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds
}
