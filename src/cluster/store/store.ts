import { readFileSync } from 'node:fs'
import type { KubeObject } from '#kube'
import { type Logger, silentLogger } from '#lib'
import { Collection } from './collection.ts'
import { Disk, type DiskChange, type DiskWrite } from './disk.ts'
import { CompactedError, StoreWriteError } from './errors.ts'
import { History } from './history.ts'
import { record, Stored, type StoreEvent, tombstone } from './record.ts'
import { Vault } from './vault.ts'

export interface StoreOptions {
  /** The SQLite file; made when missing. */
  path: string
  /** 32 bytes, or the file that holds them; encrypts the values of `secretResources`. */
  encryptionKey: Uint8Array | string
  log?: Logger
  /** Bytes of recent events that are kept for watches that resume. @default 4 MiB */
  historyBytes?: number
  /** Resources whose values are encrypted on disk. @default core/secrets */
  secretResources?: readonly string[]
  /** Upper bound of the file in 4 KiB pages. @default none */
  maxPages?: number
}

/** What a write wants, given the state it sees. `object` is owned by the store from then on. */
export type Change = { put: KubeObject } | { delete: true } | { keep: true }

/** How a write ended. `stored` of a deletion is the tombstone. */
export interface Written {
  type: 'put' | 'deleted' | 'kept'
  stored: Stored | undefined
}

interface Staged {
  resource: string
  id: string
  rv: number
  after: Stored | undefined
  previous: Stored | undefined
}

/**
 * Every object in RAM, every write on disk. Writes of one turn of the event loop are one transaction: they are staged
 * at once (later writers of the turn see them), committed together, then published and acknowledged. Readers see only
 * what is committed.
 */
export class Store {
  readonly #disk: Disk
  readonly #log: Logger
  readonly #collections = new Map<string, Collection>()
  readonly #history: History
  readonly #secrets: ReadonlySet<string>
  /** What was trimmed before this start is unknown to every resource alike. */
  readonly #floor: number
  readonly #tombstones = new Map<number, Stored>()
  readonly #watchers = new Map<string, Set<(event: StoreEvent) => void>>()
  #staged: Staged[] = []
  #overlay = new Map<string, Stored | undefined>()
  #batch: PromiseWithResolvers<void> | undefined
  #revision: number
  #next: number
  #trimmed = 0
  #sinceTrim = 0
  #closed = false

  private constructor(options: StoreOptions) {
    const key = typeof options.encryptionKey === 'string' ? readFileSync(options.encryptionKey) : options.encryptionKey
    this.#log = options.log ?? silentLogger
    this.#secrets = new Set(options.secretResources ?? ['core/secrets'])
    this.#disk = Disk.open(options.path, new Vault(key), { maxPages: options.maxPages })
    const { objects, changes, revision } = this.#disk.load(options.path)
    for (const { key: path, rv, bytes } of objects) {
      const [resource, id] = splitKey(path)
      this.#collection(resource).set(new Stored(resource, id, rv, bytes))
    }
    this.#revision = this.#next = revision
    const oldest = changes.length === 0 ? revision : changes[changes.length - 1].rv - 1
    this.#history = new History(oldest, options.historyBytes ?? 4 * 1024 * 1024)
    this.#floor = oldest
    for (const event of this.#replay(changes)) this.#history.push(event)
  }

  /** Opens the store and holds it; CuddleErrors as Disk.open tells. */
  static open(options: StoreOptions): Store {
    return new Store(options)
  }

  /** The newest committed revision. */
  get revision(): number {
    return this.#revision
  }

  /** The committed state of an object. */
  get(resource: string, id: string): Stored | undefined {
    return this.#collections.get(resource)?.items.get(id)
  }

  /** The committed objects of a resource, in key order. */
  list(resource: string, namespace?: string): Stored[] {
    return this.page(resource, namespace).items
  }

  /** As `list`, from behind the id `after` and at most `limit` objects; `remaining` says how many follow. */
  page(resource: string, namespace?: string, after?: string, limit?: number): { items: Stored[]; remaining: number } {
    return this.#collections.get(resource)?.page(namespace, after, limit) ?? { items: [], remaining: 0 }
  }

  /** How many objects a resource has. */
  count(resource: string): number {
    return this.#collections.get(resource)?.items.size ?? 0
  }

  /** Names of the resources that hold or held objects. */
  resources(): string[] {
    return [...this.#collections.keys()]
  }

  /** What a writer of this turn must see: staged or committed. */
  peek(resource: string, id: string): Stored | undefined {
    const key = `${resource}/${id}`
    return this.#overlay.has(key) ? this.#overlay.get(key) : this.get(resource, id)
  }

  /** As `list`, with what this turn has staged. Order is not promised. */
  peekAll(resource: string, namespace?: string): Stored[] {
    const all = this.list(resource, namespace)
    if (this.#overlay.size === 0) return all
    const merged = new Map(all.map((stored) => [stored.id, stored]))
    for (const { resource: changed, id, after } of this.#staged) {
      if (changed !== resource || (namespace !== undefined && !id.startsWith(`${namespace}/`))) continue
      if (after) merged.set(id, after)
      else merged.delete(id)
    }
    return [...merged.values()]
  }

  /** The objects of a resource as they were at revision `rv`. Throws CompactedError. */
  snapshot(resource: string, rv: number, namespace?: string): Stored[] {
    const events = this.since(resource, rv)
    const current = this.list(resource, namespace)
    if (events.length === 0) return current
    const items = new Map(current.map((stored) => [stored.id, stored]))
    for (let index = events.length - 1; index >= 0; index--) {
      const { after, previous } = events[index]
      if (namespace !== undefined && after.namespace !== namespace) continue
      if (previous) items.set(after.id, previous)
      else items.delete(after.id)
    }
    return [...items.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Events of a resource after `rv`, oldest first. Throws CompactedError. */
  since(resource: string, rv: number): StoreEvent[] {
    if (rv < this.#floor) throw new CompactedError(rv, Math.max(this.#floor, this.#history.floor(resource)))
    return this.#history.since(resource, rv)
  }

  /** Calls `listener` for every later commit to the resource, in order, in the turn of the commit. Returns the way out. */
  subscribe(resource: string, listener: (event: StoreEvent) => void): () => void {
    let listeners = this.#watchers.get(resource)
    if (!listeners) this.#watchers.set(resource, (listeners = new Set()))
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /**
   * Changes one object: `decide` is called at once with the newest state and may throw to refuse. Resolves when it is
   * durable; rejects with StoreWriteError when the disk refuses, in which case nothing of it happened.
   */
  async write(resource: string, id: string, decide: (current: Stored | undefined) => Change): Promise<Written> {
    if (this.#closed) throw new StoreWriteError('the store is closed', false, undefined)
    const key = `${resource}/${id}`
    const current = this.peek(resource, id)
    const change = decide(current)
    if ('keep' in change || ('delete' in change && !current)) {
      if (this.#overlay.has(key)) await this.#batch!.promise
      return { type: 'kept', stored: current }
    }
    const rv = ++this.#next
    const after = 'put' in change ? record(resource, id, rv, change.put) : undefined
    this.#staged.push({ resource, id, rv, after, previous: current })
    this.#overlay.set(key, after)
    if (!this.#batch) {
      this.#batch = Promise.withResolvers()
      setImmediate(() => this.#flush())
    }
    await this.#batch.promise
    return after ? { type: 'put', stored: after } : { type: 'deleted', stored: this.#tombstones.get(rv) }
  }

  /** Commits what is staged and lets go of the file. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#staged.length > 0) this.#flush()
    this.#disk.close()
  }

  #collection(resource: string): Collection {
    let collection = this.#collections.get(resource)
    if (!collection) this.#collections.set(resource, (collection = new Collection()))
    return collection
  }

  #flush(): void {
    const batch = this.#batch
    const staged = this.#staged
    if (!batch || staged.length === 0) return
    this.#batch = undefined
    this.#staged = []
    this.#overlay = new Map()
    try {
      this.#disk.commit(
        staged.map((change) => this.#diskWrite(change)),
        this.#trimTo(staged.length),
      )
    } catch (error) {
      this.#next = this.#revision
      const full = ((error as { errcode?: number }).errcode ?? 0) % 256 === 13
      this.#log.error({ error: String(error), writes: staged.length }, 'the store could not commit')
      const what = full ? 'the disk is full' : String((error as Error).message)
      batch.promise.catch(() => {})
      batch.reject(new StoreWriteError(`the store cannot write: ${what}`, full, error))
      return
    }
    this.#revision = staged[staged.length - 1].rv
    for (const change of staged) this.#publish(change)
    batch.resolve()
    void batch.promise.then(() => this.#tombstones.clear())
  }

  #diskWrite({ resource, id, rv, after, previous }: Staged): DiskWrite {
    return {
      key: `${resource}/${id}`,
      rv,
      bytes: after?.bytes ?? null,
      previous: previous?.bytes ?? null,
      previousRv: previous?.rv ?? 0,
      secret: this.#secrets.has(resource),
    }
  }

  /** Every thousand writes the log is cut back to what the history still holds. */
  #trimTo(writes: number): number {
    this.#sinceTrim += writes
    if (this.#sinceTrim < 1000 || this.#history.trimmedTo <= this.#trimmed) return 0
    this.#sinceTrim = 0
    this.#trimmed = this.#history.trimmedTo
    return this.#trimmed
  }

  #publish({ resource, id, rv, after, previous }: Staged): void {
    const collection = this.#collection(resource)
    let event: StoreEvent
    if (after) {
      collection.set(after)
      event = { type: previous ? 'MODIFIED' : 'ADDED', rv, after, previous }
    } else {
      collection.delete(id)
      const last = tombstone(previous!, rv)
      this.#tombstones.set(rv, last)
      event = { type: 'DELETED', rv, after: last, previous }
    }
    this.#history.push(event)
    const listeners = this.#watchers.get(resource)
    if (!listeners) return
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#log.error({ error: String(error), resource }, 'a listener of the store failed')
      }
    }
  }

  /** Rebuilds the events of the log, walking back from the present. `changes` come newest first. */
  #replay(changes: readonly DiskChange[]): StoreEvent[] {
    const events: StoreEvent[] = []
    const later = new Map<string, Stored | undefined>()
    for (const { key, rv, previous: bytes, previousRv } of changes) {
      const [resource, id] = splitKey(key)
      const after = later.has(key) ? later.get(key) : this.get(resource, id)
      const previous = bytes ? new Stored(resource, id, previousRv, bytes) : undefined
      later.set(key, previous)
      if (after) events.push({ type: previous ? 'MODIFIED' : 'ADDED', rv, after, previous })
      else if (previous) events.push({ type: 'DELETED', rv, after: tombstone(previous, rv), previous })
    }
    return events.reverse()
  }
}

/** `group/plural/…` → resource and id. */
function splitKey(key: string): [resource: string, id: string] {
  const cut = key.indexOf('/', key.indexOf('/') + 1)
  return [key.slice(0, cut), key.slice(cut + 1)]
}
