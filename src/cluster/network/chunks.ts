const size = 0
const extension = 1
const sizeLf = 2
const data = 3
const dataCr = 4
const dataLf = 5
const trailer = 6
const trailerLine = 7
const trailerLf = 8
const endLf = 9
const finished = 10
const failed = 11

/** Bytes of chunk extensions and trailers that one message may carry. */
const maxOverhead = 64 * 1024
const maxSizeDigits = 13

/**
 * Follows a chunked body (RFC 9112 §7.1) through buffers cut anywhere, without copying it. Strict: lines end in CRLF,
 * sizes are plain hex; what it accepts can be passed on byte for byte.
 */
export class ChunkScanner {
  #state = size
  #left = 0
  #digits = 0
  #overhead = 0

  get done(): boolean {
    return this.#state === finished
  }

  get failed(): boolean {
    return this.#state === failed
  }

  /**
   * Reads on from `at`; returns the offset behind the body when it ended, else `end`. `onData` is told each run of
   * content bytes, for a recipient that does not know chunks (HTTP/1.0).
   */
  feed(buffer: Uint8Array, at: number, end: number, onData?: (from: number, to: number) => void): number {
    while (at < end) {
      if (this.#state === data) {
        const take = Math.min(this.#left, end - at)
        onData?.(at, at + take)
        at += take
        this.#left -= take
        if (this.#left === 0) this.#state = dataCr
        continue
      }
      this.#state = this.#next(buffer[at++])
      if (this.#state >= finished) return at
    }
    return at
  }

  #next(byte: number): number {
    switch (this.#state) {
      case size: {
        const digit = hex(byte)
        if (digit >= 0) {
          if (++this.#digits > maxSizeDigits) return failed
          this.#left = this.#left * 16 + digit
          return size
        }
        if (this.#digits === 0) return failed
        if (byte === 13) return sizeLf
        return byte === 59 ? this.#extra(extension) : failed
      }
      case extension:
        if (byte === 13) return sizeLf
        return byte === 10 || byte === 0 ? failed : this.#extra(extension)
      case sizeLf:
        this.#digits = 0
        if (byte !== 10) return failed
        return this.#left === 0 ? trailer : data
      case dataCr:
        return byte === 13 ? dataLf : failed
      case dataLf:
        return byte === 10 ? size : failed
      case trailer:
        if (byte === 13) return endLf
        return byte === 10 || byte === 32 || byte === 9 ? failed : this.#extra(trailerLine)
      case trailerLine:
        if (byte === 13) return trailerLf
        return byte === 10 || byte === 0 ? failed : this.#extra(trailerLine)
      case trailerLf:
        return byte === 10 ? trailer : failed
      default:
        return byte === 10 ? finished : failed
    }
  }

  #extra(state: number): number {
    return ++this.#overhead > maxOverhead ? failed : state
  }
}

function hex(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
