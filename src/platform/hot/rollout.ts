import { atom, type BeamNode, type Term, textOf } from '#beam'
import { type Clock, CuddleError, errorMessage, systemClock } from '#lib'
import { describeUpgrade, type PreparedNode, prepareNode, type SurveyedNode } from './node-upgrade.ts'
import type { NodeReport } from './report.ts'
import type { HotOptions, HotUpgrade } from './upgrade-types.ts'

export type HotOutcome =
  /** The new code runs on all nodes. */
  | { kind: 'committed'; nodes: ReadonlyMap<string, NodeReport> }
  /** Nothing was touched anywhere. */
  | { kind: 'refused'; reason: string; nodes: ReadonlyMap<string, NodeReport> }
  /** All nodes are as they were. */
  | { kind: 'aborted'; reason: string; nodes: ReadonlyMap<string, NodeReport> }
  /**
   * It is not known, or not so, that all nodes run one version: ask them ({@link loadedVersions}) once they answer, and
   * restart those in `doubtful` with the version that is wanted.
   */
  | { kind: 'mixed'; reason: string; doubtful: readonly string[]; nodes: ReadonlyMap<string, NodeReport> }

export interface RolloutOptions extends HotOptions {
  /** Nodes that were looked at beforehand. */
  surveyed?: readonly SurveyedNode[]
  /** Called when all nodes can be upgraded and none has been touched: the last moment to write down that they will. */
  beforeApply?: () => Promise<void>
  /** Called when all nodes have the new code and none goes on in it yet: the last moment to write down that it will. */
  beforeCommit?: () => Promise<void>
}

/** How long a node may say nothing while processes everywhere wait for it. */
const silentMs = 2_000
const everyMs = 250
/** A node that spoke so recently is not asked whether it still answers. */
const freshMs = 100

const asked = { timeoutMs: silentMs, output: 'ignore' } as const

const silence = `it has not answered for ${silentMs / 1000} s`

function lose(node: BeamNode, error: unknown, reports: Map<string, NodeReport>): void {
  const silent = error instanceof CuddleError && error.code === 'call-timeout'
  const reason = silent ? silence : errorMessage(error)
  node.close(reason)
  reports.set(node.name, { state: 'lost', reason, told: 'apply' })
}

/** Disconnects from a node that hangs: all others wait for it with their processes suspended. @returns what ends the watch */
function givenUpWhenSilent(node: BeamNode, clock: Clock): () => void {
  const stop = new AbortController()
  const watch = async () => {
    while (!stop.signal.aborted && !node.isClosed) {
      await node.rpc('erlang', 'node', [], { ...asked, signal: stop.signal })
      await clock.sleep(everyMs, stop.signal)
    }
  }
  watch().catch(() => {
    if (!stop.signal.aborted) node.close(silence)
  })
  return () => stop.abort()
}

/**
 * A hot upgrade of all nodes or none, in three steps, each on all nodes before the next begins anywhere: prepare (code in
 * memory, gates), apply (suspend, load, code_change), commit (resume). What fails in one of the first two is taken back
 * everywhere. Until its commit a node that loses us goes back by itself.
 *
 * Before it runs for real, the code_change of one process of each module is rehearsed with a copy of its state, in a process that is
 * thrown away: one that raises or hangs is found while all states are untouched. So code_change runs once more than there are processes.
 */
export async function hotRollout(
  nodes: readonly BeamNode[],
  upgrade: HotUpgrade,
  options: RolloutOptions = {},
): Promise<HotOutcome> {
  const watched = nodes.map((node) => givenUpWhenSilent(node, options.clock ?? systemClock))
  try {
    return await rollout(nodes, upgrade, options)
  } finally {
    for (const stop of watched) stop()
  }
}

async function rollout(nodes: readonly BeamNode[], upgrade: HotUpgrade, options: RolloutOptions): Promise<HotOutcome> {
  const reports = new Map<string, NodeReport>()
  const given = describeUpgrade(upgrade, options)
  const told = await Promise.all(
    nodes.map((node) => {
      const surveyed = options.surveyed?.find((one) => one.node === node)
      return prepareNode(node, upgrade, options, surveyed, given)
    }),
  )
  const prepared: PreparedNode[] = []
  for (const [index, one] of told.entries()) {
    if ('state' in one) reports.set(nodes[index].name, one)
    else prepared.push(one)
  }
  const takeBack = async () => {
    await Promise.all(
      prepared.map(async (one) => reports.set(one.node.name, reports.get(one.node.name) ?? (await one.abort()))),
    )
  }
  if (reports.size > 0 || options.signal?.aborted) {
    await takeBack()
    return verdict('refused', reports)
  }
  try {
    await options.beforeApply?.()
  } catch (error) {
    await takeBack()
    throw error
  }
  const clock = options.clock ?? systemClock
  const heard = new Map<BeamNode, number>()
  const applied = await Promise.all(
    prepared.map(async (one) => {
      const report = await one.apply()
      heard.set(one.node, clock.monotonic())
      return report
    }),
  )
  for (const [index, report] of applied.entries()) if (report) reports.set(prepared[index].node.name, report)
  if (reports.size === 0) {
    // Who hangs since it applied would not hear the word, and the others would go on without it.
    const since = clock.monotonic() - freshMs
    const quiet = prepared.filter(({ node }) => node.isClosed || heard.get(node)! < since)
    await Promise.all(
      quiet.map(({ node }) => node.rpc('erlang', 'node', [], asked).catch((error) => lose(node, error, reports))),
    )
  }
  if (reports.size > 0 || options.signal?.aborted) {
    await takeBack()
    return verdict('aborted', reports)
  }
  try {
    await options.beforeCommit?.()
  } catch (error) {
    await takeBack()
    throw error
  }
  await Promise.all(prepared.map(async (one) => reports.set(one.node.name, await one.commit())))
  return verdict('committed', reports)
}

function verdict(wanted: 'committed' | 'refused' | 'aborted', nodes: ReadonlyMap<string, NodeReport>): HotOutcome {
  const all = [...nodes]
  const cause = all.find(([, report]) => 'reason' in report && report.reason !== byAnother) ?? all[0]
  const reason = cause && 'reason' in cause[1] ? `${cause[0]}: ${cause[1].reason}` : ''
  const fits = (report: NodeReport) =>
    wanted === 'committed'
      ? report.state === 'committed'
      : report.state === 'untouched' ||
        report.state === 'aborted' ||
        (report.state === 'lost' && report.told !== 'commit')
  const doubtful = all.filter(([, report]) => !fits(report)).map(([name]) => name)
  if (doubtful.length > 0) return { kind: 'mixed', reason, doubtful, nodes }
  return wanted === 'committed' ? { kind: wanted, nodes } : { kind: wanted, reason, nodes }
}

const byAnother = 'another node could not'

/** `module_info(md5)` of modules on a node; undefined for those that are not loaded. In hex. */
export async function loadedVersions(
  node: BeamNode,
  modules: readonly string[],
): Promise<Map<string, string | undefined>> {
  const loaded = await node.callAll(modules.map((name) => ['erlang', 'module_loaded', [atom(name)]]))
  const present = modules.filter((_, index) => textOf(loaded[index]) === 'true')
  const sums = await node.callAll(present.map((name) => ['erlang', 'get_module_info', [atom(name), atom('md5')]]))
  const byName = new Map(present.map((name, index) => [name, hex(sums[index])]))
  return new Map(modules.map((name) => [name, byName.get(name)]))
}

const hex = (term: Term) => (term instanceof Uint8Array ? Buffer.from(term).toString('hex') : undefined)
