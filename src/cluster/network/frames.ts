/** Follows the frames of one direction of a websocket (RFC 6455 §5.2), without looking at what is in them. */
export class FrameTrack {
  /** A close frame has begun: nothing may follow it. */
  closing = false
  #left = 0
  /** Bytes of the current frame's head. */
  #head: number[] = []

  /** Between two frames, where another one may be put. */
  get between(): boolean {
    return this.#left === 0 && this.#head.length === 0
  }

  /** Takes bytes; returns where it stopped: at `stop`, or with `first` at the first end of a frame. */
  feed(buffer: Buffer, at: number, stop: number, first = false): number {
    while (at < stop) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, stop - at)
        this.#left -= taken
        at += taken
      } else {
        this.#head.push(buffer[at++])
        this.#begin()
      }
      if (first && this.between) return at
    }
    return at
  }

  #begin(): void {
    const head = this.#head
    if (head.length < 2) return
    const short = head[1] & 0x7f
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0
    if (head.length < 2 + extended + (head[1] & 0x80 ? 4 : 0)) return
    this.#left = extended === 0 ? short : head.slice(2, 2 + extended).reduce((sum, byte) => sum * 256 + byte, 0)
    if ((head[0] & 0x0f) === 8) this.closing = true
    this.#head = []
  }
}

/** An unmasked close frame, 1012: the service restarts, come back. As Latin-1. */
export const serviceRestart = '\x88\x02\x03\xf4'
