import type { objects } from '#kube'
import { rfc3339 } from '#lib'

/** What a hollow pod's containers do. One that is `down` waits to be restarted; one that is `over` has exited for good. */
export interface Life {
  state: 'pending' | 'running' | 'ready' | 'down' | 'over'
  restarts: number
  /** The last exit, and when it was (RFC 3339). */
  exit?: { code: number; reason: string; at: string }
  podIP: string
}

/**
 * What a pod is told to do: `pending` (its containers are being created), `running` (but not ready), `ready`, `exit CODE`, or
 * `oom` (killed for its memory).
 */
export type Order = 'pending' | 'running' | 'ready' | 'oom' | `exit ${number}`

/** Carries an order out: whether an exit is the end is for the pod's restartPolicy to say (Pod lifecycle, kubernetes.io). */
export function obey(life: Life, order: Order, pod: objects.Pod, now: number): Life {
  if (order === 'pending' || order === 'running' || order === 'ready') return { ...life, state: order }
  const code = order === 'oom' ? 137 : Number(order.slice('exit '.length))
  const exit = { code, reason: order === 'oom' ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error', at: rfc3339(now) }
  const policy = pod.spec?.restartPolicy ?? 'Always'
  const again = policy === 'Always' || (policy === 'OnFailure' && code !== 0)
  return again ? { ...life, state: 'down', restarts: life.restarts + 1, exit } : { ...life, state: 'over', exit }
}

/** The end that a deletion brings: SIGTERM, heard by everybody. */
export function end(life: Life, now: number): Life {
  if (life.state === 'over') return life
  return { ...life, state: 'over', exit: { code: 143, reason: 'Error', at: rfc3339(now) } }
}

/** The status that a kubelet reports of a pod (core/v1 PodStatus), beside the conditions that others wrote. */
export function statusOf(pod: objects.Pod, life: Life, hostIP: string, now: number): Record<string, any> {
  const { state, exit } = life
  const time = rfc3339(now)
  const before = pod.status as Record<string, any> | undefined
  const startTime = before?.['startTime'] ?? time
  const phase =
    state === 'pending' ? 'Pending' : state !== 'over' ? 'Running' : exit!.code === 0 ? 'Succeeded' : 'Failed'
  const names = (pod.spec?.containers ?? []).map(({ name }) => name)
  const unready = { reason: 'ContainersNotReady', message: `containers with unready status: [${names.join(' ')}]` }
  const over =
    phase === 'Succeeded' ? { reason: 'PodCompleted' } : phase === 'Failed' ? { reason: 'PodFailed' } : unready
  const conditions = [
    ['PodReadyToStartContainers', state !== 'pending' && state !== 'over', {}],
    ['Initialized', true, phase === 'Succeeded' ? over : {}],
    ['ContainersReady', state === 'ready', state === 'ready' ? {} : over],
    ['Ready', state === 'ready', state === 'ready' ? {} : over],
  ] as const
  const ours = conditions.map(([type, met, why]) => {
    const status = met ? 'True' : 'False'
    const was = before?.['conditions']?.find((one: any) => one.type === type)
    return { type, status, ...why, lastTransitionTime: was?.status === status ? was.lastTransitionTime : time }
  })
  const others = (before?.['conditions'] ?? []).filter((one: any) => !ours.some(({ type }) => type === one.type))
  return {
    phase,
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(state !== 'pending' && { podIP: life.podIP, podIPs: [{ ip: life.podIP }] }),
    startTime,
    conditions: [...others, ...ours],
    containerStatuses: (pod.spec?.containers ?? []).map(({ name, image }) => ({
      name,
      image,
      imageID: '',
      ready: state === 'ready',
      started: state === 'running' || state === 'ready',
      restartCount: life.restarts,
      state: containerState(life, startTime),
      lastState: exit && state !== 'over' ? { terminated: terminated(exit, startTime) } : {},
    })),
  }
}

function containerState({ state, exit }: Life, startedAt: string): object {
  if (state === 'pending') return { waiting: { reason: 'ContainerCreating' } }
  if (state === 'down') return { waiting: { reason: 'CrashLoopBackOff' } }
  if (state === 'over') return { terminated: terminated(exit!, startedAt) }
  return { running: { startedAt } }
}

function terminated({ code, reason, at }: NonNullable<Life['exit']>, startedAt: string): object {
  return { exitCode: code, reason, startedAt, finishedAt: at }
}
