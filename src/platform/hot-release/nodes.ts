import { type Kube, type KubeObject, type objects, Pod, StatefulSet } from '#kube'
import { type Clock, CuddleError, errorMessage } from '#lib'
import { dial } from '../beam/cookie.ts'
import { type BeamPod, beamPod } from '../beam/nodes.ts'
import { type SurveyedNode, surveyNode } from '../hot/index.ts'
import { labels } from '../kinds.ts'
import { type LoadedPod, restartsOf, runs } from '../stateful/shape.ts'
import type { Side } from './decide.ts'
import { statefulSets } from './objects.ts'

/**
 * Who we are to the nodes while we load: one name for ever, for names become atoms there, and not the one under which the nodes
 * are connected to each other, or one connection would end the other.
 */
const ourName = 'rem-cuddle-hot@127.0.0.1'
/** The same while code is still being built: another name, so that it cannot end the connections of a rollout under way. */
export const aheadName = 'rem-cuddle-ahead@127.0.0.1'
const connectMs = 5_000
/** The first OTP whose nodes can be told to load code: what the helper uses is there from it on, and nothing older is tested. */
const oldestOtp = 25

/** A pod whose code can be changed while it runs. */
export interface Target extends LoadedPod {
  process: string
  beam: BeamPod
}

/**
 * The pods of an app that run its current release and serve. Others are left out: they start, or go, or run something older,
 * and are replaced by new ones afterwards.
 *
 * @param current the objects of the current release, as applied
 * @throws CuddleError `no-node` for a pod that serves but is no node
 */
async function findTargets(
  kube: Kube,
  app: string,
  current: readonly KubeObject[],
  loaded: readonly LoadedPod[],
): Promise<Target[]> {
  const sets = await Promise.all(
    statefulSets(current).map(async (object) => ({
      object,
      live: await kube.find(StatefulSet, object.metadata.name!, app),
    })),
  )
  const { items } = await kube.listAll(Pod, { namespace: app, labelSelector: `${labels.app}=${app}` })
  return items.flatMap((pod) => {
    const owner = sets.find(
      ({ live }) => live && pod.metadata.ownerReferences?.some(({ uid }) => uid === live.metadata.uid),
    )
    if (!owner || pod.metadata.deletionTimestamp || !isReady(pod)) return []
    if (!runs(pod, owner.object.spec.template, loaded)) return []
    const beam = beamPod(pod)
    if (!beam) {
      throw new CuddleError('no-node', `pod ${pod.metadata.name} is no node that can be reached`)
    }
    const { name, uid } = pod.metadata
    return [{ pod: name!, uid: uid!, restarts: restartsOf(pod), process: beam.process, beam }]
  })
}

function isReady(pod: objects.Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

/** The pods that may take new code, and connections to their nodes, both on their way. */
export interface Reach {
  /** @throws as {@link findTargets} */
  targets: Promise<Target[]>
  /**
   * In the order of the targets, looked at; all, or none.
   * @throws CuddleError that names the pod: `unsupported-otp` for one that will never take code, else `unreachable`
   */
  nodes: Promise<SurveyedNode[]>
  close(): void
}

/** Finds the pods of a release and connects to them. To be closed, whatever became of it. */
export function reach(
  kube: Kube,
  clock: Clock,
  app: string,
  side: Pick<Side, 'release' | 'objects'>,
  name = ourName,
): Reach {
  const targets = targetsOf(kube, app, side)
  return reached(
    targets,
    targets.then((found) => connectAll(kube, clock, found, name)),
  )
}

/** The pods as they are now, and the nodes that were reached before where those are the same; else they are reached anew. */
export function reachAgain(
  kube: Kube,
  clock: Clock,
  app: string,
  side: Pick<Side, 'release' | 'objects'>,
  before: Reach,
): Reach {
  const targets = targetsOf(kube, app, side)
  const nodes = targets.then(async (found) => {
    const kept = await stillThere(before, found).catch(() => undefined)
    if (kept) return kept
    before.close()
    return connectAll(kube, clock, found, ourName)
  })
  const again = reached(targets, nodes)
  const close = () => {
    again.close()
    before.close()
  }
  return { ...again, close }
}

async function stillThere(before: Reach, targets: readonly Target[]): Promise<SurveyedNode[] | undefined> {
  const [known, nodes] = await Promise.all([before.targets, before.nodes])
  const same = (target: Target, index: number) =>
    target.uid === known[index].uid && target.restarts === known[index].restarts && !nodes[index].node.isClosed
  if (targets.length !== known.length || !targets.every(same)) return undefined
  await Promise.all(nodes.map(({ helper }) => helper))
  return nodes
}

function targetsOf(kube: Kube, app: string, { release, objects }: Pick<Side, 'release' | 'objects'>) {
  return findTargets(kube, app, objects, release.status?.hot?.pods?.filter((pod) => pod.loaded) ?? [])
}

function reached(targets: Promise<Target[]>, nodes: Promise<SurveyedNode[]>): Reach {
  // Whoever waits for them hears of it.
  for (const promise of [targets, nodes]) promise.catch(() => {})
  const close = async () => {
    for (const { node } of await nodes) node.close()
  }
  return { targets, nodes, close: () => void close().catch(() => {}) }
}

async function connectAll(
  kube: Kube,
  clock: Clock,
  targets: readonly Target[],
  ourName: string,
): Promise<SurveyedNode[]> {
  const settled = await Promise.allSettled(
    targets.map(async ({ beam }) => {
      const node = await dial(kube, beam, { ourName, clock, timeoutMs: connectMs })
      if (Number.parseInt(node.otpRelease, 10) >= oldestOtp) return node
      node.close()
      throw new CuddleError('unsupported-otp', `its node runs OTP ${node.otpRelease}, older than OTP ${oldestOtp}`)
    }),
  )
  const failed = settled.findIndex(({ status }) => status === 'rejected')
  if (failed < 0) return settled.flatMap((one) => (one.status === 'fulfilled' ? [surveyNode(one.value)] : []))
  for (const one of settled) if (one.status === 'fulfilled') one.value.close()
  const { reason } = settled[failed] as PromiseRejectedResult
  const code = reason instanceof CuddleError && reason.code === 'unsupported-otp' ? reason.code : 'unreachable'
  throw new CuddleError(code, `${targets[failed].pod}: ${errorMessage(reason)}`, { cause: reason })
}
