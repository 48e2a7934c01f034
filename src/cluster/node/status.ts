import type { objects } from '#kube'
import { rfc3339 } from '#lib'
import { phaseOf, plan } from './plan.ts'
import { qosClass } from './qos.ts'
import {
  type ContainerInfo,
  type ContainerRecord,
  containersOf,
  type PodRecord,
  restartPolicy,
  wantsStart,
} from './record.ts'
import { resizeConditions } from './resize.ts'

/**
 * The status that the API shall show for a record. Conditions of other writers are not in it (the patch merges by type);
 * `record.conditions` is what this node said last, for the transition times.
 */
export function podStatus(record: PodRecord, now: number, hostIP: string): objects.PodStatus {
  const { pod } = record
  const over = record.phase === 'Succeeded' || record.phase === 'Failed'
  const phase = over ? record.phase : phaseOf(pod, record.containers)
  const statuses = containersOf(pod).map((info) => ({ info, status: containerStatus(record, info, now, over) }))
  const of = (app: boolean) => statuses.filter(({ info }) => (info.kind === 'app') === app).map(({ status }) => status)
  const init = of(false)
  return {
    observedGeneration: pod.metadata.generation,
    phase,
    conditions: podConditions(record, phase, now),
    ...(record.reason && { reason: record.reason }),
    ...(record.message && { message: record.message }),
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(record.ip && { podIP: record.ip, podIPs: [{ ip: record.ip }] }),
    startTime: rfc3339(record.startedAt),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: of(true),
  } as objects.PodStatus
}

function containerStatus(pod: PodRecord, info: ContainerInfo, now: number, over: boolean): objects.ContainerStatus {
  const { spec } = info
  const record = pod.containers[spec.name]
  const { state, lastState } = shown(pod, info, record, now, over)
  const given = record.state.running ? (record.given ?? spec.resources) : spec.resources
  return {
    name: spec.name,
    state,
    lastState,
    ready: info.kind === 'init' ? record.state.terminated?.exitCode === 0 : isReady(record),
    restartCount: record.restartCount,
    image: spec.image ?? '',
    imageID: record.imageID,
    ...(record.containerID && { containerID: record.containerID }),
    started: info.kind === 'init' ? false : Boolean(record.state.running) && record.started,
    ...(given?.requests && { allocatedResources: given.requests }),
    ...(given && { resources: given }),
  }
}

/** A container that ended and will come back is shown as waiting, with its end as the last state. */
function shown(
  pod: PodRecord,
  info: ContainerInfo,
  record: ContainerRecord,
  now: number,
  over: boolean,
): Pick<ContainerRecord, 'state' | 'lastState'> {
  const { state, lastState } = record
  if (info.kind === 'app' && state.waiting?.reason === 'ContainerCreating' && pod.pod.spec?.initContainers?.length) {
    if (!plan(pod.pod, pod.containers, now).initialized) {
      return { state: { waiting: { reason: 'PodInitializing' } }, lastState }
    }
  }
  if (over || pod.stopping) return record
  if (state.terminated && wantsStart(record, restartPolicy(pod.pod, info)) && record.notBefore > now) {
    const wait = Math.ceil((record.notBefore - Date.parse(state.terminated.finishedAt ?? '')) / 1000)
    const { name, namespace, uid } = pod.pod.metadata
    const message = `back-off ${wait}s restarting failed container=${info.spec.name} pod=${name}_${namespace}(${uid})`
    return { state: { waiting: { reason: 'CrashLoopBackOff', message } }, lastState: { terminated: state.terminated } }
  }
  return record
}

export function isReady(record: ContainerRecord): boolean {
  return Boolean(record.state.running) && record.started && record.ready
}

function podConditions(record: PodRecord, phase: string, now: number): objects.PodCondition[] {
  const { pod } = record
  const containers = containersOf(pod)
  const { initialized } = plan(pod, record.containers, now)
  const unready = containers.filter(({ spec, kind }) => kind !== 'init' && !isReady(record.containers[spec.name]))
  const incomplete = containers.filter(({ spec, kind }) => {
    const { state } = record.containers[spec.name]
    return kind === 'init' ? state.terminated?.exitCode !== 0 : kind === 'sidecar' && !state.running
  })
  const ended = phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : undefined
  const containersReady = !ended && initialized && unready.length === 0
  const why = ended
    ? { reason: ended }
    : {
        reason: 'ContainersNotReady',
        message: `containers with unready status: [${unready.map(({ spec }) => spec.name).join(' ')}]${complaints(record, unready)}`,
      }
  const gates = (pod.spec?.readinessGates ?? []).filter(
    ({ conditionType }) => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status !== 'True',
  )
  const ready = containersReady && gates.length === 0
  const gateMessage = gates.map(
    ({ conditionType }) =>
      `corresponding condition of pod readiness gate "${conditionType}" does not exist or is not "True".`,
  )
  const initDone = initialized || phase === 'Succeeded'
  return [
    condition(record, now, 'PodReadyToStartContainers', record.sandbox && !ended, {}),
    condition(
      record,
      now,
      'Initialized',
      initDone,
      initDone
        ? ended === 'PodCompleted'
          ? { reason: 'PodCompleted' }
          : {}
        : {
            reason: 'ContainersNotInitialized',
            message: `containers with incomplete status: [${incomplete.map(({ spec }) => spec.name).join(' ')}]`,
          },
    ),
    condition(
      record,
      now,
      'Ready',
      ready,
      ready ? {} : containersReady ? { reason: 'ReadinessGatesNotReady', message: gateMessage.join(' ') } : why,
    ),
    condition(record, now, 'ContainersReady', containersReady, containersReady ? {} : why),
    ...resizeConditions(record, now),
  ]
}

function complaints(record: PodRecord, unready: readonly ContainerInfo[]): string {
  const said = unready.flatMap(({ spec }) => record.containers[spec.name].complaint ?? [])
  return said.length > 0 ? `: ${said.join('; ')}` : ''
}

function condition(
  record: PodRecord,
  now: number,
  type: string,
  value: boolean,
  why: { reason?: string; message?: string },
): objects.PodCondition {
  const status = value ? 'True' : 'False'
  const before = record.conditions.find((item) => item.type === type)
  return {
    type,
    status,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : rfc3339(now),
    observedGeneration: record.pod.metadata.generation,
    ...why,
  } as objects.PodCondition
}
