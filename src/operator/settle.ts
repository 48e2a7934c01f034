import {
  controllerOf,
  isAlreadyExists,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
  type Kube,
  type KubeObject,
  keyOf,
  type ResourceType,
} from '#kube'
import { clone, equal, isObject, sha256, stableStringify } from '#lib'
import { childAnnotation } from './axn.ts'
import { mergeDiff } from './merge-diff.ts'
import { kindKey } from './store.ts'
import type { Axn, Controller, Effect, Lister } from './types.ts'

type Of<D extends Effect['do']> = Extract<Effect, { do: D }>

export interface SettleOptions<T extends KubeObject> {
  controller: Controller<T>
  axn: Axn<T>
  /** For what the steps do by hand: the controller hears of these writes. */
  kube: Kube
  /** For the state that the steps declare (status, children, finalizers): it does not, unless they hold news. */
  quiet: Kube
  /** The primary as this pass last saw or wrote it. */
  primary: () => KubeObject
  lister: Lister
  /** An object of a kind that has a cache; undefined for every other kind. */
  cached: (type: ResourceType<any>, name: string, namespace: string | undefined) => KubeObject | undefined
  /** Aborted when the pass no longer counts: nothing further is written. */
  signal: AbortSignal
  /** What this primary's children were last applied as: kept between passes. */
  applied: Map<string, string>
}

/** Carries out what a pass wants done, in the order that the Effect type states. Throws at the first failure. */
export async function settle<T extends KubeObject>(options: SettleOptions<T>): Promise<void> {
  const { axn, kube, signal } = options
  const before = axn.object.metadata.finalizers ?? []
  const adds = axn.finalizers !== undefined && axn.finalizers.length > before.length
  // nothing may exist that a finalizer has to clean up before the finalizer itself does
  if (adds) await writeFinalizers(options)

  const effects = (kind: Effect['do']) => axn.effects.filter((effect) => effect.do === kind) as any[]
  await inBatches(effects('delete'), signal, (effect) => remove(kube, effect))
  for (const effect of effects('apply')) await apply(options, effect)
  await prune(options)
  await inBatches(effects('create'), signal, (effect) => create(kube, effect))
  for (const effect of effects('patch')) await patch(options, effect)
  for (const effect of effects('run') as Of<'run'>[]) {
    signal.throwIfAborted()
    await effect.run(kube)
  }
  await writeStatus(options)
  if (axn.finalizers && !adds) await writeFinalizers(options)
}

async function writeFinalizers<T extends KubeObject>(options: SettleOptions<T>): Promise<void> {
  const { uid, resourceVersion, finalizers: current = [] } = options.primary().metadata
  const before = options.axn.object.metadata.finalizers ?? []
  const wanted = options.axn.finalizers ?? []
  const kept = current.filter((name) => wanted.includes(name) || !before.includes(name))
  const finalizers = [...new Set([...kept, ...wanted.filter((name) => !before.includes(name))])]
  // with the version as a precondition nobody else's finalizer can be lost or come back
  await patchPrimary(options, {
    metadata: { uid, resourceVersion, finalizers: finalizers.length > 0 ? finalizers : null },
  })
}

async function writeStatus<T extends KubeObject>(options: SettleOptions<T>): Promise<void> {
  const { axn } = options
  // the difference from what the steps saw, so that what this pass itself changed meanwhile stays
  const status = axn.nextStatus && mergeDiff((axn.object as KubeObject)['status'] ?? {}, axn.nextStatus)
  if (!status) return
  const { resourceVersion } = options.primary().metadata
  await patchPrimary(options, { metadata: { resourceVersion }, status }, 'status')
}

async function patchPrimary<T extends KubeObject>(
  { axn, quiet, controller, signal }: SettleOptions<T>,
  patch: object,
  subresource?: string,
): Promise<void> {
  signal.throwIfAborted()
  const ref = { name: axn.name, ...(axn.namespace && { namespace: axn.namespace }) }
  try {
    await quiet.patch(controller.type, ref, patch, subresource ? { subresource } : {})
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

async function remove(kube: Kube, { ref, uid, gracePeriodSeconds, propagationPolicy }: Of<'delete'>): Promise<void> {
  try {
    await kube.delete(ref.type, ref.name, ref.namespace, {
      ...(uid && { preconditions: { uid } }),
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      ...(propagationPolicy && { propagationPolicy }),
    })
  } catch (error) {
    // a conflict about the uid says that the one that was meant is gone
    if (!isNotFound(error) && !(uid && isConflict(error))) throw error
  }
}

async function create(kube: Kube, { type, object }: Of<'create'>): Promise<void> {
  try {
    await kube.create(type, object)
  } catch (error) {
    if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error
  }
}

async function apply<T extends KubeObject>(
  { controller, kube, quiet, cached, signal, applied }: SettleOptions<T>,
  { type, object, force, child }: Of<'apply'>,
): Promise<void> {
  signal.throwIfAborted()
  const id = `${kindKey(type)}/${keyOf(object)}`
  const wanted = sha256(stableStringify(object)).slice(0, 32)
  if (applied.get(id) === wanted) {
    const live = cached(type, object.metadata.name ?? '', object.metadata.namespace)
    // same intent as last time, and everything in it still holds: the answer would be the object as it is
    if (live && !live.metadata.deletionTimestamp && includes(live, object)) return
  }
  try {
    await (child ? quiet : kube).apply(type, clone(object), { fieldManager: controller.name, force })
    applied.set(id, wanted)
  } catch (error) {
    if (!isNamespaceTerminating(error)) throw error
  }
}

async function patch<T extends KubeObject>({ kube, signal }: SettleOptions<T>, effect: Of<'patch'>): Promise<void> {
  signal.throwIfAborted()
  const { ref, patchType: type, subresource } = effect
  try {
    const target = { name: ref.name, ...(ref.namespace && { namespace: ref.namespace }) }
    await kube.patch(ref.type, target, effect.patch, { type, ...(subresource && { subresource }) })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/** Deletes the children of earlier passes that this one no longer names. */
async function prune<T extends KubeObject>({ controller, axn, kube, lister, signal, applied }: SettleOptions<T>) {
  const { uid } = axn.object.metadata
  if (axn.halted || axn.deleting || !uid) return
  const named = new Set<string>()
  for (const effect of axn.effects)
    if (effect.do === 'apply') named.add(`${kindKey(effect.type)}/${keyOf(effect.object)}`)
  for (const id of applied.keys()) if (!named.has(id)) applied.delete(id)
  for (const type of controller.options.owns ?? []) {
    for (const child of lister.owned(type, uid)) {
      const mine = child.metadata.annotations?.[childAnnotation] === controller.name && controllerOf(child)?.uid === uid
      if (!mine || named.has(`${kindKey(type)}/${keyOf(child)}`) || child.metadata.deletionTimestamp) continue
      signal.throwIfAborted()
      const { name = '', namespace } = child.metadata
      const ref = { type, name, ...(namespace && { namespace }) }
      await remove(kube, { do: 'delete', ref, propagationPolicy: 'Background', uid: child.metadata.uid! })
    }
  }
}

/** Does `object` hold everything that `part` says? Lists must be equally long and agree item by item. */
function includes(object: unknown, part: unknown): boolean {
  if (Array.isArray(part))
    return (
      Array.isArray(object) &&
      object.length === part.length &&
      part.every((item, index) => includes(object[index], item))
    )
  if (isObject(part))
    return (
      isObject(object) && Object.keys(part).every((key) => part[key] === undefined || includes(object[key], part[key]))
    )
  return equal(object, part)
}

/**
 * One, then two, four … at a time up to 16, as the ReplicaSet controller's slowStartBatch: quick when all is well, and a
 * quota that refuses the first is not asked a hundred times.
 */
async function inBatches<E>(items: readonly E[], signal: AbortSignal, work: (item: E) => Promise<void>) {
  for (let start = 0, size = 1; start < items.length; start += size, size = Math.min(16, size * 2)) {
    signal.throwIfAborted()
    const results = await Promise.allSettled(items.slice(start, start + size).map(work))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
  }
}
