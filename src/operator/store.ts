import { controllerOf, type KubeObject, matches, matchesLabels, type ResourceType } from '#kube'
import type { Lister } from './types.ts'

type ListFilter = NonNullable<Parameters<Lister['list']>[1]>

/**
 * All objects of one kind in memory, by namespace and name, with an index of controllers' uids and, for each label key
 * that was ever asked for, one of its values.
 */
export class Store<T extends KubeObject = KubeObject> {
  readonly #namespaces = new Map<string, Map<string, T>>()
  readonly #owned = new Map<string, Set<T>>()
  readonly #labels = new Map<string, Map<string, Set<T>>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(name: string, namespace = ''): T | undefined {
    return this.#namespaces.get(namespace)?.get(name)
  }

  /** Takes an object in, in place of the one of its name. */
  set(object: T): void {
    const { name = '', namespace = '' } = object.metadata
    let objects = this.#namespaces.get(namespace)
    if (!objects) this.#namespaces.set(namespace, (objects = new Map()))
    const previous = objects.get(name)
    if (previous) this.#unindex(previous)
    else this.#size++
    objects.set(name, object)
    this.#index(object)
  }

  remove(name: string, namespace = ''): T | undefined {
    const objects = this.#namespaces.get(namespace)
    const previous = objects?.get(name)
    if (!objects || !previous) return undefined
    this.#unindex(previous)
    objects.delete(name)
    if (objects.size === 0) this.#namespaces.delete(namespace)
    this.#size--
    return previous
  }

  *all(namespace?: string): Generator<T> {
    if (namespace !== undefined) yield* this.#namespaces.get(namespace)?.values() ?? []
    else for (const objects of this.#namespaces.values()) yield* objects.values()
  }

  owned(uid: string): T[] {
    return [...(this.#owned.get(uid) ?? [])]
  }

  list({ namespace, labels, selector }: ListFilter = {}): T[] {
    const found: T[] = []
    const wanted = { ...selector?.matchLabels, ...labels }
    for (const object of this.#candidates(namespace, wanted)) {
      if (namespace !== undefined && object.metadata.namespace !== namespace) continue
      if (!matchesLabels(labels, object.metadata.labels)) continue
      if (selector && !matches(selector, object.metadata.labels)) continue
      found.push(object)
    }
    return found
  }

  /** The smallest set that is known to hold every match. */
  #candidates(namespace: string | undefined, wanted: Record<string, string>): Iterable<T> {
    let best: Iterable<T> = this.all(namespace)
    let size = namespace === undefined ? this.#size : (this.#namespaces.get(namespace)?.size ?? 0)
    for (const key in wanted) {
      const objects = this.#labelIndex(key).get(wanted[key]!)
      if ((objects?.size ?? 0) < size) {
        best = objects ?? []
        size = objects?.size ?? 0
      }
    }
    return best
  }

  #labelIndex(key: string): Map<string, Set<T>> {
    let index = this.#labels.get(key)
    if (index) return index
    index = new Map()
    this.#labels.set(key, index)
    for (const object of this.all()) addTo(index, object.metadata.labels?.[key], object)
    return index
  }

  #index(object: T): void {
    addTo(this.#owned, controllerOf(object)?.uid, object)
    for (const [key, index] of this.#labels) addTo(index, object.metadata.labels?.[key], object)
  }

  #unindex(object: T): void {
    removeFrom(this.#owned, controllerOf(object)?.uid, object)
    for (const [key, index] of this.#labels) removeFrom(index, object.metadata.labels?.[key], object)
  }
}

function addTo<T>(index: Map<string, Set<T>>, value: string | undefined, object: T): void {
  if (value === undefined) return
  const objects = index.get(value)
  if (objects) objects.add(object)
  else index.set(value, new Set([object]))
}

function removeFrom<T>(index: Map<string, Set<T>>, value: string | undefined, object: T): void {
  if (value === undefined) return
  const objects = index.get(value)
  objects?.delete(object)
  if (objects?.size === 0) index.delete(value)
}

/** One name per kind, whichever version it is served in: `Deployment.apps`, `Pod`. */
export function kindKey(type: Pick<ResourceType, 'group' | 'kind'>): string {
  return type.group === '' ? type.kind : `${type.kind}.${type.group}`
}

/** The same from an object or reference. */
export function kindKeyOf({ apiVersion, kind }: { apiVersion: string; kind: string }): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? kind : `${kind}.${apiVersion.slice(0, slash)}`
}

/** Reads from stores; `storeOf` decides what happens for a kind that has none. */
export function createLister(storeOf: (type: ResourceType<any>) => Store<any>): Lister {
  return {
    get: (type, name, namespace) => storeOf(type).get(name, type.namespaced ? (namespace ?? '') : ''),
    list: (type, options) => storeOf(type).list(options),
    owned: (type, uid) => storeOf(type).owned(uid),
  }
}
