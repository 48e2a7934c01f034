import type { Duplex } from 'node:stream'
import { controlFrame, dataFrame, type Frame, fin, frameType, readFrame, rstStatus, streamAnd } from './frames.ts'
import { HeaderReader, HeaderWriter, type SpdyHeaders, uint32 } from './headers.ts'
import { SpdyStream } from './stream.ts'

export interface SpdySessionOptions {
  role: 'client' | 'server'
  /** A stream that the other end opened; it has been answered already. */
  onStream?: (stream: SpdyStream) => void
  /** More streams than this at a time are refused. @default 1000 */
  maxStreams?: number
}

/** Most data of one frame, so that streams take turns. */
const pieceBytes = 64 * 1024

/**
 * A SPDY/3.1 session over any byte stream, as Kubernetes uses it to carry several streams over an upgraded connection.
 * Flow control is TCP's: moby/spdystream, the library of all Go clients, neither sends WINDOW_UPDATE nor heeds it, so a
 * sender that waited for one would wait for ever.
 */
export class SpdySession {
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>
  readonly #socket: Duplex
  readonly #options: SpdySessionOptions
  readonly #streams = new Map<number, SpdyStream>()
  readonly #reader = new HeaderReader()
  readonly #writer = new HeaderWriter()
  #lastRemote = 0
  #nextLocal: number

  constructor(socket: Duplex, options: SpdySessionOptions) {
    this.#socket = socket
    this.#options = options
    this.#nextLocal = options.role === 'client' ? 1 : 2
    socket.on('error', () => {})
    this.closed = this.#run()
  }

  /** Opens a stream to the other end. */
  open(headers: SpdyHeaders): SpdyStream {
    const id = this.#nextLocal
    this.#nextLocal += 2
    const stream = this.#add(id, headers)
    const head = Buffer.concat([streamAnd(id, 0), Buffer.alloc(2)])
    this.#send(controlFrame(frameType.synStream, 0, Buffer.concat([head, this.#writer.write(headers)])))
    return stream
  }

  /** Says that no more will come and ends the connection. */
  close(): void {
    if (!this.#socket.writable) return
    this.#send(controlFrame(frameType.goAway, 0, streamAnd(this.#lastRemote, 0)))
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #run(): Promise<void> {
    try {
      let buffer: Buffer = Buffer.alloc(0)
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk])
        for (let next = readFrame(buffer); next; next = readFrame(buffer)) {
          await this.#receive(next.frame)
          buffer = buffer.subarray(next.size)
        }
      }
    } catch {
      this.#socket.destroy()
    } finally {
      this.#reader.close()
      for (const stream of this.#streams.values()) {
        stream.receiveEnd()
        stream.receiveReset()
      }
      this.#socket.end()
    }
  }

  async #receive(frame: Frame): Promise<void> {
    if (frame.kind === 'data') {
      const stream = this.#streams.get(frame.stream)
      if (!stream) return this.#reset(frame.stream, rstStatus.invalidStream)
      const room = frame.payload.length > 0 ? stream.receive(frame.payload) : undefined
      if (frame.flags & fin) stream.receiveEnd()
      await room
      return
    }
    const { type, flags, payload } = frame
    switch (type) {
      case frameType.synStream:
        return this.#opened(payload, flags)
      case frameType.synReply:
      case frameType.headers:
        // Nobody needs these headers, but they are part of the one zlib stream.
        await this.#reader.read(payload.subarray(4))
        if (flags & fin) this.#streams.get(payload.readUInt32BE(0))?.receiveEnd()
        return
      case frameType.rstStream:
        this.#streams.get(payload.readUInt32BE(0))?.receiveReset()
        return
      case frameType.ping: {
        // Even ids are a server's own (2.6.5): those are answers.
        const own = payload.readUInt32BE(0) % 2 === (this.#options.role === 'client' ? 1 : 0)
        if (!own) this.#send(controlFrame(frameType.ping, 0, payload.subarray(0, 4)))
        return
      }
      default:
      // SETTINGS and WINDOW_UPDATE are about flow control, GOAWAY announces the end of the connection; others are to be
      // ignored (2.2.1).
    }
  }

  async #opened(payload: Buffer, flags: number): Promise<void> {
    const id = payload.readUInt32BE(0) & 0x7fffffff
    const headers = await this.#reader.read(payload.subarray(10))
    if (id <= this.#lastRemote || id % 2 === this.#nextLocal % 2) throw new Error(`stream ${id} out of order`)
    this.#lastRemote = id
    const { onStream, maxStreams = 1000 } = this.#options
    if (!onStream || this.#streams.size >= maxStreams) return this.#reset(id, rstStatus.cancel)
    const stream = this.#add(id, headers)
    this.#send(controlFrame(frameType.synReply, 0, Buffer.concat([uint32(id), this.#writer.write({})])))
    if (flags & fin) stream.receiveEnd()
    onStream(stream)
  }

  #add(id: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(id, headers, {
      data: (to, chunk, last, done) => {
        let at = 0
        for (; chunk.length - at > pieceBytes; at += pieceBytes)
          this.#send(dataFrame(to, 0, chunk.subarray(at, at + pieceBytes)))
        this.#send(dataFrame(to, last ? fin : 0, chunk.subarray(at)), done)
      },
      reset: (of) => this.#reset(of, rstStatus.cancel),
    })
    this.#streams.set(id, stream)
    stream.once('close', () => this.#streams.delete(id))
    return stream
  }

  #reset(stream: number, status: number): void {
    this.#send(controlFrame(frameType.rstStream, 0, streamAnd(stream, status)))
  }

  #send(frame: Buffer, done?: (error?: Error | null) => void): void {
    if (!this.#socket.writable) done?.(new Error('the SPDY connection has ended'))
    else if (this.#socket.write(frame)) done?.()
    else if (done) {
      const socket = this.#socket
      const room = () => {
        socket.off('drain', room).off('close', room)
        done()
      }
      socket.on('drain', room).on('close', room)
    }
  }
}
