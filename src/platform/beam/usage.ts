import type { BeamNode, Sample, Usage } from '#beam'
import { errorMessage } from '#lib'
import type { Context } from '../context.ts'
import { type BeamNodeObject, nodesGroup, nodesPlural, nodesVersion } from '../signals/nodes.ts'
import { identityOf } from './links.ts'
import type { BeamPod } from './nodes.ts'
import { openNode } from './session.ts'

export interface NodeUsage {
  pod: string
  process: string
  node: string
  /** Of the online schedulers, 0 to 1. */
  utilisation: number | null
  dirtyCpuUtilisation: number | null
  schedulers: number
  /** How many it could be given without a restart. */
  schedulersTotal: number
  runQueue: number
  memoryBytes: number
  /** Bytes, by kind. */
  memory: Readonly<Record<string, number>>
  processes: number
  processLimit: number
  /** The longest message queue of any process. */
  maxMessageQueue: number
  uptimeMs: number
  otpRelease: string
  ports: Usage
  atoms: Usage
  ets: Usage
  perSecond: Readonly<Record<string, number>>
  /** Numbers that the app publishes itself. */
  published: Readonly<Record<string, number>>
  /** The platform's own readings, an average over some seconds, or a look at the node itself over one. */
  from: 'platform' | 'node'
}

/** A node that could not be asked. */
export interface NodeSilence {
  pod: string
  process: string
  node: string
  error: string
}

export type UsageRow = NodeUsage | NodeSilence

/** Looks at nodes again and again; connections that it makes itself are kept between the looks. */
export interface UsageView {
  /**
   * One row for each pod. A node that cannot be asked is an error, and hides no other.
   *
   * @param options `patienceMs`: a node that takes longer is an error for now, and is not asked anew before it has answered
   */
  look(pods: readonly BeamPod[], options?: { patienceMs?: number; signal?: AbortSignal }): Promise<UsageRow[]>
  close(): void
}

/** The first look of our own is over so long. */
const windowMs = 1_000
/** All mailboxes are looked into no more often than that: it costs some 10 µs for each process. */
const mailboxEveryMs = 10_000

/**
 * How busy nodes are, as the platform has read it; of nodes that it has no fresh reading of, as they say themselves since the look
 * before, or over one second.
 */
export function openUsage(context: Context, { seat }: { seat: number }): UsageView {
  const { clock } = context
  const readings = new Map<string, OwnReading>()
  const asked = new Map<string, Promise<NodeUsage>>()

  const ask = (pod: BeamPod, signal?: AbortSignal): Promise<NodeUsage> => {
    const key = identityOf(pod)
    const under = asked.get(key)
    if (under) return under
    const answer = (async () => {
      const reading = readings.get(key) ?? (await openReading(context, pod, seat, signal))
      readings.set(key, reading)
      try {
        return await reading.read()
      } catch (error) {
        readings.delete(key)
        reading.node.close()
        throw error
      }
    })().finally(() => asked.delete(key))
    asked.set(key, answer)
    answer.catch(() => {})
    return answer
  }

  return {
    async look(pods, { patienceMs, signal } = {}) {
      const read = new Map((await readNodes(context, pods[0]?.namespace)).map((one) => [one.metadata.name, one]))
      return Promise.all(
        pods.map(async (pod): Promise<UsageRow> => {
          const known = read.get(pod.pod)
          const done = new AbortController()
          try {
            if (known?.node === pod.name) return fromReading(known)
            const answer = ask(pod, signal)
            if (patienceMs === undefined) return await answer
            return await Promise.race([answer, clock.sleep(patienceMs, done.signal).then(() => silent(patienceMs))])
          } catch (error) {
            return { pod: pod.pod, process: pod.process, node: pod.name, error: errorMessage(error) }
          } finally {
            done.abort()
          }
        }),
      )
    },
    close() {
      for (const { node } of readings.values()) node.close()
      readings.clear()
    },
  }
}

function silent(ms: number): never {
  throw new Error(`it does not answer within ${ms} ms`)
}

/** A connection of our own to a node. */
interface OwnReading {
  node: BeamNode
  read(): Promise<NodeUsage>
}

async function openReading(context: Context, pod: BeamPod, seat: number, signal?: AbortSignal): Promise<OwnReading> {
  const { clock } = context
  const { createSampler, topProcesses } = await import('#beam')
  const node = await openNode(context, pod, { verb: 'ps --beam', seat, ...(signal && { signal }) })
  try {
    const ask = signal ? { signal } : {}
    const sampler = await createSampler(node)
    let longest = 0
    let looked = Number.NEGATIVE_INFINITY
    await clock.sleep(windowMs, signal)
    return {
      node,
      async read() {
        const sample = await sampler.sample(ask)
        if (clock.monotonic() - looked >= mailboxEveryMs) {
          looked = clock.monotonic()
          const { processes } = await topProcesses(node, { by: 'message_queue_len', limit: 1, ...ask })
          longest = processes[0]?.messageQueueLength ?? 0
        }
        return ownUsage(pod, node, sample, longest)
      },
    }
  } catch (error) {
    node.close()
    throw error
  }
}

function ownUsage(pod: BeamPod, { otpRelease }: BeamNode, sample: Sample, longestMailbox: number): NodeUsage {
  const { ports, atoms, ets, perSecond, published, uptimeMs, memory } = sample
  return {
    ...{ pod: pod.pod, process: pod.process, node: pod.name },
    utilisation: sample.utilisation ?? null,
    dirtyCpuUtilisation: sample.dirtyCpuUtilisation ?? null,
    schedulers: sample.schedulersOnline,
    schedulersTotal: sample.schedulersTotal,
    runQueue: sample.runQueue.total,
    memoryBytes: memory['total'] ?? 0,
    memory,
    processes: sample.processes.count,
    processLimit: sample.processes.limit,
    maxMessageQueue: longestMailbox,
    ...{ uptimeMs, otpRelease, ports, atoms, ets, perSecond, published },
    from: 'node',
  }
}

/** What the platform's metrics server has; nothing where it does not run or may not be asked. */
async function readNodes(context: Context, namespace: string | undefined): Promise<BeamNodeObject[]> {
  if (namespace === undefined) return []
  const path = `/apis/${nodesGroup}/${nodesVersion}/namespaces/${namespace}/${nodesPlural}`
  return context.kube.request('GET', path).then(
    ({ items }) => items ?? [],
    () => [],
  )
}

function fromReading(read: BeamNodeObject): NodeUsage {
  const { node, process, utilisation, dirtyCpuUtilisation, memory, uptimeMs, otpRelease } = read
  const { ports, atoms, ets, perSecond, published } = read
  return {
    ...{ pod: read.metadata.name, process, node, utilisation, dirtyCpuUtilisation },
    schedulers: read.schedulersOnline,
    schedulersTotal: read.schedulersTotal,
    runQueue: Math.round(read.runQueue * 10) / 10,
    memoryBytes: memory['total'] ?? 0,
    memory,
    processes: read.processes.count,
    processLimit: read.processes.limit,
    maxMessageQueue: read.mailboxes[0]?.length ?? 0,
    ...{ uptimeMs, otpRelease, ports, atoms, ets, perSecond, published },
    from: 'platform',
  }
}
