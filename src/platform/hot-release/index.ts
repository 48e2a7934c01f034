import type { Layout } from '#image'
import type { Kube, KubeObject } from '#kube'
import type { Axn } from '#operator'
import type { AppObject, Failure, HotStatus, ReleaseObject } from '../kinds.ts'
import { releaseConfig } from '../releases.ts'
import { effectiveObjects } from '../scale.ts'
import type { Ahead } from './ahead.ts'
import type { HotResult } from './drive.ts'
import { statefulSets } from './objects.ts'

export { Ahead } from './ahead.ts'
export { hotLines } from './lines.ts'
export { askForNewPods, asksForNewPods } from './replace.ts'

/** Whether a release is one that may be loaded, or asks to be. */
export function wantsHot({ spec }: ReleaseObject, objects: readonly KubeObject[]): boolean {
  return spec.rollout?.mode === 'hot' || statefulSets(objects).length > 0
}

/** Loads a release into the pods of the current one, or says why not. The engine is loaded for the first that wants it. */
export async function hotRelease(
  axn: Axn<AppObject>,
  kube: Kube,
  { layout, ahead }: { layout: Layout; ahead?: Ahead },
  {
    release,
    current,
    objects,
    releases,
  }: {
    release: ReleaseObject
    current: ReleaseObject
    objects: readonly KubeObject[]
    releases: readonly ReleaseObject[]
  },
): Promise<HotResult> {
  const { loadRelease } = await import('./drive.ts')
  const { clock, log, name: app } = axn
  const context = { kube, clock, user: 'cuddle' }
  const [old, next] = await Promise.all([current, release].map((one) => releaseConfig(context, one)))
  const before = { release: current, objects: effectiveObjects(current.spec, axn.object.spec), config: old }
  const after = { release, objects, config: next }
  return loadRelease({ kube, clock, log, layout, ahead }, { app, before, after, releases })
}

/** Whether pods that a release was loaded into run other code since. */
export function hasChanged({ changed = [], added = [], removed = [] }: HotStatus): boolean {
  return changed.length + added.length + removed.length > 0
}

/** The report of a release that could not be loaded, or had to be taken back. */
export function hotFailure(app: string, { state, reasons = [], pods = [] }: HotStatus): Failure {
  const [reason = 'no reason given'] = reasons
  if (state === 'stuck') {
    return {
      reason: 'hot-stuck',
      message: reason,
      next: `fix it and push again; cuddle releases:info -a ${app} shows this report`,
    }
  }
  return {
    reason: 'hot',
    message: `its code could not be loaded: ${reason}`,
    pod: pods.find(({ left }) => left)?.pod,
    next: `fix it and push again, or let it have new pods: git push -o rolling; cuddle releases:info -a ${app} shows this report`,
  }
}
