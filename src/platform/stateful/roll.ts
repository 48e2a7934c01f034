import type { KubeObject, objects } from '#kube'
import { isMadeFrom, type LoadedPod, runs } from './shape.ts'
import { sizing } from './size.ts'

type Pod = objects.Pod & KubeObject
type StatefulSet = objects.StatefulSet & KubeObject

/** Annotation of a StatefulSet that holds, while more pods than usual are there, how many are usual. */
export const usualAnnotation = 'cuddle.dev/usual-replicas'

/** New pods beside the old ones at a time, where the app has few; a quarter where it has many. */
const leastSurge = 3

export interface SetState {
  /** Pods that run what is wanted and are ready. */
  serving: number
  /** How many are wanted, besides those that are there for the time of a rollout. */
  replicas: number
  /** Pods that run something else and have not been told to go. */
  stale: Pod[]
  /** Pods that were made from the wanted template. */
  made: Pod[]
  /** Pods that run what is wanted in another size, and get it where they run. */
  resizing: Pod[]
  /** What to do next; nothing while something is awaited, or all is as wanted. */
  next: { replicas?: number; usual?: number | null; remove: Pod[]; resize?: Pod[] } | undefined
}

/**
 * How the pods of a StatefulSet with `OnDelete` come to run what is wanted, new before old: it grows by some ordinals, whose
 * pods start with the new template; for each of them that is ready an old pod is deleted, and comes back new; when none
 * is old, it shrinks again. From the state of the world alone, so it can be left and gone on with at any moment.
 *
 * @param wanted the object as it is applied; without `replicas` where an autoscaler decides
 * @param live undefined before it is made
 */
export function planRoll(
  wanted: KubeObject,
  live: StatefulSet | undefined,
  all: readonly Pod[],
  loaded: readonly LoadedPod[],
  now: number,
): SetState {
  const template = wanted.spec.template
  const pods = live
    ? all.filter(
        ({ metadata }) =>
          !metadata.deletionTimestamp && metadata.ownerReferences?.some(({ uid }) => uid === live.metadata.uid),
      )
    : []
  const stale = pods.filter((pod) => !runs(pod, template, loaded) || sizing(pod, template) === 'refused')
  const resizing = pods.filter((pod) => !stale.includes(pod) && sizing(pod, template) !== 'done')
  const minReady = (wanted.spec.minReadySeconds ?? 0) * 1000
  const settled = pods.filter((pod) => !stale.includes(pod) && !resizing.includes(pod))
  const current = settled.filter((pod) => isReady(pod, minReady, now))
  const kept = Number(live?.metadata.annotations?.[usualAnnotation] ?? Number.NaN)
  const present = live?.spec?.replicas ?? 0
  const replicas: number = wanted.spec.replicas ?? (Number.isNaN(kept) ? present : kept)
  const made = pods.filter((pod) => isMadeFrom(pod, template))
  const state = { serving: current.length, replicas, stale, made, resizing, next: undefined }
  if (!live || (live.status?.observedGeneration ?? 0) < (live.metadata.generation ?? 0)) return state
  const resize = resizing.filter((pod) => sizing(pod, template) === 'wanted')
  if (resize.length > 0) return { ...state, next: { resize, remove: [] } }
  if (stale.length === 0 || replicas === 0) {
    // Those beyond the usual go when the usual ones are all there.
    const usual = pods.filter((pod) => ordinal(pod) < replicas && current.includes(pod)).length
    if (present === replicas) return { ...state, next: Number.isNaN(kept) ? undefined : { usual: null, remove: [] } }
    if (present > replicas && usual < replicas) return state
    return { ...state, next: { replicas, usual: null, remove: [] } }
  }
  const surge = Math.min(stale.length, Math.max(leastSurge, Math.ceil(replicas / 4)))
  // What does not serve anyway may go at once.
  const idle = stale.filter((pod) => !isReady(pod, 0, now))
  if (present < replicas + surge && idle.length < stale.length) {
    return { ...state, next: { replicas: replicas + surge, usual: replicas, remove: idle } }
  }
  const busy = stale.filter((pod) => !idle.includes(pod)).sort((a, b) => ordinal(b) - ordinal(a))
  const spare = Math.max(0, busy.length + current.length - replicas)
  const remove = [...idle, ...busy.slice(0, spare)]
  return { ...state, next: remove.length > 0 ? { remove } : undefined }
}

function isReady(pod: Pod, minReadyMs: number, now: number): boolean {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True') return false
  return minReadyMs === 0 || now - Date.parse(ready.lastTransitionTime ?? '') >= minReadyMs
}

/** `shop-web-2` → 2 */
function ordinal(pod: Pod): number {
  return Number(/-(\d+)$/.exec(pod.metadata.name ?? '')?.[1] ?? 0)
}
