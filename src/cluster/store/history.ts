import { CompactedError } from './errors.ts'
import type { StoreEvent } from './record.ts'

/**
 * Recent events of all resources, oldest first, bounded by bytes. A resource's floor is the newest of its events that
 * was dropped: who has seen that one has missed nothing, however long its resource was silent.
 */
export class History {
  readonly #events: StoreEvent[] = []
  readonly #floors = new Map<string, number>()
  #start = 0
  #bytes = 0
  #base: number
  readonly #limit: number

  constructor(base: number, limitBytes: number) {
    this.#base = base
    this.#limit = limitBytes
  }

  /** The revision before the oldest event that is kept: rows of the log up to it may go. */
  get trimmedTo(): number {
    return this.#start < this.#events.length ? this.#events[this.#start].rv - 1 : this.#base
  }

  push(event: StoreEvent): void {
    this.#events.push(event)
    this.#bytes += weight(event)
    while (this.#bytes > this.#limit && this.#start < this.#events.length - 1) this.#drop()
    if (this.#start > 512 && this.#start * 2 > this.#events.length) {
      this.#events.splice(0, this.#start)
      this.#start = 0
    }
  }

  #drop(): void {
    const event = this.#events[this.#start]
    this.#events[this.#start++] = undefined as unknown as StoreEvent
    this.#bytes -= weight(event)
    this.#base = event.rv
    this.#floors.set(event.after.resource, event.rv)
  }

  /** The revision a watcher of this resource must have seen at least. */
  floor(resource: string): number {
    return this.#floors.get(resource) ?? 0
  }

  /** Everything of `resource` after revision `rv`. Throws CompactedError when some of it is gone. */
  since(resource: string, rv: number): StoreEvent[] {
    const floor = this.floor(resource)
    if (rv < floor) throw new CompactedError(rv, floor)
    let low = this.#start
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#events[middle].rv <= rv) low = middle + 1
      else high = middle
    }
    const found: StoreEvent[] = []
    for (let index = low; index < this.#events.length; index++) {
      if (this.#events[index].after.resource === resource) found.push(this.#events[index])
    }
    return found
  }
}

function weight(event: StoreEvent): number {
  return 256 + event.after.bytes.length + (event.previous?.bytes.length ?? 0)
}
