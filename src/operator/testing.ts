import { apiVersionOf, type Kube, type KubeObject, type ResourceType } from '#kube'
import { type Clock, CuddleError, clone, silentLogger, systemClock } from '#lib'
import { Token } from './axn.ts'
import { deepFreeze } from './freeze.ts'
import { createLister, kindKey, kindKeyOf, Store } from './store.ts'
import type { Axn } from './types.ts'

/**
 * An Axn without a cluster, for testing steps: pass it to a step or to reconcileOnce, then read effects, nextStatus,
 * events and requeue. Objects are copied and deep-frozen, so a step that writes to one throws.
 * @param options `objects` is what the lister sees (each with apiVersion and kind); `kube` serves live reads.
 */
export function testAxn<T extends KubeObject>(
  type: ResourceType<T>,
  object: Partial<T> & { metadata: KubeObject['metadata'] },
  options: { objects?: readonly KubeObject[]; clock?: Clock; kube?: Kube; controller?: string } = {},
): Axn<T> {
  const stores = new Map<string, Store>()
  const storeOf = (key: string) => {
    let store = stores.get(key)
    if (!store) stores.set(key, (store = new Store()))
    return store
  }
  const primary = deepFreeze(clone({ apiVersion: apiVersionOf(type), kind: type.kind, ...object })) as unknown as T
  for (const item of [primary, ...(options.objects ?? [])])
    storeOf(kindKeyOf(item)).set(item === primary ? item : deepFreeze(clone(item)))
  return new Token<T>({
    type,
    object: primary,
    controller: options.controller ?? type.kind.toLowerCase(),
    clock: options.clock ?? systemClock,
    log: silentLogger,
    lister: createLister((wanted) => storeOf(kindKey(wanted))),
    kube: options.kube ?? absentKube,
  })
}

const absentKube = new Proxy({} as Kube, {
  get(_, verb) {
    throw new CuddleError('no-kube', `testAxn has no kube for ${String(verb)}: pass options.kube`)
  },
})
