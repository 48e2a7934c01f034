import { compareResourceVersions, type KubeObject, keyOf, type ResourceType } from '#kube'
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
  /** Own writes under way, by object: its events wait, lest an echo that overtakes the answer be taken for news. */
  readonly #writing = new Map<string, { writes: number; waiting: (() => void)[] }>()
  #seen: string | undefined

  constructor(options: CacheOptions<T>) {
    this.#options = options
  }

  /** The newest resourceVersion that the server has told of: everything up to there is known. */
  get seen(): string | undefined {
    return this.#seen
  }

  /** A BOOKMARK event. */
  reached(resourceVersion: string | undefined): void {
    if (compareResourceVersions(resourceVersion, this.#seen) > 0) this.#seen = resourceVersion
  }

  /** An ADDED or MODIFIED event. */
  observe(object: T): void {
    this.#whenWritten(object, () => this.#enter(object, () => this.trim(object), false))
    this.reached(object.metadata.resourceVersion)
  }

  /** A DELETED event; one that is older than what is there (recreated, or just written by us) is stale. */
  vanish(object: T): void {
    this.#whenWritten(object, () => {
      const previous = this.#get(object)
      if (previous && !isNewer(previous, object)) this.#leave(previous, false)
    })
    this.reached(object.metadata.resourceVersion)
  }

  /**
   * A whole list of trimmed objects, complete at `resourceVersion`: what it does not hold is gone, unless it was written since. A list
   * that is older than what was seen says that the server went back in time (a restored backup), and is right.
   */
  replace(objects: readonly T[], resourceVersion: string | undefined): void {
    const reset = compareResourceVersions(resourceVersion, this.#seen) < 0
    this.#seen = resourceVersion
    const present = new Set<string>()
    for (const object of objects) {
      present.add(keyOf(object))
      if (reset) this.store.remove(object.metadata.name ?? '', object.metadata.namespace)
      this.#whenWritten(object, () => this.#enter(object, () => object, true))
    }
    for (const previous of [...this.store.all()]) {
      const written = compareResourceVersions(previous.metadata.resourceVersion, resourceVersion) > 0
      if (!present.has(keyOf(previous)) && (reset || !written)) this.#leave(previous, true)
    }
  }

  /** Announces an own write of an object; its events wait until the returned function is called. */
  writing(key: string): () => void {
    const state = this.#writing.get(key) ?? { writes: 0, waiting: [] }
    this.#writing.set(key, state)
    state.writes++
    return () => {
      if (--state.writes > 0) return
      this.#writing.delete(key)
      for (const event of state.waiting) event()
    }
  }

  /**
   * The server's answer to an own write: readable at once (read your writes), and its event, when it comes, is no news.
   * `author` is told only when the answer holds more than `intent`: somebody else's change, or a new object.
   */
  wrote(object: T, intent: unknown, author: object | undefined): void {
    const previous = this.#get(object)
    if (!isNewer(object, previous)) return
    // its event has come and gone, and so perhaps has the object
    const waiting = this.#writing.get(keyOf(object))?.waiting ?? []
    if (waiting.length === 0 && compareResourceVersions(this.#seen, object.metadata.resourceVersion) >= 0) return
    const trimmed = this.trim(object)
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

  #whenWritten(object: T, event: () => void): void {
    const state = this.#writing.size > 0 ? this.#writing.get(keyOf(object)) : undefined
    if (state) state.waiting.push(event)
    else event()
  }

  #enter(object: T, trim: () => T, listed: boolean): void {
    const previous = this.#get(object)
    if (!isNewer(object, previous)) return
    const trimmed = trim()
    this.store.set(trimmed)
    this.#options.onChange({ object: trimmed, previous, listed })
  }

  #leave(previous: T, listed: boolean): void {
    this.store.remove(previous.metadata.name ?? '', previous.metadata.namespace)
    this.#options.onChange({ object: undefined, previous, listed })
  }

  #get(object: T): T | undefined {
    return this.store.get(object.metadata.name ?? '', object.metadata.namespace)
  }

  /** An object as the cache keeps it: without what nobody reads, as `transform` and `freeze` of the options have it. Changes the given one. */
  trim(object: T): T {
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
  if (after === undefined || intent === null) return after === undefined && intent === null
  if (Array.isArray(after))
    return (
      Array.isArray(intent) &&
      after.length === intent.length &&
      after.every((item, index) => covered(item, intent[index]))
    )
  if (isObject(after)) return isObject(intent) && Object.keys(after).every((key) => covered(after[key], intent[key]))
  return after === intent
}
