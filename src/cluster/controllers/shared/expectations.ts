import type { KubeObject } from '#kube'
import type { Clock } from '#lib'

/**
 * What a controller has written and its cache has not shown yet. Counting pods in a cache that lags behind one's own
 * creates would create them twice.
 *
 * A create is awaited by revision: the cache has seen it once any object of the kind with that resourceVersion or a
 * later one has come in (resourceVersions of one kind are ordered, KEP-5504). A delete is remembered by uid, which
 * never comes back, until the cache has let go of the object.
 */
export class Expectations {
  readonly #clock: Clock
  readonly #awaited = new Map<string, { revision: number; since: number }>()
  readonly #deleted = new Map<string, string>()
  #seen = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called for every event of the kind, before its owner is reconciled. */
  observe(object: KubeObject): void {
    const revision = Number(object.metadata.resourceVersion ?? 0)
    if (revision > this.#seen) this.#seen = revision
  }

  created(owner: string, object: KubeObject): void {
    const revision = Number(object.metadata.resourceVersion ?? 0)
    if (revision <= this.#seen) return
    const before = this.#awaited.get(owner)
    if (!before || before.revision < revision) this.#awaited.set(owner, { revision, since: this.#clock.monotonic() })
  }

  deleting(owner: string, uid: string): void {
    this.#deleted.set(uid, owner)
  }

  /** The delete failed after all. */
  undelete(uid: string): void {
    this.#deleted.delete(uid)
  }

  isDeleting(uid: string): boolean {
    return this.#deleted.has(uid)
  }

  /** False while the cache lags behind this owner's creates; true again at the latest after `patience` ms (a lost event). */
  satisfied(owner: string, patience = 30_000): boolean {
    const awaited = this.#awaited.get(owner)
    if (!awaited) return true
    if (awaited.revision > this.#seen && this.#clock.monotonic() - awaited.since < patience) return false
    this.#awaited.delete(owner)
    return true
  }

  /** Forgets deletes of this owner that the cache shows as done. */
  settle(owner: string, present: ReadonlySet<string>): void {
    for (const [uid, by] of this.#deleted) if (by === owner && !present.has(uid)) this.#deleted.delete(uid)
  }

  forget(owner: string): void {
    this.#awaited.delete(owner)
    this.settle(owner, new Set())
  }
}
