import { type KubeObject, type objects, Pod } from '#kube'
import { humanAge } from '#lib'
import { goodbyeAnnotation } from '#manifests'
import type { Context } from './context.ts'
import { labels, type ReleaseObject } from './kinds.ts'
import { getApp, listReleases } from './releases.ts'
import { restartsOf } from './stateful/shape.ts'

/** A pod as `cuddle ps` shows it. */
export interface ProcessRow {
  process: string
  pod: string
  /** What kubectl's STATUS column says: Running, CrashLoopBackOff, Terminating … */
  state: string
  /** What a pod that stops is busy with: `handing over to 2 nodes`, `waiting for 3 connections` … */
  goodbye?: string
  ready: boolean
  restarts: number
  /** The release whose code runs there. */
  release?: number
  /** That code was loaded into the running pod, which started with an older one. */
  hot: boolean
  node: string
  address: string
  age: string
  since: string
}

/** All pods of an app, by process and age. */
export async function listProcesses(context: Context, app: string): Promise<ProcessRow[]> {
  const { status } = await getApp(context, app)
  const releases = await listReleases(context, app)
  const known = releases.filter(
    ({ spec }) => spec.number <= (status?.currentRelease ?? 0) || spec.number === releases[0]?.spec.number,
  )
  const { items } = await context.kube.listAll(Pod, { namespace: app, labelSelector: `${labels.app}=${app}` })
  return items
    .map((pod) => ({ ...row(pod, context.clock.now()), ...codeOf(pod, known) }))
    .sort((a, b) => (a.process === b.process ? (a.since < b.since ? -1 : 1) : a.process < b.process ? -1 : 1))
}

/**
 * What a pod runs: code that was loaded into it since its containers started last, else that of its image. Of a release that
 * failed only where no other has that code: it may have been of the same image, in another size.
 * @param releases newest first
 */
export function codeOf(
  pod: objects.Pod & KubeObject,
  releases: readonly ReleaseObject[],
): { release?: number; hot: boolean } {
  const restarts = restartsOf(pod)
  const image = pod.spec?.containers[0]?.image
  const failed = ({ status }: ReleaseObject) => status?.phase === 'Failed'
  for (const { spec, status } of [...releases].sort((a, b) => Number(failed(a)) - Number(failed(b)))) {
    const record = status?.hot?.pods?.find(({ uid }) => uid === pod.metadata.uid)
    const hot = record?.loaded === true && record.restarts === restarts
    if (hot && spec.image !== image) return { release: spec.number, hot }
    if (spec.image === image && spec.image !== undefined) return { release: spec.number, hot: false }
  }
  return { hot: false }
}

function row(pod: objects.Pod & KubeObject, now: number): Omit<ProcessRow, 'release' | 'hot'> {
  const statuses = pod.status?.containerStatuses ?? []
  return {
    process: processOf(pod),
    pod: pod.metadata.name!,
    state: stateOf(pod),
    ...goodbyeOf(pod),
    ready: pod.status?.conditions?.some((item) => item.type === 'Ready' && item.status === 'True') ?? false,
    restarts: statuses.reduce((sum, status) => sum + (status.restartCount ?? 0), 0),
    node: pod.spec?.nodeName ?? '',
    address: pod.status?.podIP ?? '',
    age: humanAge(now - Date.parse(pod.metadata.creationTimestamp!)),
    since: pod.metadata.creationTimestamp!,
  }
}

function goodbyeOf({ metadata }: KubeObject): { goodbye?: string } {
  const goodbye = metadata.deletionTimestamp && metadata.annotations?.[goodbyeAnnotation]
  return goodbye ? { goodbye } : {}
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
