import type { BeamNode } from '#beam'
import { Pod } from '#kube'
import { CuddleError, errorMessage } from '#lib'
import {
  type HotOutcome,
  type HotUpgrade,
  hotRollout,
  loadedVersions,
  type NodeReport,
  readBeam,
  type SurveyedNode,
} from '../hot/index.ts'
import type { HotStatus } from '../kinds.ts'
import type { Comparison } from './compare.ts'
import type { HotContext } from './drive.ts'
import type { Target } from './nodes.ts'
import { watchPods } from './verify.ts'

type PodRecord = NonNullable<HotStatus['pods']>[number]

export interface Attempt {
  app: string
  comparison: Comparison
  direction: 'up' | 'down'
  targets: readonly Target[]
  /** Connections to them; others close them. */
  nodes: Promise<SurveyedNode[]>
  purge: boolean
  /** What an earlier attempt had written down when it was left; `committing`: there is only the way forward. */
  left: 'loading' | 'committing' | undefined
  /** Resolves when it is written down that it is begun. */
  begun: Promise<void>
  /** Writes down that from now on it goes forward. */
  committing: () => Promise<void>
}

export type AttemptResult =
  /** Those that are not `loaded` cannot be, and are to be replaced. */
  | { kind: 'forward'; pods: PodRecord[] }
  /** Nothing was touched, and never can be: such nodes take no code. */
  | { kind: 'never'; reason: string }
  /** Everybody runs the old code with the old state, but for the pods that are `left`. */
  | { kind: 'back'; reason: string; pods: PodRecord[] }
  /** The new code is no good, and there is no way back but new pods. */
  | { kind: 'stuck'; reason: string; pods: PodRecord[] }

/** How long nodes that were left alone may take to go back: their own patience, and what is left to do. */
const settleMs = 40_000
/** How long they may take to notice that who prepared them is gone. */
const noticeMs = 2_000

/** One hot rollout over these pods, watched for a while, and taken back when that shows that it is no good. */
export async function attempt(context: HotContext, work: Attempt): Promise<AttemptResult> {
  const { kube, clock } = context
  const { app, comparison, direction, targets, left } = work
  let surveyed: SurveyedNode[]
  try {
    surveyed = await work.nodes
  } catch (error) {
    const pods = targets.map((target) => recordOf(target, false))
    if (left === 'committing') return { kind: 'forward', pods }
    const never = error instanceof CuddleError && error.code === 'unsupported-otp'
    return never ? { kind: 'never', reason: error.message } : { kind: 'back', reason: errorMessage(error), pods }
  }
  const nodes = surveyed.map(({ node }) => node)
  // Of one that was left before it was written down nothing is known, and nothing is to be undone; its nodes notice at once.
  const free = await idle(context, nodes, left ? settleMs : noticeMs)
  if (left && !free) throw new CuddleError('busy', 'nodes are still busy with an earlier attempt')
  const upgrade = comparison.upgrade(direction)
  let since = clock.now()
  const outcome = await hotRollout(nodes, upgrade, {
    clock,
    surveyed,
    beforeApply: () => work.begun,
    purge: work.purge ? 'hard' : 'soft',
    beforeCommit: async () => {
      await work.committing()
      since = clock.now()
    },
  })
  const reports = nodes.map((node) => outcome.nodes.get(node.name))
  if (!reports.some(wentForward) && left !== 'committing') {
    const reason = outcome.kind === 'committed' ? 'no node took part' : withPods(outcome.reason, targets, nodes)
    if (outcome.kind === 'mixed') await restart(context, app, targets, nodes, outcome)
    const unsafe = reports.some((report) => report?.state === 'aborted' && report.unsafe)
    if (outcome.kind === 'aborted' && unsafe) return { kind: 'never', reason }
    const doubtful = outcome.kind === 'mixed' ? outcome.doubtful : []
    const pods = targets.map((target, index): PodRecord => {
      const record = recordOf(target, false)
      const report = reports[index]
      const problems = report?.state === 'damaged' ? { problems: [...report.left] } : {}
      if (doubtful.includes(nodes[index].name)) return { ...record, left: 'replaced', ...problems }
      return report?.state === 'lost' ? { ...record, left: 'lost' } : record
    })
    return { kind: 'back', reason, pods }
  }
  const running = await Promise.all(nodes.map((node) => runsAll(node, upgrade)))
  const pods = targets.map((target, index) => recordOf(target, running[index], reports[index]))
  const loaded = targets.filter((_, index) => running[index])
  const wrong = childless(targets, reports) ?? (await watchPods({ kube, clock, app }, loaded, since))
  if (wrong === undefined) return { kind: 'forward', pods }
  return await takeBack(context, work, nodes, wrong, pods)
}

const wentForward = (report: NodeReport | undefined) =>
  report?.state === 'committed' || (report?.state === 'lost' && report.told === 'commit')

/** Why supervisors are not what the new code makes of them: a child that is new did not start. */
function childless(targets: readonly Target[], reports: readonly (NodeReport | undefined)[]): string | undefined {
  for (const [index, report] of reports.entries()) {
    if (report?.state !== 'committed' || report.notStarted.length === 0) continue
    return `${targets[index].pod} could not start a new child: ${report.notStarted[0]}`
  }
  return undefined
}

async function takeBack(
  { clock }: HotContext,
  { comparison, direction, targets }: Attempt,
  nodes: readonly BeamNode[],
  wrong: string,
  pods: PodRecord[],
): Promise<AttemptResult> {
  const reason = `the new code runs, but is no good: ${wrong}`
  const undo = comparison.reverse(direction === 'up' ? 'down' : 'up')
  const outcome = await hotRollout(nodes, undo, { clock })
  if (outcome.kind === 'committed') return { kind: 'back', reason, pods: targets.map((one) => recordOf(one, false)) }
  return {
    kind: 'stuck',
    reason: `${reason}; taking it back failed: ${withPods(outcome.reason, targets, nodes)}`,
    pods,
  }
}

function recordOf(target: Target, loaded: boolean, report?: NodeReport): PodRecord {
  const { pod, uid, restarts } = target
  if (report?.state !== 'committed') return { pod, uid, restarts, loaded }
  const { processes, migrated, suspendedMs, problems } = report
  return { pod, uid, restarts, loaded, processes, migrated, suspendedMs, problems: [...problems] }
}

/** Nodes are called by address; people know the pods. */
function withPods(reason: string, targets: readonly Target[], nodes: readonly BeamNode[]): string {
  return nodes.reduce((text, node, index) => text.replaceAll(node.name, targets[index].pod), reason)
}

/** Whether a node runs all that was loaded; one that cannot be asked does not. */
async function runsAll(node: BeamNode, { modules }: HotUpgrade): Promise<boolean> {
  try {
    const names = modules.map(({ name }) => name)
    const versions = await loadedVersions(node, names)
    return modules.every(({ name, binary }) => versions.get(name) === readBeam(binary, name).md5)
  } catch {
    return false
  }
}

/** Waits until no helper of an earlier attempt is at work any more. @returns false when it took too long */
async function idle({ clock }: HotContext, nodes: readonly BeamNode[], waitMs: number): Promise<boolean> {
  const { atom, isAtom } = await import('#beam')
  const until = clock.monotonic() + waitMs
  const busy = async (node: BeamNode) =>
    !isAtom(await node.rpc('erlang', 'whereis', [atom('cuddle_hot')], { output: 'ignore' }), 'undefined')
  while (clock.monotonic() < until) {
    const answers = await Promise.all(nodes.map((node) => busy(node).catch(() => false)))
    if (!answers.includes(true)) return true
    await clock.sleep(50)
  }
  return false
}

/** Deletes the pods of which it is not known that they are as before: they come back in the version that the others run. */
async function restart(
  { kube, log }: HotContext,
  app: string,
  targets: readonly Target[],
  nodes: readonly BeamNode[],
  { doubtful }: Extract<HotOutcome, { kind: 'mixed' }>,
): Promise<void> {
  for (const [index, { pod, uid }] of targets.entries()) {
    if (!doubtful.includes(nodes[index].name)) continue
    log.warn({ app, pod }, 'a pod may be neither old nor new: it is replaced')
    await kube.delete(Pod, pod, app, { preconditions: { uid } }).catch(() => {})
  }
}
