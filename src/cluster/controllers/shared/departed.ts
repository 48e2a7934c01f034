/**
 * Pods whose deletion an owner has been granted. The cache marks them, but an event from just before the delete may
 * unmark them for a moment, and a second victim would be taken for the first. By uid, which never comes back.
 */
export class Departed {
  readonly #owners = new Map<string, string>()

  add(owner: string, uid: string): void {
    this.#owners.set(uid, owner)
  }

  /** The delete failed after all. */
  remove(uid: string): void {
    this.#owners.delete(uid)
  }

  has(uid: string): boolean {
    return this.#owners.has(uid)
  }

  /** Forgets what the cache no longer shows of this owner's. */
  settle(owner: string, present: ReadonlySet<string>): void {
    for (const [uid, by] of this.#owners) if (by === owner && !present.has(uid)) this.#owners.delete(uid)
  }
}
