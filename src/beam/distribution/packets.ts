import type { Duplex } from 'node:stream'

/**
 * The handshake's messages: a length of 2 bytes (4 over TLS, where OTP differs from its documentation) and a body.
 * What arrives after the last message is kept for whoever reads next.
 */
export class Packets {
  readonly #socket: Duplex
  readonly #width: 2 | 4
  #buffered: Buffer = Buffer.alloc(0)
  #ended: Error | undefined
  #wake: (() => void) | undefined

  constructor(socket: Duplex, width: 2 | 4) {
    this.#socket = socket
    this.#width = width
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  readonly #onData = (chunk: Buffer) => {
    // A copy: the chunk may be read into again.
    this.#buffered = Buffer.concat([this.#buffered, chunk])
    this.#wake?.()
  }

  readonly #onError = (error: Error) => {
    this.#ended ??= error
    this.#wake?.()
  }

  readonly #onClose = () => {
    this.#ended ??= new Error('the peer closed the connection')
    this.#wake?.()
  }

  write(body: Uint8Array): void {
    const head = Buffer.alloc(this.#width)
    head.writeUIntBE(body.length, 0, this.#width)
    this.#socket.write(Buffer.concat([head, body]))
  }

  /** The next message. @throws when the connection ends before, or the message is longer than any of a handshake */
  async read(): Promise<Buffer> {
    for (;;) {
      const width = this.#width
      if (this.#buffered.length >= width) {
        const length = this.#buffered.readUIntBE(0, width)
        if (length > 0xffff) throw new Error(`a handshake message of ${length} bytes`)
        if (this.#buffered.length >= width + length) {
          const body = this.#buffered.subarray(width, width + length)
          this.#buffered = this.#buffered.subarray(width + length)
          return body
        }
      }
      if (this.#ended) throw this.#ended
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Gives the socket up: no listener of ours is left. Returns what was read too much. */
  release(): Buffer {
    this.#socket.pause()
    this.#socket.off('data', this.#onData)
    this.#socket.off('error', this.#onError)
    this.#socket.off('close', this.#onClose)
    return this.#buffered
  }
}
