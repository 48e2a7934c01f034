import { Duplex } from 'node:stream'
import type { SpdyHeaders } from './headers.ts'

/** What a stream asks of its session. */
export interface StreamCarrier {
  /** Calls back when there is room for more. */
  data(stream: number, chunk: Uint8Array, last: boolean, done: (error?: Error | null) => void): void
  reset(stream: number): void
}

/** How much a stream may hold that its reader has not taken, before the whole session waits for it. */
const bufferBytes = 1024 * 1024

/** One stream of a SPDY session. */
export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  readonly #carrier: StreamCarrier
  #room: (() => void) | undefined
  #wasReset = false

  constructor(id: number, headers: SpdyHeaders, carrier: StreamCarrier) {
    super({ readableHighWaterMark: bufferBytes, emitClose: true })
    this.id = id
    this.headers = headers
    this.#carrier = carrier
    this.on('error', () => {})
  }

  /** Data from the other end; resolves when more may come. */
  receive(chunk: Buffer): Promise<void> | undefined {
    if (this.readableEnded || this.destroyed || this.push(chunk)) return undefined
    return new Promise((resolve) => {
      this.#room = resolve
    })
  }

  /** The other end will send no more. */
  receiveEnd(): void {
    if (!this.destroyed) this.push(null)
  }

  /** The other end wants no more of it. */
  receiveReset(): void {
    this.#wasReset = true
    this.destroy()
  }

  override _read(): void {
    this.#makeRoom()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#carrier.data(this.id, chunk, false, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.data(this.id, new Uint8Array(0), true, done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#makeRoom()
    const whole = this.readableEnded && this.writableFinished
    if (!whole && !this.#wasReset) this.#carrier.reset(this.id)
    done(error)
  }

  #makeRoom(): void {
    this.#room?.()
    this.#room = undefined
  }
}
