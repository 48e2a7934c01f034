import { createHash, randomBytes } from 'node:crypto'
import { Duplex } from 'node:stream'
import { CuddleError } from './errors.ts'

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 }

export interface WebSocketMessage {
  data: Buffer
  binary: boolean
}

/** The value of Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2). */
export function webSocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** A fresh Sec-WebSocket-Key. */
export function webSocketKey(): string {
  return randomBytes(16).toString('base64')
}

/**
 * One end of a WebSocket whose handshake is done (RFC 6455): frames, fragments, pings and the closing handshake, nothing
 * else. Reading is a loop over messages(); whoever does not read stops the sender through TCP.
 */
export class WebSocketPeer {
  /** How the other end closed; 1006 when it just went away. Undefined while it is open. */
  closed: { code: number; reason: string } | undefined
  readonly #socket: Duplex
  readonly #masking: boolean
  readonly #maxBytes: number
  #closing = false

  /** @param maxBytes of one message, fragments together; a longer one closes with 1009. @default 4 MiB */
  constructor(socket: Duplex, role: 'client' | 'server', maxBytes = 4 * 1024 * 1024) {
    this.#socket = socket
    this.#masking = role === 'client'
    this.#maxBytes = maxBytes
    socket.on('error', () => {})
  }

  /** Sends a message; false when the socket's buffer is full: see drained(). Does nothing once the socket is closing. */
  send(data: Uint8Array | string, binary = true): boolean {
    if (this.#closing || !this.#socket.writable) return true
    return this.#frame(binary ? opcodes.binary : opcodes.text, typeof data === 'string' ? Buffer.from(data) : data)
  }

  /** Resolves when there is room in the socket's buffer, or nobody to send to. */
  drained(): Promise<void> {
    const socket = this.#socket
    if (!socket.writableNeedDrain || socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        socket.off('drain', done).off('close', done)
        resolve()
      }
      socket.on('drain', done).on('close', done)
    })
  }

  /** Says goodbye and ends the sending side; the socket goes when the other end has answered or left. */
  close(code = 1000, reason = ''): void {
    if (this.#closing) return
    this.#closing = true
    if (!this.#socket.writable) return
    const body = Buffer.alloc(2)
    body.writeUInt16BE(code)
    this.#frame(opcodes.close, Buffer.concat([body, Buffer.from(reason).subarray(0, 123)]))
    this.#socket.end()
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** The messages, until either end closes. Never throws: what is wrong closes the connection, see `closed`. */
  async *messages(): AsyncGenerator<WebSocketMessage, void, undefined> {
    let fragments: Buffer[] = []
    let size = 0
    let binary = true
    try {
      for await (const { fin, opcode, payload } of this.#frames()) {
        if (opcode === opcodes.ping) this.#answer(opcodes.pong, payload)
        else if (opcode === opcodes.close) {
          this.closed = {
            code: payload.length >= 2 ? payload.readUInt16BE() : 1005,
            reason: payload.toString('utf8', 2),
          }
          this.close()
          return
        } else if (opcode <= opcodes.binary) {
          if (opcode === opcodes.continuation ? fragments.length === 0 : fragments.length > 0)
            throw new CuddleError('1002', 'fragments out of order')
          if (opcode !== opcodes.continuation) binary = opcode === opcodes.binary
          size += payload.length
          if (size > this.#maxBytes) throw new CuddleError('1009', 'message too big')
          fragments.push(payload)
          if (!fin) continue
          const data = fragments.length === 1 ? fragments[0] : Buffer.concat(fragments)
          fragments = []
          size = 0
          yield { data, binary }
        }
      }
    } catch (error) {
      if (error instanceof CuddleError) this.close(Number(error.code), error.message)
    } finally {
      this.closed ??= { code: 1006, reason: '' }
      if (this.#closing) this.#socket.resume()
      else this.#socket.destroy()
    }
  }

  #answer(opcode: number, payload: Buffer): void {
    if (!this.#closing && this.#socket.writable) this.#frame(opcode, payload)
  }

  async *#frames(): AsyncGenerator<{ fin: boolean; opcode: number; payload: Buffer }> {
    let buffer: Buffer = Buffer.alloc(0)
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk])
      for (;;) {
        const head = frameHead(buffer)
        if (!head) break
        if (head.masked === this.#masking) throw new CuddleError('1002', 'wrong masking')
        if (head.reserved || (head.opcode >= 8 && (!head.fin || head.length > 125)))
          throw new CuddleError('1002', 'malformed frame')
        if (head.length > this.#maxBytes) throw new CuddleError('1009', 'message too big')
        const end = head.size + head.length
        if (buffer.length < end) break
        const payload = buffer.subarray(head.size, end)
        if (head.masked) mask(payload, buffer.subarray(head.size - 4, head.size))
        yield { fin: head.fin, opcode: head.opcode, payload }
        buffer = buffer.subarray(end)
      }
    }
  }

  #frame(opcode: number, payload: Uint8Array): boolean {
    const { length } = payload
    const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
    const frame = Buffer.allocUnsafe(2 + extended + (this.#masking ? 4 : 0) + length)
    frame[0] = 0x80 | opcode
    frame[1] = (this.#masking ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127)
    if (extended === 2) frame.writeUInt16BE(length, 2)
    else if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2)
    const start = frame.length - length
    frame.set(payload, start)
    if (this.#masking) {
      const key = randomBytes(4)
      frame.set(key, start - 4)
      mask(frame.subarray(start), key)
    }
    return this.#socket.write(frame)
  }
}

function frameHead(buffer: Buffer) {
  if (buffer.length < 2) return undefined
  const short = buffer[1] & 0x7f
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  const masked = (buffer[1] & 0x80) !== 0
  const size = 2 + extended + (masked ? 4 : 0)
  if (buffer.length < size) return undefined
  return {
    fin: (buffer[0] & 0x80) !== 0,
    reserved: (buffer[0] & 0x70) !== 0,
    opcode: buffer[0] & 0x0f,
    masked,
    size,
    length: extended === 2 ? buffer.readUInt16BE(2) : extended === 8 ? Number(buffer.readBigUInt64BE(2)) : short,
  }
}

function mask(data: Buffer, key: Uint8Array): void {
  for (let index = 0; index < data.length; index++) data[index] ^= key[index & 3]
}

export interface ByteStreamOptions {
  /** The message that carries bytes. @default the bytes themselves */
  wrap?: (bytes: Buffer) => Uint8Array
  /** The bytes that a message carries; an error destroys the stream. @default the whole message */
  unwrap?: (message: Buffer) => Buffer | Error
}

/** Servers refuse messages that are much longer. */
const longestPiece = 64 * 1024

/** The binary messages of a WebSocket as one stream of bytes. Whoever does not read it stops the sender. */
export function byteStream(peer: WebSocketPeer, options: ByteStreamOptions = {}): Duplex {
  const { wrap = (bytes) => bytes, unwrap = (message) => message } = options
  let room: (() => void) | undefined
  const duplex: Duplex = new Duplex({
    // A WebSocket that is closed is closed both ways.
    allowHalfOpen: false,
    read() {
      room?.()
      room = undefined
    },
    write(chunk: Buffer, _encoding, done) {
      let room = true
      for (let at = 0; at < chunk.length; at += longestPiece)
        room = peer.send(wrap(chunk.subarray(at, at + longestPiece)))
      if (room) done()
      else void peer.drained().then(() => done())
    },
    final(done) {
      peer.close()
      done()
    },
    destroy(error, done) {
      room?.()
      peer.destroy()
      done(error)
    },
  })
  void (async () => {
    for await (const { data } of peer.messages()) {
      const bytes = unwrap(data)
      if (bytes instanceof Error) duplex.destroy(bytes)
      if (duplex.destroyed) return
      if (!duplex.push(bytes)) await new Promise<void>((resolve) => (room = resolve))
    }
    if (!duplex.destroyed) duplex.push(null)
  })()
  return duplex
}
