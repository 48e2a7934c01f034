import type { BeamNode } from '#beam'
import type { Layout } from '#image'
import { type Kube, Pod } from '#kube'
import { type Clock, CuddleError, errorMessage, type Logger } from '#lib'
import { type HotUpgrade, hotRollout, loadedVersions, type NodeReport } from '../hot/index.ts'
import { type HotStatus, Release, type ReleaseObject } from '../kinds.ts'
import { decide, type Side } from './decide.ts'
import { connectAll, findTargets, type Target } from './nodes.ts'

export interface HotContext {
  kube: Kube
  clock: Clock
  log: Logger
  layout: Layout
}

export interface HotRelease {
  app: string
  before: Side
  after: Side
  /** All of the app. */
  releases: readonly ReleaseObject[]
}

export type HotResult =
  /** The pods named in the status run the code; others are to be replaced. */
  | { kind: 'loaded' }
  /** It goes out with new pods. */
  | { kind: 'roll' }
  /** All pods run the release before. */
  | { kind: 'failed'; reason: string; pod?: string }

/** A rollout that was left in the middle so often is not begun anew. */
const maxAttempts = 3
/** How long nodes that were left alone may take to go back: their own patience, and what is left to do. */
const settleMs = 30_000

/**
 * Loads a release into the running pods, all of them or none. What it is about to do stands in the Release's status before it does
 * it, so that whoever comes after a crash knows: before `committing` all nodes go back by themselves, from then on
 * all are taken forward.
 */
export async function loadRelease(context: HotContext, work: HotRelease): Promise<HotResult> {
  const { layout } = context
  const { app, before, after, releases } = work
  const name = `v${after.release.spec.number}`
  const known = after.release.status?.hot
  if (known?.state === 'committed') return { kind: 'loaded' }
  if (known?.state === 'rolling') return { kind: 'roll' }
  const record = (status: HotStatus, message: string) => recordStatus(context.kube, after.release, status, message)
  const { decision, comparison, direction } = await decide(layout, before, after, releases)
  if (!decision.hot || !comparison) {
    const reasons = decision.hot ? [] : [...decision.reasons]
    // An app that never asked for it is not told why it does not get it.
    await record({ state: 'rolling', reasons }, 'rolling out')
    return { kind: 'roll' }
  }
  const { diff } = comparison
  const status: HotStatus = {
    state: 'loading',
    from: before.release.spec.number,
    notes: [...decision.notes],
    changed: diff.changed.map((change) => change.name),
    added: diff.added.map(({ module }) => module),
    removed: diff.removed.map(({ module }) => module),
    attempts: (known?.attempts ?? 0) + 1,
  }
  const roll = async (reasons: string[]): Promise<HotResult> => {
    await record({ ...status, state: 'rolling', reasons }, 'rolling out')
    return { kind: 'roll' }
  }
  if ((status.attempts ?? 1) > maxAttempts) return roll([`the platform was interrupted ${maxAttempts} times`])
  const fail = async (reason: string, pod?: string): Promise<HotResult> => {
    // Who goes back wants the old version above all; who pushes may want the state more than the new version.
    if (after.release.spec.cause.kind === 'rollback') return roll([reason])
    await record({ ...status, state: 'aborted', reasons: [reason] }, 'taken back')
    return { kind: 'failed', reason, pod }
  }
  const loaded = before.release.status?.hot?.pods?.filter((pod) => pod.loaded) ?? []
  let targets: Target[]
  try {
    targets = await findTargets(context.kube, app, before.objects, loaded)
  } catch (error) {
    return known ? roll([errorMessage(error)]) : fail(errorMessage(error))
  }
  if (targets.length === 0) return roll([`no pod serves that runs v${before.release.spec.number}`])
  const asked = { ...status, pods: targets.map((target) => recordOf(target, false)) }
  await record(known?.state === 'committing' ? { ...asked, state: 'committing' } : asked, `loading ${name}`)

  let nodes: BeamNode[]
  try {
    nodes = await connectAll(context.kube, context.clock, targets)
  } catch (error) {
    const { message } = error as Error
    return known?.state === 'committing' ? roll([message]) : fail(message)
  }
  try {
    const upgrade = comparison.upgrade(direction)
    if (known) await settled(context, nodes, upgrade)
    const outcome = await hotRollout(nodes, upgrade, {
      clock: context.clock,
      purge: after.release.spec.rollout?.purge ? 'hard' : 'soft',
      prepareHoldMs: 20_000,
      beforeCommit: () => record({ ...asked, state: 'committing' }, `loading ${name}`),
    })
    const reports = targets.map((_, index) => outcome.nodes.get(nodes[index].name))
    const running = await Promise.all(nodes.map((node) => runsAll(node, upgrade)))
    const pods = targets.map((target, index) => recordOf(target, running[index] === true, reports[index]))
    const forward = outcome.kind === 'committed' || pods.some(({ loaded }) => loaded) || known?.state === 'committing'
    if (!forward) {
      // Nobody runs the new code; who cannot be asked is restarted in the old version.
      if (outcome.kind === 'mixed') await restart(context.kube, app, targets, outcome.doubtful, nodes)
      return fail(withPods(outcome.reason, targets, nodes))
    }
    await record({ ...asked, state: 'committed', pods }, `${name} is loaded`)
    return { kind: 'loaded' }
  } finally {
    for (const node of nodes) node.close()
  }
}

function recordOf(target: Target, loaded: boolean, report?: NodeReport) {
  const { pod, uid, restarts } = target
  if (report?.state !== 'committed') return { pod, uid, restarts, loaded }
  const { processes, migrated, suspendedMs, problems } = report
  return { pod, uid, restarts, loaded, processes, migrated, suspendedMs, problems: [...problems] }
}

/** Nodes are called by address; people know the pods. */
function withPods(reason: string, targets: readonly Target[], nodes: readonly BeamNode[]): string {
  return nodes.reduce((text, node, index) => text.replaceAll(node.name, targets[index].pod), reason)
}

async function recordStatus(kube: Kube, release: ReleaseObject, hot: HotStatus, message: string): Promise<void> {
  const ref = { name: release.metadata.name!, namespace: release.metadata.namespace }
  await kube.patch(Release, ref, { status: { hot, message } }, { subresource: 'status' })
}

/** True when a node runs all that was loaded, false when it does not, undefined when it cannot be asked. */
async function runsAll(node: BeamNode, { modules }: HotUpgrade): Promise<boolean | undefined> {
  const { readBeam } = await import('../hot/index.ts')
  try {
    const versions = await loadedVersions(
      node,
      modules.map(({ name }) => name),
    )
    return modules.every(({ name, binary }) => versions.get(name) === readBeam(binary, name).md5)
  } catch {
    return undefined
  }
}

/** Waits until no helper of an earlier attempt is at work any more. */
async function settled({ clock }: HotContext, nodes: readonly BeamNode[], _: HotUpgrade): Promise<void> {
  const { atom, isAtom } = await import('#beam')
  const until = clock.monotonic() + settleMs
  const busy = async (node: BeamNode) =>
    !isAtom(await node.rpc('erlang', 'whereis', [atom('cuddle_hot')], { output: 'ignore' }), 'undefined')
  while (clock.monotonic() < until) {
    const answers = await Promise.all(nodes.map((node) => busy(node).catch(() => false)))
    if (!answers.includes(true)) return
    await clock.sleep(100)
  }
  throw new CuddleError('busy', 'nodes are still busy with an earlier attempt')
}

async function restart(
  kube: Kube,
  app: string,
  targets: readonly Target[],
  doubtful: readonly string[],
  nodes: readonly BeamNode[],
): Promise<void> {
  for (const [index, { pod, uid }] of targets.entries()) {
    if (!doubtful.includes(nodes[index].name)) continue
    await kube.delete(Pod, pod, app, { preconditions: { uid } }).catch(() => {})
  }
}
