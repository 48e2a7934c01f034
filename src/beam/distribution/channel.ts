import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, CuddleError } from '#lib'
import type { Term } from '../term/index.ts'
import { Writer } from '../term/writer.ts'
import { writeFrame } from './control.ts'
import { FrameReader, type OnFrame } from './frames.ts'

/** From here on calls wait before they write: what OTP calls dist_buf_busy_limit. */
const busyBytes = 1024 * 1024
/** What is written in one turn leaves together, or in pieces of this size. */
const batchBytes = 64 * 1024
const tick = Buffer.alloc(4)
/** OTP's default net_ticktime, in seconds. */
const defaultTickTime = 60

export interface ChannelOptions {
  node: string
  clock: Clock
  /** Longest frame that is read whole. */
  maxFrameBytes: number
  onFrame: OnFrame
  onClosed: (reason: CuddleError) => void
}

/**
 * The connection after the handshake. It always reads (a peer we do not read from suspends the processes that send to
 * us), answers every tick at once, and gives the connection up when nothing was heard for 5/4 of the tick time.
 */
export class Channel {
  readonly #socket: Duplex
  readonly #options: ChannelOptions
  readonly #frames: FrameReader
  #lastHeard: number
  /** Something was heard since `#lastHeard` was last set: no clock is read for each message. */
  #heard = false
  #tickTimeMs = defaultTickTime * 1000
  #cancelWatch: () => void = () => {}
  /** The frames of this turn. */
  #batch: Writer | undefined
  #closed: CuddleError | undefined
  #drained: PromiseWithResolvers<void> | undefined

  constructor(socket: Duplex, options: ChannelOptions) {
    this.#socket = socket
    this.#options = options
    this.#lastHeard = options.clock.monotonic()
    const { onFrame } = options
    this.#frames = new FrameReader(options.maxFrameBytes, (bytes, start, end, fullLength) => {
      if (start === end) this.#socketWrite(tick)
      else onFrame(bytes, start, end, fullLength)
    })
    if (socket instanceof Socket) socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#heard = true
      this.#frames.push(chunk)
    })
    socket.on('drain', () => this.#release())
    socket.on('error', (error) => this.close(this.#lost(error.message, error)))
    socket.on('close', () => this.close(this.#lost('the node closed it')))
    this.#watch()
  }

  /** Begins to read, with what the handshake left over. */
  start(rest: Buffer): void {
    if (rest.length > 0) this.#frames.push(rest)
    this.#socket.resume()
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** The peer's net_ticktime, once it is known. */
  setTickTime(seconds: number): void {
    this.#tickTimeMs = seconds * 1000
    this.#cancelWatch()
    this.#watch()
  }

  /** Sends a control message. All of one turn leave in one write. @throws {EncodeError} and sends nothing */
  send(control: readonly Term[], message?: Term): void {
    if (this.#closed) return
    if (!this.#batch) {
      this.#batch = new Writer()
      process.nextTick(this.#flush)
    }
    writeFrame(this.#batch, control, message)
    if (this.#batch.length >= batchBytes) this.#flush()
  }

  readonly #flush = () => {
    const batch = this.#batch
    this.#batch = undefined
    if (batch && batch.length > 0) this.#socketWrite(batch.finish())
  }

  #socketWrite(bytes: Buffer): void {
    if (!this.#closed) this.#socket.write(bytes)
  }

  get busy(): boolean {
    return !this.#closed && this.#socket.writableLength > busyBytes && this.#socket.writableNeedDrain
  }

  /** Resolves when the peer has taken what waits to be sent, or the channel is closed. */
  drained(): Promise<void> {
    if (!this.busy) return Promise.resolve()
    this.#drained ??= Promise.withResolvers<void>()
    return this.#drained.promise
  }

  #release(): void {
    this.#drained?.resolve()
    this.#drained = undefined
  }

  /** Ends the connection; the first reason counts. */
  close(reason: CuddleError): void {
    if (this.#closed) return
    this.#closed = reason
    this.#cancelWatch()
    this.#socket.destroy()
    this.#release()
    this.#options.onClosed(reason)
  }

  #lost(why: string, cause?: unknown): CuddleError {
    return new CuddleError('node-disconnected', `the connection to ${this.#options.node} is lost: ${why}`, {
      hint: 'the node stopped, restarted, or took another connection under our name',
      cause,
    })
  }

  #watch(): void {
    const { clock } = this.#options
    this.#cancelWatch = clock.after(this.#tickTimeMs / 4, () => {
      if (this.#heard) this.#lastHeard = clock.monotonic()
      this.#heard = false
      const silent = clock.monotonic() - this.#lastHeard
      if (silent > this.#tickTimeMs * 1.25) {
        this.close(this.#lost(`nothing was heard for ${Math.round(silent / 1000)} s`))
        return
      }
      this.#socketWrite(tick)
      this.#watch()
    })
  }
}
