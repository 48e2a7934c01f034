import { ChunkScanner } from './chunks.ts'
import type { Head } from './head.ts'

/** The body of a request on its way: where it ends, and what of it is kept to be sent (or sent again). */
export class RequestBody {
  /** All of it has come. */
  done = true
  /** Everything so far is kept, so that the request can be sent to another endpoint. */
  replayable = true
  /** What is kept beyond the part that went with the head. */
  chunks: Buffer[] | undefined
  bytes = 0
  #left = 0
  #scanner: ChunkScanner | undefined

  begin(head: Head): void {
    this.#left = Math.max(0, head.contentLength)
    this.#scanner = head.chunked ? new ChunkScanner() : undefined
    this.done = this.#left === 0 && !head.chunked
    this.replayable = true
    this.chunks = undefined
    this.bytes = 0
  }

  /** Where the body's bytes in this buffer end; -1 when they are malformed. */
  follow(buffer: Buffer, at: number, length: number): number {
    if (!this.#scanner) {
      const stop = Math.min(length, at + this.#left)
      this.#left -= stop - at
      this.done = this.#left === 0
      return stop
    }
    const stop = this.#scanner.feed(buffer, at, length)
    this.done = this.#scanner.done
    return this.#scanner.failed ? -1 : stop
  }

  keep(bytes: Buffer): void {
    this.bytes += bytes.length
    ;(this.chunks ??= []).push(bytes)
  }

  /** From here on there is no second try. */
  forget(): void {
    this.replayable = false
    this.chunks = undefined
  }
}
