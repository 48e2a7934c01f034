import type { Layout } from '#image'
import type { KubeObject } from '#kube'
import { CuddleError, errorMessage } from '#lib'
import { decideHot, type HotDecision, type LayerFiles } from '../hot/index.ts'
import type { ReleaseObject } from '../kinds.ts'
import { type Comparison, compareImages } from './compare.ts'
import { changedVariables, objectReasons, statefulSets } from './objects.ts'

/** A release with what belongs to it. */
export interface Side {
  release: ReleaseObject
  /** As they are applied. */
  objects: readonly KubeObject[]
  config: Record<string, string>
}

/** The age of a release's code, as the number of the first release that had it: a rollback, or a commit reverted, is older. */
function originOf(image: string | undefined, releases: readonly ReleaseObject[]): number {
  return Math.min(...releases.filter(({ spec }) => spec.image === image).map(({ spec }) => spec.number))
}

/** What of a release alone says that it goes out with new pods. */
export function wantsNewPods({ release, objects }: Side): string | undefined {
  if (release.spec.rollout?.mode === 'rolling') return 'it was asked for'
  if (statefulSets(objects).length === 0) return 'no process of it is hot: strategy: hot in cuddle.yaml makes it so'
  return undefined
}

/**
 * Whether the code of a release can be loaded into the pods of the current one.
 * @param releases all of the app
 * @param read layers of their images that were read before, by digest
 */
export async function decide(
  layout: Layout,
  before: Side,
  after: Side,
  releases: readonly ReleaseObject[],
  read?: ReadonlyMap<string, Promise<LayerFiles>>,
): Promise<{ decision: HotDecision; comparison?: Comparison; direction: 'up' | 'down' }> {
  const [old, next] = [before, after].map(({ release }) => originOf(release.spec.image, releases))
  const direction: 'up' | 'down' = next < old ? 'down' : 'up'
  const refuse = (reasons: string[]) => ({ decision: { hot: false as const, reasons }, direction })
  const otherwise = wantsNewPods(after)
  if (otherwise !== undefined) return refuse([otherwise])
  const { config, reasons, notes } = objectReasons(before.objects, after.objects)
  const changed = changedVariables(
    { spec: before.release.spec, config: before.config },
    { spec: after.release.spec, config: after.config },
  )
  const environment = config ? changed : []
  let comparison: Comparison
  try {
    comparison = await compareImages(layout, before.release.spec.image!, after.release.spec.image!, read)
  } catch (error) {
    if (!(error instanceof CuddleError)) throw error
    return refuse([...reasons, `the releases cannot be compared: ${errorMessage(error)}`])
  }
  const decision = decideHot(comparison.diff, { direction, environment })
  const all = [...reasons, ...(decision.hot ? [] : decision.reasons)]
  if (all.length > 0) return refuse(all)
  if (!decision.hot) return refuse([])
  return { decision: { hot: true, notes: [...notes, ...decision.notes] }, comparison, direction }
}
