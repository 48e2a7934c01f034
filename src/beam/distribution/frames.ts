/**
 * One message of the connection, without its length: `bytes` from `start` to `end`, which count only until it returns. `fullLength`
 * is set when it was longer than allowed: then this is its beginning, and the rest was thrown away. One of length 0 is a tick.
 */
export type OnFrame = (bytes: Buffer, start: number, end: number, fullLength: number | undefined) => void

/** Enough of an oversized frame to see whom it was for. */
const keptOfOversized = 64 * 1024

/**
 * Cuts the stream into frames (`u32 length`, body). Each byte is copied at most once, so that a reply of 20 MiB costs
 * one buffer of 20 MiB; a frame over `maxBytes` is skipped, not buffered.
 */
export class FrameReader {
  readonly #maxBytes: number
  readonly #onFrame: OnFrame
  #head = Buffer.alloc(4)
  #headLength = 0
  #body: Buffer | undefined
  #filled = 0
  #skip = 0
  #fullLength: number | undefined

  /** @param onFrame called for every frame */
  constructor(maxBytes: number, onFrame: OnFrame) {
    this.#maxBytes = maxBytes
    this.#onFrame = onFrame
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#body) at += this.#fill(chunk, at)
      else at = this.#start(chunk, at)
    }
  }

  /** Reads a length; where the whole frame is in the chunk it is handed on as it is. */
  #start(chunk: Buffer, at: number): number {
    let length: number
    if (this.#headLength === 0 && chunk.length - at >= 4) {
      length = chunk.readUInt32BE(at)
      at += 4
    } else {
      const count = Math.min(4 - this.#headLength, chunk.length - at)
      chunk.copy(this.#head, this.#headLength, at, at + count)
      this.#headLength += count
      at += count
      if (this.#headLength < 4) return at
      length = this.#head.readUInt32BE()
      this.#headLength = 0
    }
    if (length <= chunk.length - at) {
      this.#onFrame(chunk, at, at + length, undefined)
      return at + length
    }
    const oversized = length > this.#maxBytes
    const kept = oversized ? Math.min(length, keptOfOversized) : length
    this.#body = Buffer.allocUnsafe(kept)
    this.#filled = 0
    this.#skip = length - kept
    this.#fullLength = oversized ? length : undefined
    return at
  }

  #fill(chunk: Buffer, at: number): number {
    const body = this.#body!
    const copied = chunk.copy(body, this.#filled, at)
    this.#filled += copied
    if (this.#filled < body.length) return copied
    const skipped = Math.min(this.#skip, chunk.length - at - copied)
    this.#skip -= skipped
    if (this.#skip > 0) return copied + skipped
    this.#body = undefined
    this.#onFrame(body, 0, body.length, this.#fullLength)
    return copied + skipped
  }
}
