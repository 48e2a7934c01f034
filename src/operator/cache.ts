import { compareResourceVersions, type KubeObject, type ResourceType } from '#kube'
import { isObject } from '#lib'
import { deepFreeze } from './freeze.ts'
import { Store } from './store.ts'

/** A change of one object: `object` is undefined when it is gone, `previous` when it is new. */
export interface Change<T extends KubeObject = KubeObject> {
  readonly object: T | undefined
  readonly previous: T | undefined
  /** Came with a list, not with an event. */
  readonly listed: boolean
  /** The pass whose own write this is and to which it says nothing new; every other listener hears of it. */
  readonly author?: object | undefined
}

export interface CacheOptions<T extends KubeObject> {
  type: ResourceType<T>
  transform?: ((type: ResourceType<any>, object: KubeObject) => KubeObject) | undefined
  freeze?: boolean | undefined
  onChange: (change: Change<T>) => void
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/**
 * The store of one kind and the one way into it, for what the reflector reads and for what we write ourselves. An
 * object enters only if its resourceVersion is newer, so duplicates, stale events and echoes of own writes fall away.
 */
export class Cache<T extends KubeObject = KubeObject> {
  readonly store = new Store<T>()
  readonly #options: CacheOptions<T>

  constructor(options: CacheOptions<T>) {
    this.#options = options
  }

  /** An ADDED or MODIFIED event, or a listed object. */
  observe(object: T, listed = false): void {
    const previous = this.#get(object)
    if (!isNewer(object, previous)) return
    const trimmed = this.#trim(object)
    this.store.set(trimmed)
    this.#options.onChange({ object: trimmed, previous, listed })
  }

  /** A DELETED event; one that is older than what is there (recreated, or just written by us) is stale. */
  vanish(object: T): void {
    const previous = this.#get(object)
    if (!previous || isNewer(previous, object)) return
    this.store.remove(object.metadata.name ?? '', object.metadata.namespace)
    this.#options.onChange({ object: undefined, previous, listed: false })
  }

  /**
   * A whole list, complete at `resourceVersion`: what it does not hold is gone, unless it was written since.
   * @param reset the server went back in time (a restored backup): the list is right, whatever is newer.
   */
  replace(objects: readonly T[], resourceVersion: string | undefined, reset = false): void {
    const present = new Set<string>()
    for (const object of objects) {
      present.add(`${object.metadata.namespace ?? ''}/${object.metadata.name}`)
      if (reset) this.store.remove(object.metadata.name ?? '', object.metadata.namespace)
      this.observe(object, true)
    }
    for (const previous of [...this.store.all()]) {
      const { name = '', namespace = '' } = previous.metadata
      if (present.has(`${namespace}/${name}`)) continue
      if (!reset && compareResourceVersions(previous.metadata.resourceVersion, resourceVersion) > 0) continue
      this.store.remove(name, namespace)
      this.#options.onChange({ object: undefined, previous, listed: true })
    }
  }

  /**
   * The server's answer to an own write: readable at once (read your writes), and its event, when it comes, is no news.
   * `author` is told only when the answer holds more than `intent`: somebody else's change, or a new object.
   */
  wrote(object: T, intent: unknown, author: object | undefined): void {
    const previous = this.#get(object)
    if (!isNewer(object, previous)) return
    const trimmed = this.#trim(object)
    this.store.set(trimmed)
    const expected = previous !== undefined && onlyIntended(previous, trimmed, intent)
    this.#options.onChange({ object: trimmed, previous, listed: false, ...(expected && { author }) })
  }

  /**
   * An own delete was accepted: until its event comes the object reads as being deleted, so that nobody counts on it.
   * It keeps its resourceVersion, for the event is newer.
   */
  deleting(name: string, namespace: string | undefined, uid: string | undefined, at: string): void {
    const object = this.store.get(name, namespace)
    if (!object || object.metadata.deletionTimestamp || (uid && object.metadata.uid !== uid)) return
    const marked = { ...object, metadata: { ...object.metadata, deletionTimestamp: at } }
    this.store.set(this.#options.freeze ? deepFreeze(marked) : marked)
  }

  #get(object: T): T | undefined {
    return this.store.get(object.metadata.name ?? '', object.metadata.namespace)
  }

  #trim(object: T): T {
    const { metadata } = object
    delete metadata.managedFields
    if (metadata.annotations && lastApplied in metadata.annotations) delete metadata.annotations[lastApplied]
    const trimmed = (this.#options.transform?.(this.#options.type, object) ?? object) as T
    return this.#options.freeze ? deepFreeze(trimmed) : trimmed
  }
}

function isNewer(object: KubeObject, other: KubeObject | undefined): boolean {
  return (
    other === undefined || compareResourceVersions(object.metadata.resourceVersion, other.metadata.resourceVersion) > 0
  )
}

const bookkeeping = new Set(['resourceVersion', 'generation', 'managedFields'])

/** Do two versions differ only where `intent` wanted them to? When in doubt, no: the price is one more pass. */
export function onlyIntended(before: unknown, after: unknown, intent: unknown): boolean {
  if (before === after) return true
  if (Array.isArray(before) && Array.isArray(after)) {
    const wanted = Array.isArray(intent) ? intent : undefined
    if (before.length === after.length && (!wanted || wanted.length === after.length))
      return before.every((item, index) => onlyIntended(item, after[index], wanted?.[index]))
    return covered(after, intent)
  }
  if (isObject(before) && isObject(after)) {
    const wanted = isObject(intent) ? intent : {}
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (bookkeeping.has(key)) continue
      if (!onlyIntended(before[key], after[key], wanted[key])) return false
    }
    return true
  }
  return covered(after, intent)
}

function covered(after: unknown, intent: unknown): boolean {
  if (intent === null) return after === undefined
  if (Array.isArray(after))
    return (
      Array.isArray(intent) &&
      after.length === intent.length &&
      after.every((item, index) => covered(item, intent[index]))
    )
  if (isObject(after)) return isObject(intent) && Object.keys(after).every((key) => covered(after[key], intent[key]))
  return after === intent
}
