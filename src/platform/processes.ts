import { type KubeObject, type objects, Pod } from '#kube'
import { humanAge } from '#lib'
import type { Context } from './context.ts'
import { labels } from './kinds.ts'
import { getApp } from './releases.ts'

/** A pod as `cuddle ps` shows it. */
export interface ProcessRow {
  process: string
  pod: string
  /** What kubectl's STATUS column says: Running, CrashLoopBackOff, Terminating … */
  state: string
  ready: boolean
  restarts: number
  node: string
  address: string
  age: string
  since: string
}

/** All pods of an app, by process and age. */
export async function listProcesses(context: Context, app: string): Promise<ProcessRow[]> {
  await getApp(context, app)
  const { items } = await context.kube.listAll(Pod, { namespace: app, labelSelector: `${labels.app}=${app}` })
  return items
    .map((pod) => row(pod, context.clock.now()))
    .sort((a, b) => (a.process === b.process ? (a.since < b.since ? -1 : 1) : a.process < b.process ? -1 : 1))
}

function row(pod: objects.Pod & KubeObject, now: number): ProcessRow {
  const statuses = pod.status?.containerStatuses ?? []
  return {
    process: processOf(pod),
    pod: pod.metadata.name!,
    state: stateOf(pod),
    ready: pod.status?.conditions?.some((item) => item.type === 'Ready' && item.status === 'True') ?? false,
    restarts: statuses.reduce((sum, status) => sum + (status.restartCount ?? 0), 0),
    node: pod.spec?.nodeName ?? '',
    address: pod.status?.podIP ?? '',
    age: humanAge(now - Date.parse(pod.metadata.creationTimestamp!)),
    since: pod.metadata.creationTimestamp!,
  }
}

/** The developer's name for what a pod runs. */
export function processOf(pod: KubeObject): string {
  return pod.metadata.labels?.[labels.process] ?? 'run'
}

function stateOf(pod: objects.Pod): string {
  if (pod.metadata.deletionTimestamp) return 'Terminating'
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const reason =
      status.state?.waiting?.reason ??
      (status.state?.terminated ? (status.state.terminated.reason ?? 'Error') : undefined)
    if (reason && reason !== 'PodInitializing' && reason !== 'Completed') return reason
  }
  return pod.status?.reason ?? pod.status?.phase ?? 'Pending'
}
