import type { objects } from '#kube'
import { type ContainerRecord, containersOf, restartPolicy, wantsStart } from './record.ts'

export interface Plan {
  /** Containers to start now. */
  start: string[]
  /** Wall clock, ms: when to look again because a backoff ends. */
  wakeAt: number | undefined
  /** All init containers are done and sidecars started. */
  initialized: boolean
  /** Nothing but sidecars runs or will run; they can be stopped and the pod is over. */
  finished: boolean
}

/** No backoff is so long: the wall clock was set back. */
const absurdMs = 3_600_000

/** What a pod needs next. Pure: spec and records in, decisions out. */
export function plan(pod: objects.Pod, records: Readonly<Record<string, ContainerRecord>>, now: number): Plan {
  const result: Plan = { start: [], wakeAt: undefined, initialized: false, finished: false }
  const containers = containersOf(pod)
  const start = (name: string) => {
    const { notBefore } = records[name]
    if (notBefore <= now || notBefore > now + absurdMs) result.start.push(name)
    else result.wakeAt = Math.min(result.wakeAt ?? notBefore, notBefore)
  }
  for (const info of containers) {
    if (info.kind === 'app') break
    const record = records[info.spec.name]
    if (wantsStart(record, restartPolicy(pod, info))) start(info.spec.name)
    const ended = record.state.terminated
    if (info.kind === 'sidecar') {
      if (!record.state.running || !record.started) return result
    } else {
      if (!ended) return result
      if (ended.exitCode !== 0) {
        result.finished = restartPolicy(pod, info) === 'Never'
        return result
      }
    }
  }
  result.initialized = true
  let alive = false
  for (const info of containers) {
    if (info.kind !== 'app') continue
    const record = records[info.spec.name]
    if (wantsStart(record, restartPolicy(pod, info))) {
      start(info.spec.name)
      alive = true
    } else if (record.state.running) alive = true
  }
  result.finished = !alive
  if (result.finished) result.start = []
  return result
}

export interface BackoffRules {
  /** Wait before the second restart in a row, ms; the first one is immediate, as the kubelet does it. */
  initialMs: number
  maxMs: number
  /** A run that lasted so long wipes the slate clean, ms. */
  resetMs: number
}

/** Notes an end for the backoff: when the container may start again. */
export function backOff(record: ContainerRecord, ranMs: number, endedAt: number, rules: BackoffRules): void {
  if (ranMs >= rules.resetMs) record.failures = 0
  record.notBefore =
    record.failures === 0
      ? 0
      : endedAt + Math.min(rules.maxMs, rules.initialMs * 2 ** Math.min(record.failures - 1, 30))
  record.failures++
}

/** The phase that a pod's containers add up to (kubelet getPhase); a pod is over when none runs any more, sidecars included. */
export function phaseOf(pod: objects.Pod, records: Readonly<Record<string, ContainerRecord>>): string {
  const { initialized, finished: decided } = plan(pod, records, Number.POSITIVE_INFINITY)
  const finished = decided && !containersOf(pod).some(({ spec }) => records[spec.name].state.running)
  if (!initialized) return finished ? 'Failed' : 'Pending'
  const apps = containersOf(pod).filter(({ kind }) => kind === 'app')
  const states = apps.map(({ spec }) => records[spec.name])
  if (finished) return states.every(({ state }) => state.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed'
  return states.some(({ state, lastState }) => state.waiting && !lastState.terminated) ? 'Pending' : 'Running'
}
