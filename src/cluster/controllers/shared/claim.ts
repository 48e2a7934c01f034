import { controllerOf, type Kube, type KubeObject, matches, type ResourceType } from '#kube'
import { controllerReference } from './owners.ts'

export interface Claim<T> {
  /** Belong to the owner, and match. */
  owned: T[]
  /** Match and have no controller: to be adopted. */
  adopt: T[]
  /** Belong to the owner and no longer match: to be let go. */
  release: T[]
}

/** Sorts what an owner has and what it could have (upstream's ControllerRefManager); pure. */
export function claim<T extends KubeObject>(
  owner: KubeObject,
  selector: Record<string, any> | undefined,
  mine: readonly T[],
  orphans: readonly T[],
): Claim<T> {
  const result: Claim<T> = { owned: [], adopt: [], release: [] }
  const dying = owner.metadata.deletionTimestamp !== undefined
  for (const object of mine) {
    if (matches(selector, object.metadata.labels)) result.owned.push(object)
    else if (dying || object.metadata.deletionTimestamp !== undefined) result.owned.push(object)
    else result.release.push(object)
  }
  if (dying) return result
  for (const object of orphans) {
    if (controllerOf(object) || object.metadata.deletionTimestamp !== undefined) continue
    if (object.metadata.namespace === owner.metadata.namespace && matches(selector, object.metadata.labels))
      result.adopt.push(object)
  }
  return result
}

/**
 * Carries a claim out; the uid in each patch makes the API server refuse a namesake. True when something was adopted.
 *
 * @param finalizer what the owner's objects carry; adopted ones get it, released ones lose it
 */
export async function settleClaim(
  kube: Kube,
  ownerType: ResourceType<any>,
  owner: KubeObject,
  type: ResourceType<any>,
  { adopt, release }: Claim<KubeObject>,
  finalizer?: string,
): Promise<boolean> {
  if (adopt.length > 0) {
    // The cache may show an owner that is already being deleted, or gone: ask the source before taking anything in.
    const live = await kube.find(ownerType, owner.metadata.name!, owner.metadata.namespace)
    if (live?.metadata.uid !== owner.metadata.uid || live?.metadata.deletionTimestamp !== undefined) return false
  }
  for (const object of adopt) {
    const ownerReferences = [...(object.metadata.ownerReferences ?? []), controllerReference(ownerType, owner)]
    await patchReferences(
      kube,
      type,
      object,
      ownerReferences,
      finalizer === undefined ? undefined : withFinalizer(object, finalizer),
    )
  }
  for (const object of release) {
    const ownerReferences = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid)
    await patchReferences(
      kube,
      type,
      object,
      ownerReferences,
      finalizer === undefined ? undefined : withoutFinalizer(object, finalizer),
    )
  }
  return adopt.length > 0
}

function withFinalizer({ metadata }: KubeObject, finalizer: string): string[] {
  return [...new Set([...(metadata.finalizers ?? []), finalizer])]
}

function withoutFinalizer({ metadata }: KubeObject, finalizer: string): string[] {
  return (metadata.finalizers ?? []).filter((each) => each !== finalizer)
}

async function patchReferences(
  kube: Kube,
  type: ResourceType<any>,
  object: KubeObject,
  ownerReferences: object[],
  finalizers: string[] | undefined,
) {
  const { name, namespace, uid, resourceVersion } = object.metadata
  const orNull = (list: object[] | string[]) => (list.length > 0 ? list : null)
  const patch = {
    metadata: {
      uid,
      resourceVersion,
      ownerReferences: orNull(ownerReferences),
      ...(finalizers ? { finalizers: orNull(finalizers) } : {}),
    },
  }
  await kube.patch(type, { name: name!, namespace }, patch, { type: 'merge' })
}
