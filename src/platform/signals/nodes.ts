import { formatDuration, rfc3339 } from '#lib'
import type { PodSignals } from './store.ts'

/*
 * What a person wants to see of a node, all at once, as a resource of our own: `kubectl get beamnodes`. As PodMetrics of
 * metrics.k8s.io: read only, made when asked for, named after the pod.
 */

export const nodesGroup = 'signals.cuddle.dev'
export const nodesVersion = 'v1'
export const nodesPlural = 'beamnodes'

/** One node as the API tells it. */
export interface BeamNodeObject {
  apiVersion: string
  kind: 'BeamNode'
  metadata: { name: string; namespace: string; labels: Record<string, string> }
  timestamp: string
  /** Over which utilisation and run queue are averaged. */
  windowSeconds: number
  node: string
  process: string
  otpRelease: string
  utilisation: number | null
  dirtyCpuUtilisation: number | null
  runQueue: number
  schedulersOnline: number
  schedulersTotal: number
  uptimeMs: number
  /** Bytes, by kind. */
  memory: Record<string, number>
  processes: { count: number; limit: number }
  ports: { count: number; limit: number }
  atoms: { count: number; limit: number }
  ets: { count: number; limit: number }
  perSecond: Record<string, number>
  mailboxes: { name: string; pid: string; length: number }[]
  published: Record<string, number>
}

/** Undefined for a node that has not said anything of late. */
export function nodeObject({ origin, sample, ...pod }: PodSignals): BeamNodeObject | undefined {
  if (!sample) return undefined
  return {
    apiVersion: `${nodesGroup}/${nodesVersion}`,
    kind: 'BeamNode',
    metadata: { name: origin.pod, namespace: origin.app, labels: { 'cuddle.dev/process': origin.process } },
    timestamp: rfc3339(pod.at),
    windowSeconds: pod.windowSeconds,
    node: origin.node,
    process: origin.process,
    otpRelease: origin.otpRelease,
    utilisation: pod.utilisation ?? null,
    dirtyCpuUtilisation: pod.dirtyCpuUtilisation ?? null,
    runQueue: pod.runQueue,
    schedulersOnline: sample.schedulersOnline,
    schedulersTotal: sample.schedulersTotal,
    uptimeMs: sample.uptimeMs,
    memory: { ...sample.memory },
    processes: sample.processes,
    ports: sample.ports,
    atoms: sample.atoms,
    ets: sample.ets,
    perSecond: { ...sample.perSecond },
    mailboxes: [...pod.mailboxes],
    published: { ...sample.published },
  }
}

export function nodeList(items: readonly BeamNodeObject[]) {
  return { kind: 'BeamNodeList', apiVersion: `${nodesGroup}/${nodesVersion}`, metadata: {}, items }
}

const percent = (ratio: number | null) => (ratio === null ? '?' : `${(ratio * 100).toFixed(1)}%`)

/** What `kubectl get` shows, by column; those of a priority above 0 with `-o wide`. */
const columns: [string, number, (node: BeamNodeObject) => string | number][] = [
  ['Name', 0, ({ metadata }) => metadata.name],
  ['Utilisation', 0, ({ utilisation }) => percent(utilisation)],
  ['Schedulers', 0, ({ schedulersOnline }) => schedulersOnline],
  ['Run queue', 0, ({ runQueue }) => Math.round(runQueue)],
  ['Memory', 0, ({ memory }) => `${Math.round((memory['total'] ?? 0) / 2 ** 20)}Mi`],
  ['Processes', 0, ({ processes }) => processes.count],
  ['Uptime', 0, ({ uptimeMs }) => formatDuration(uptimeMs)],
  ['OTP', 0, ({ otpRelease }) => otpRelease],
  ['Node', 1, ({ node }) => node],
]

/** The same as a Table (meta.k8s.io), for those who ask for one; every row carries its object, whichever part of it was asked for. */
export function nodeTable(items: readonly BeamNodeObject[]) {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: columns.map(([name, priority], index) => ({
      ...{ name, type: 'string', format: index === 0 ? 'name' : '', description: '', priority },
    })),
    rows: items.map((object) => ({ cells: columns.map(([, , cell]) => cell(object)), object })),
  }
}

export function nodesGroupDocument() {
  const preferredVersion = { groupVersion: `${nodesGroup}/${nodesVersion}`, version: nodesVersion }
  return { kind: 'APIGroup', apiVersion: 'v1', name: nodesGroup, versions: [preferredVersion], preferredVersion }
}

export function nodesResourceList() {
  const resource = {
    name: nodesPlural,
    singularName: 'beamnode',
    namespaced: true,
    kind: 'BeamNode',
    verbs: ['get', 'list'],
  }
  const groupVersion = `${nodesGroup}/${nodesVersion}`
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [resource] }
}
