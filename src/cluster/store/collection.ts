import type { Stored } from './record.ts'

/** The objects of one resource, by id, with the ids in key order (as etcd lists them). */
export class Collection {
  readonly items = new Map<string, Stored>()
  #sorted: string[] | undefined = []
  /** Revision of the newest change. */
  changed = 0

  set(stored: Stored): void {
    if (!this.items.has(stored.id) && this.#sorted) {
      const sorted = this.#sorted
      if (sorted.length === 0 || sorted[sorted.length - 1] < stored.id) sorted.push(stored.id)
      else this.#sorted = undefined
    }
    this.items.set(stored.id, stored)
    this.changed = stored.rv
  }

  delete(id: string, rv: number): void {
    if (this.items.delete(id)) this.#sorted = undefined
    this.changed = rv
  }

  /** All objects, or those of one namespace, in key order. */
  list(namespace?: string): Stored[] {
    this.#sorted ??= [...this.items.keys()].sort()
    const sorted = this.#sorted
    if (namespace === undefined) return sorted.map((id) => this.items.get(id)!)
    const found: Stored[] = []
    const prefix = `${namespace}/`
    for (let index = lowerBound(sorted, prefix); index < sorted.length && sorted[index].startsWith(prefix); index++) {
      found.push(this.items.get(sorted[index])!)
    }
    return found
  }
}

/** Index of the first element that is not less than `value`. */
export function lowerBound(sorted: readonly string[], value: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] < value) low = middle + 1
    else high = middle
  }
  return low
}
