import type {
  Allocator,
  ApplicationTree,
  BeamNode,
  EtsTable,
  ProcessInfo,
  Sample,
  SupervisionNode,
  TopBy,
  Usage,
} from '#beam'
import { errorMessage } from '#lib'
import type { Context } from '../context.ts'
import { type BeamNodeObject, nodesGroup, nodesPlural, nodesVersion } from '../signals/nodes.ts'
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

const windowMs = 1_000

/**
 * How busy each node is, as the platform has read it; of nodes that it has no fresh reading of, as they say themselves over one
 * second. A node that cannot be asked is an error, and hides no other.
 */
export async function nodeUsage(
  context: Context,
  pods: readonly BeamPod[],
  options: { seat: number; signal?: AbortSignal },
): Promise<(NodeUsage | { pod: string; process: string; node: string; error: string })[]> {
  const read = new Map((await readNodes(context, pods[0]?.namespace)).map((one) => [one.metadata.name, one]))
  const ask = async (pod: BeamPod): Promise<NodeUsage> => {
    const known = read.get(pod.pod)
    if (known?.node === pod.name) return fromReading(known)
    const { createSampler, topProcesses } = await import('#beam')
    const node = await openNode(context, pod, { verb: 'ps --beam', ...options })
    try {
      const sampler = await createSampler(node)
      await context.clock.sleep(windowMs, options.signal)
      const [sample, longest] = await Promise.all([
        sampler.sample(),
        topProcesses(node, { by: 'message_queue_len', limit: 1 }),
      ])
      sampler.close()
      return {
        pod: pod.pod,
        process: pod.process,
        node: pod.name,
        utilisation: sample.utilisation ?? null,
        dirtyCpuUtilisation: sample.dirtyCpuUtilisation ?? null,
        schedulers: sample.schedulersOnline,
        schedulersTotal: sample.schedulersTotal,
        runQueue: sample.runQueue.total,
        memoryBytes: sample.memory.total ?? 0,
        memory: sample.memory,
        processes: sample.processes.count,
        processLimit: sample.processes.limit,
        maxMessageQueue: longest.processes[0]?.messageQueueLength ?? 0,
        uptimeMs: sample.uptimeMs,
        otpRelease: node.otpRelease,
        ports: sample.ports,
        atoms: sample.atoms,
        ets: sample.ets,
        perSecond: sample.perSecond,
        published: sample.published,
        from: 'node',
      }
    } finally {
      node.close()
    }
  }
  return Promise.all(
    pods.map((pod) =>
      ask(pod).catch((error) => ({ pod: pod.pod, process: pod.process, node: pod.name, error: errorMessage(error) })),
    ),
  )
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

async function uptime(node: BeamNode): Promise<number> {
  const { atom, elements, numberOf } = await import('#beam')
  const times = await node.rpc('erlang', 'statistics', [atom('wall_clock')], { output: 'ignore' })
  return numberOf(elements(times, 2)?.[0]) ?? 0
}

/** One look for `cuddle observer`. */
export interface Observation {
  node: string
  pod: string
  otpRelease: string
  uptimeMs: number
  sample: Sample
  processes: readonly ProcessInfo[]
  applications: readonly AppSummary[]
  /** The largest, by memory. */
  tables: readonly EtsTable[]
  allocators: readonly Allocator[]
  /** Undefined when only the summary was asked for. */
  trees?: readonly ApplicationTree[]
}

export interface AppSummary {
  application: string
  supervisors: number
  workers: number
  /** Children that are not running, and supervisors that do not answer. */
  troubled: readonly string[]
}

export interface Observer {
  /** Reductions are those since the look before, over at most a second. */
  look(options: { by: TopBy; limit: number; trees?: boolean; signal?: AbortSignal }): Promise<Observation>
  close(): void
}

/** Opens a view of one node. @throws as `openNode` */
export async function observe(
  context: Context,
  pod: BeamPod,
  options: { seat: number; signal?: AbortSignal },
): Promise<Observer> {
  const { allocators, createSampler, etsTables, supervisionTree, topProcesses } = await import('#beam')
  const node = await openNode(context, pod, { verb: 'observer', ...options })
  const sampler = await createSampler(node).catch((error) => {
    node.close()
    throw error
  })
  return {
    async look({ by, limit, trees: whole = false, signal }) {
      const ask = signal ? { signal } : {}
      // Before the window opens: supervisors that answer are not what keeps the node busy.
      const [trees, uptimeMs, tables, held] = await Promise.all([
        supervisionTree(node, ask),
        uptime(node),
        etsTables(node, { by: 'memory', limit, ...ask }),
        allocators(node, ask),
      ])
      const top = await topProcesses(node, { by, limit, windowMs: by === 'reductions' ? windowMs : 0, ...ask })
      if (by !== 'reductions') await context.clock.sleep(windowMs, signal)
      const { name, otpRelease } = node
      return {
        ...{ node: name, pod: pod.pod, otpRelease, uptimeMs },
        sample: await sampler.sample(ask),
        processes: top.processes,
        applications: trees.flatMap((tree) => summary(tree) ?? []),
        tables,
        allocators: held,
        ...(whole && { trees }),
      }
    },
    close() {
      sampler.close()
      node.close()
    },
  }
}

/** Supervisor bridges, which answer no questions about children. */
const bridges = new Set(['user_sup', 'standard_error'])

function summary({ application, root }: ApplicationTree): AppSummary | undefined {
  if (!root) return undefined
  let [supervisors, workers] = [0, 0]
  const troubled: string[] = []
  const visit = (one: SupervisionNode) => {
    if (one.type === 'supervisor') supervisors++
    else workers++
    workers += one.omitted ?? 0
    if (one.state !== 'running') troubled.push(`${one.id} ${one.state}`)
    if (one.unresponsive && !one.modules.some((module) => bridges.has(module)))
      troubled.push(`${one.id} does not answer`)
    one.children?.forEach(visit)
  }
  visit(root)
  return { application, supervisors, workers, troubled }
}
