import type { Allocator, ApplicationTree, BeamNode, EtsTable, ProcessInfo, Sample, SupervisionNode, TopBy } from '#beam'
import type { Context } from '../context.ts'
import type { BeamPod } from './nodes.ts'
import { openNode } from './session.ts'

/** What of a node can be looked at. */
export type Section = 'processes' | 'tables' | 'allocators' | 'trees'

/** A process, and what it did in the last moments: reductions a second, where that is known. */
export type ObservedProcess = ProcessInfo & { recent?: number }

/** One look for `cuddle observer`. */
export interface Observation {
  node: string
  pod: string
  otpRelease: string
  uptimeMs: number
  sample: Sample
  /** How many processes were ranked: of nodes with very many, the oldest. */
  scanned?: number
  /** What was asked for. */
  processes?: readonly ObservedProcess[]
  applications?: readonly AppSummary[]
  /** The largest. */
  tables?: readonly EtsTable[]
  allocators?: readonly Allocator[]
  trees?: readonly ApplicationTree[]
}

export interface AppSummary {
  application: string
  supervisors: number
  workers: number
  /** Children that are not running, and supervisors that do not answer. */
  troubled: readonly string[]
}

export interface LookOptions {
  sections: readonly Section[]
  /** What processes are ranked by. */
  by: TopBy
  /** And tables. */
  tablesBy: 'memory' | 'size'
  limit: number
  /** How long the node is watched for it. */
  windowMs: number
  signal?: AbortSignal
}

export interface Observer {
  /** Only what is asked for is read, so that the looking itself is not what keeps the node busy. */
  look(options: LookOptions): Promise<Observation>
  close(): void
}

/** Opens a view of one node. @throws as `openNode` */
export async function observe(
  context: Context,
  pod: BeamPod,
  options: { seat: number; signal?: AbortSignal },
): Promise<Observer> {
  const { allocators, createSampler, etsTables, format, supervisionTree, topProcesses } = await import('#beam')
  const node = await openNode(context, pod, { verb: 'observer', ...options })
  const sampler = await createSampler(node).catch((error) => {
    node.close()
    throw error
  })
  /** Reductions of the processes listed last, and when. */
  let before = new Map<string, { reductions: number; at: number }>()

  const processes = async ({ by, limit, windowMs, signal }: LookOptions) => {
    const ask = signal ? { signal } : {}
    const { clock } = context
    if (by !== 'reductions') await clock.sleep(windowMs, signal)
    const top = await topProcesses(node, { by, limit, windowMs: by === 'reductions' ? windowMs : 0, ...ask })
    const at = clock.monotonic()
    const known = before
    before = new Map(top.processes.map((one) => [format(one.pid), { reductions: one.reductions, at }]))
    const recent = (one: ProcessInfo) => {
      if (by === 'reductions') return (1000 * one.value) / windowMs
      const then = known.get(format(one.pid))
      return then && at > then.at ? (1000 * (one.reductions - then.reductions)) / (at - then.at) : undefined
    }
    return {
      scanned: top.scanned,
      processes: top.processes.map((one) => {
        const rate = recent(one)
        return rate === undefined ? one : { ...one, recent: Math.round(rate) }
      }),
    }
  }

  return {
    async look(options) {
      const { sections, tablesBy, limit, windowMs, signal } = options
      const ask = signal ? { signal } : {}
      const wanted = (section: Section) => sections.includes(section)
      // Before the window opens: supervisors that answer are not what keeps the node busy.
      const [trees, uptimeMs, tables, held] = await Promise.all([
        wanted('trees') ? supervisionTree(node, ask) : undefined,
        uptime(node),
        wanted('tables') ? etsTables(node, { by: tablesBy, limit, ...ask }) : undefined,
        wanted('allocators') ? allocators(node, ask) : undefined,
      ])
      const top = wanted('processes') ? await processes(options) : await context.clock.sleep(windowMs, signal)
      const { name, otpRelease } = node
      return {
        ...{ node: name, pod: pod.pod, otpRelease, uptimeMs },
        sample: await sampler.sample(ask),
        ...(top && top),
        ...(trees && { trees, applications: trees.flatMap((tree) => summary(tree) ?? []) }),
        ...(tables && { tables }),
        ...(held && { allocators: held }),
      }
    },
    close() {
      sampler.close()
      node.close()
    },
  }
}

async function uptime(node: BeamNode): Promise<number> {
  const { atom, elements, numberOf } = await import('#beam')
  const times = await node.rpc('erlang', 'statistics', [atom('wall_clock')], { output: 'ignore' })
  return numberOf(elements(times, 2)?.[0]) ?? 0
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
