import type { Stored } from './record.ts'

/** The objects of one resource, by id, with the ids in key order (as etcd lists them). */
export class Collection {
  readonly items = new Map<string, Stored>()
  readonly #sorted: string[] = []

  set(stored: Stored): void {
    const { id } = stored
    if (!this.items.has(id)) {
      const sorted = this.#sorted
      if (sorted.length === 0 || sorted[sorted.length - 1] < id) sorted.push(id)
      else sorted.splice(lowerBound(sorted, id), 0, id)
    }
    this.items.set(id, stored)
  }

  delete(id: string): void {
    if (this.items.delete(id)) this.#sorted.splice(lowerBound(this.#sorted, id), 1)
  }

  /**
   * All objects, or those of one namespace, in key order: after the id `after`, and at most `limit` of them. `remaining` says
   * how many more there are.
   */
  page(namespace?: string, after = '', limit = Number.POSITIVE_INFINITY): { items: Stored[]; remaining: number } {
    const sorted = this.#sorted
    let from = 0
    let to = sorted.length
    if (namespace !== undefined) {
      from = lowerBound(sorted, `${namespace}/`)
      // `0` follows `/`: the first id behind the namespace.
      to = lowerBound(sorted, `${namespace}0`)
    }
    if (after !== '') from = Math.max(from, lowerBound(sorted, `${after}\0`))
    const end = Math.min(to, from + limit)
    const items: Stored[] = []
    for (let index = from; index < end; index++) items.push(this.items.get(sorted[index])!)
    return { items, remaining: Math.max(0, to - end) }
  }
}

/** Index of the first element that is not less than `value`. */
function lowerBound(sorted: readonly string[], value: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] < value) low = middle + 1
    else high = middle
  }
  return low
}
