import type { ApplicationTree, BeamNode, ProcessInfo, Sample, SupervisionNode, TopBy } from '#beam'
import { errorMessage } from '#lib'
import type { Context } from '../context.ts'
import type { BeamPod } from './nodes.ts'
import { openNode } from './session.ts'

export interface NodeUsage {
  pod: string
  process: string
  node: string
  /** Of the online schedulers, 0 to 1. */
  utilisation: number | null
  schedulers: number
  runQueue: number
  memoryBytes: number
  processes: number
  processLimit: number
  /** The longest message queue of any process. */
  maxMessageQueue: number
  uptimeMs: number
  otpRelease: string
}

const windowMs = 1_000

/** How busy each node is over one second; a node that cannot be asked is an error, and hides no other. */
export async function nodeUsage(
  context: Context,
  pods: readonly BeamPod[],
  options: { seat: number; signal?: AbortSignal },
): Promise<(NodeUsage | { pod: string; process: string; node: string; error: string })[]> {
  const { createSampler, topProcesses } = await import('#beam')
  const ask = async (pod: BeamPod): Promise<NodeUsage> => {
    const node = await openNode(context, pod, { verb: 'ps --beam', ...options })
    try {
      const sampler = await createSampler(node)
      await context.clock.sleep(windowMs, options.signal)
      const [sample, longest, uptimeMs] = await Promise.all([
        sampler.sample(),
        topProcesses(node, { by: 'message_queue_len', limit: 1 }),
        uptime(node),
      ])
      sampler.close()
      return {
        pod: pod.pod,
        process: pod.process,
        node: pod.name,
        utilisation: sample.utilisation ?? null,
        schedulers: sample.schedulersOnline,
        runQueue: sample.runQueue.total,
        memoryBytes: sample.memory.total ?? 0,
        processes: sample.processes.count,
        processLimit: sample.processes.limit,
        maxMessageQueue: longest.processes[0]?.messageQueueLength ?? 0,
        uptimeMs,
        otpRelease: node.otpRelease,
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
  look(options: { by: TopBy; limit: number; signal?: AbortSignal }): Promise<Observation>
  close(): void
}

/** Opens a view of one node. @throws as `openNode` */
export async function observe(
  context: Context,
  pod: BeamPod,
  options: { seat: number; signal?: AbortSignal },
): Promise<Observer> {
  const { createSampler, supervisionTree, topProcesses } = await import('#beam')
  const node = await openNode(context, pod, { verb: 'observer', ...options })
  const sampler = await createSampler(node).catch((error) => {
    node.close()
    throw error
  })
  return {
    async look({ by, limit, signal }) {
      const ask = signal ? { signal } : {}
      // Before the window opens: supervisors that answer are not what keeps the node busy.
      const [trees, uptimeMs] = await Promise.all([supervisionTree(node, ask), uptime(node)])
      const top = await topProcesses(node, { by, limit, windowMs: by === 'reductions' ? windowMs : 0, ...ask })
      if (by !== 'reductions') await context.clock.sleep(windowMs, signal)
      const { name, otpRelease } = node
      return {
        ...{ node: name, pod: pod.pod, otpRelease, uptimeMs },
        sample: await sampler.sample(ask),
        processes: top.processes,
        applications: trees.flatMap((tree) => summary(tree) ?? []),
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
