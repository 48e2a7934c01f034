import { age, type Cell, none } from './cells.ts'

/** Ready, Status, Restarts of a pod, by the algorithm of kubectl's server-side printer (pkg/printers/internalversion). */
export function podCells(pod: any, now: number): { cells: Cell[]; conditions?: any[] } {
  const { spec, status = {}, metadata } = pod
  const state = {
    reason: status.reason || status.phase || '',
    ready: 0,
    restarts: 0,
    last: undefined as string | undefined,
  }
  for (const condition of status.conditions ?? [])
    if (condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated') state.reason = 'SchedulingGated'
  const sidecars = new Set<string>(
    (spec.initContainers ?? []).filter((one: any) => one.restartPolicy === 'Always').map((one: any) => one.name),
  )
  const total = (spec.containers?.length ?? 0) + sidecars.size
  const initializing = initState(pod, sidecars, state)
  if (!initializing || isTrue(status, 'Initialized')) containerState(pod, state)
  if (metadata.deletionTimestamp) {
    if (status.reason === 'NodeLost') state.reason = 'Unknown'
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') state.reason = 'Terminating'
  }
  const restarts =
    state.restarts > 0 && state.last ? `${state.restarts} (${age(state.last, now)} ago)` : String(state.restarts)
  const gates = spec.readinessGates?.length
    ? `${spec.readinessGates.filter((gate: any) => isTrue(status, gate.conditionType)).length}/${spec.readinessGates.length}`
    : none
  const cells = [
    metadata.name,
    `${state.ready}/${total}`,
    state.reason,
    restarts,
    age(metadata.creationTimestamp, now),
    status.podIPs?.[0]?.ip ?? (status.podIP || none),
    spec.nodeName || none,
    status.nominatedNodeName || none,
    gates,
  ]
  if (status.phase !== 'Succeeded' && status.phase !== 'Failed') return { cells }
  const message = status.phase === 'Succeeded' ? 'The pod has completed successfully.' : 'The pod failed.'
  return { cells, conditions: [{ type: 'Completed', status: 'True', reason: status.phase, message }] }
}

interface State {
  reason: string
  ready: number
  restarts: number
  last: string | undefined
}

function isTrue(status: any, type: string): boolean {
  return (status.conditions ?? []).some((condition: any) => condition.type === type && condition.status === 'True')
}

function countRestarts(container: any, state: State): void {
  state.restarts += container.restartCount ?? 0
  const finished = container.lastState?.terminated?.finishedAt
  if (finished && (state.last === undefined || finished > state.last)) state.last = finished
}

function initState({ spec, status = {} }: any, sidecars: Set<string>, state: State): boolean {
  const containers = status.initContainerStatuses ?? []
  const base = { restarts: state.restarts, last: state.last }
  for (const [i, container] of containers.entries()) {
    countRestarts(container, state)
    const { terminated, waiting } = container.state ?? {}
    if (terminated && terminated.exitCode === 0) continue
    if (sidecars.has(container.name) && container.started === true) {
      if (container.ready) state.ready++
      continue
    }
    if (terminated) {
      state.reason = terminated.reason
        ? `Init:${terminated.reason}`
        : terminated.signal
          ? `Init:Signal:${terminated.signal}`
          : `Init:ExitCode:${terminated.exitCode}`
    } else if (waiting?.reason && waiting.reason !== 'PodInitializing') state.reason = `Init:${waiting.reason}`
    else state.reason = `Init:${i}/${spec.initContainers?.length ?? containers.length}`
    return true
  }
  // What the init containers restarted counts only while they run; sidecars count for ever.
  state.restarts = base.restarts
  state.last = base.last
  for (const container of containers) if (sidecars.has(container.name)) countRestarts(container, state)
  return false
}

function containerState({ status = {} }: any, state: State): void {
  let running = false
  for (const container of (status.containerStatuses ?? []).toReversed()) {
    countRestarts(container, state)
    const { waiting, terminated, running: runs } = container.state ?? {}
    if (waiting?.reason) state.reason = waiting.reason
    else if (terminated?.reason) state.reason = terminated.reason
    else if (terminated)
      state.reason = terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`
    else if (container.ready && runs) {
      running = true
      state.ready++
    }
  }
  if (state.reason === 'Completed' && running) state.reason = isTrue(status, 'Ready') ? 'Running' : 'NotReady'
}
