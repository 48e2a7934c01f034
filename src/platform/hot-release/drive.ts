import type { Layout } from '#image'
import type { Kube } from '#kube'
import { type Clock, CuddleError, type Logger } from '#lib'
import { type HotStatus, Release, type ReleaseObject } from '../kinds.ts'
import type { Ahead, Seen } from './ahead.ts'
import { attempt } from './attempt.ts'
import { decide, type Side, wantsNewPods } from './decide.ts'
import { type Reach, reach, reachAgain, type Target } from './nodes.ts'

export interface HotContext {
  kube: Kube
  clock: Clock
  log: Logger
  layout: Layout
  /** Where what was looked at beforehand is. */
  ahead?: Ahead
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
  /** All pods run the release before, or are to be replaced by such that do: its status says which. */
  | { kind: 'failed'; status: HotStatus }

/** A rollout that was left in the middle so often is not begun anew. */
const maxAttempts = 3

/**
 * Loads a release into the running pods, all of them or none. What it is about to do stands in the Release's status before it
 * does it, so that whoever comes after a crash knows: before `committing` all nodes go back by themselves, and it is begun
 * anew; from then on all are taken forward.
 */
export async function loadRelease(context: HotContext, work: HotRelease): Promise<HotResult> {
  const known = work.after.release.status?.hot
  if (known?.state === 'committed') return { kind: 'loaded' }
  if (known?.state === 'rolling') return { kind: 'roll' }
  if (known?.state === 'aborted' || known?.state === 'stuck') return { kind: 'failed', status: known }
  if (wantsNewPods(work.after) !== undefined) return load(context, work, undefined)
  const seen = await context.ahead?.take(work.app, work.before.release)
  // The way to the nodes is made, or looked at again, while the images are compared.
  const reached = seen
    ? reachAgain(context.kube, context.clock, work.app, work.before, seen.reach)
    : reach(context.kube, context.clock, work.app, work.before)
  try {
    return await load(context, work, reached, seen)
  } finally {
    reached.close()
  }
}

async function load(
  context: HotContext,
  work: HotRelease,
  reached: Reach | undefined,
  seen?: Seen,
): Promise<HotResult> {
  const { app, before, after } = work
  const name = `v${after.release.spec.number}`
  const known = after.release.status?.hot
  const record = (status: HotStatus, message: string) => recordStatus(context.kube, after.release, status, message)
  const { decision, comparison, direction } = await decide(context.layout, before, after, work.releases, seen?.layers)
  if (!decision.hot || !comparison || !reached) {
    await record({ state: 'rolling', reasons: decision.hot ? [] : [...decision.reasons] }, 'rolling out')
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
  const roll = async (reason: string): Promise<HotResult> => {
    await record({ ...status, state: 'rolling', reasons: [reason] }, 'rolling out')
    return { kind: 'roll' }
  }
  const left = known?.state === 'loading' || known?.state === 'committing' ? known.state : undefined
  if ((status.attempts ?? 1) > maxAttempts) return roll(`the platform was interrupted ${maxAttempts} times`)
  // Who goes back wants the old version above all; who pushes may want the state more than the new version.
  const fail = async (reason: string, pods: HotStatus['pods'] = []): Promise<HotResult> => {
    if (after.release.spec.cause.kind === 'rollback') return roll(reason)
    const aborted: HotStatus = { ...status, state: 'aborted', reasons: [reason], pods }
    await record(aborted, 'taken back on all pods')
    return { kind: 'failed', status: aborted }
  }
  let targets: Target[]
  try {
    targets = await reached.targets
  } catch (error) {
    if (!(error instanceof CuddleError)) throw error
    return left === 'committing' ? roll(error.message) : fail(error.message)
  }
  if (targets.length === 0) return roll(`no pod serves that runs v${before.release.spec.number}`)
  const pods = targets.map(({ pod, uid, restarts }) => ({ pod, uid, restarts, loaded: false }))
  const begun: HotStatus = { ...status, state: left === 'committing' ? left : 'loading', pods }
  // Nodes prepare meanwhile, and wait for it with all that runs untouched.
  const recorded = record(begun, `loading ${name}`)
  recorded.catch(() => {})
  const result = await attempt(context, {
    ...{ app, comparison, direction, targets, left },
    nodes: reached.nodes,
    begun: recorded,
    purge: after.release.spec.rollout?.purge ?? false,
    committing: () => record({ ...begun, state: 'committing' }, `loading ${name}`),
  })
  await recorded
  if (result.kind === 'forward') {
    await record({ ...begun, state: 'committed', pods: result.pods }, `${name} is loaded`)
    return { kind: 'loaded' }
  }
  if (result.kind === 'never') return roll(result.reason)
  if (result.kind === 'back') return fail(result.reason, result.pods)
  if (after.release.spec.cause.kind === 'rollback') return roll(result.reason)
  const stuck: HotStatus = { ...begun, state: 'stuck', reasons: [result.reason], pods: result.pods }
  await record(stuck, `replacing the pods with v${before.release.spec.number}`)
  return { kind: 'failed', status: stuck }
}

async function recordStatus(kube: Kube, release: ReleaseObject, hot: HotStatus, message: string): Promise<void> {
  const ref = { name: release.metadata.name!, namespace: release.metadata.namespace }
  await kube.patch(Release, ref, { status: { hot, message } }, { subresource: 'status' })
}
