import type { Socket } from 'node:net'
import type { Head } from './head.ts'
import { latin1 } from './latin1.ts'
import { responseText } from './request.ts'
import type { Framing } from './upstream.ts'

/** Up to here, bytes travel as a Latin-1 string in one write (the size Node copies on the stack). */
export const smallBytes = 16 * 1024

/** Writes the response of one exchange to the client, in the framing that the client understands. */
export class Reply {
  readonly #socket: Socket
  /** Called when the client does not keep up: the source is to pause until the socket drains. */
  readonly #onFull: () => void
  /** 0 until a final response or the router's own page has begun. */
  status = 0
  /** Bytes written, heads included. */
  bytes = 0
  /** The connection stays open for another request. */
  keep = true
  /** The client speaks HTTP/1.0: no chunks, no 1xx. */
  old = false
  /** The app's response runs until it closes; the client is given chunks, and so can tell the end from a fault. */
  #enchunk = false

  constructor(socket: Socket, onFull: () => void) {
    this.#socket = socket
    this.#onFull = onFull
  }

  begin(old: boolean, keep: boolean): void {
    this.status = this.bytes = 0
    this.keep = keep
    this.old = old
    this.#enchunk = false
  }

  /** The head from `start`, with the bytes of the body that follow it up to `stop`. Writes the version into `buffer`. */
  head(head: Head, framing: Framing, buffer: Buffer, start: number, stop: number): void {
    const { old } = this
    this.status = head.status
    if (old && (framing === 'chunked' || framing === 'close')) this.keep = false
    this.#enchunk = !old && framing === 'close'
    buffer[start + 7] = 49
    let insert = this.#enchunk ? 'Transfer-Encoding: chunked\r\n' : ''
    if (!this.keep) insert += 'Connection: close\r\n'
    else if (old) insert += 'Connection: keep-alive\r\n'
    const small = stop - start <= smallBytes
    if (insert === '' && small && !head.connectionExtra) {
      this.text(head.slice(buffer, start, stop))
      return
    }
    const text = `${responseText(buffer, head, start, old && framing === 'chunked')}${insert}\r\n`
    if (small || head.end === stop) {
      this.text(text + latin1(buffer, head.end, stop))
      return
    }
    this.#socket.cork()
    this.text(text)
    this.#copy(buffer, head.end, stop)
    this.#socket.uncork()
  }

  body(buffer: Buffer, start: number, stop: number): void {
    if (!this.#enchunk) {
      this.raw(buffer, start, stop)
      return
    }
    const size = `${(stop - start).toString(16)}\r\n`
    if (stop - start <= smallBytes) {
      this.text(`${size}${latin1(buffer, start, stop)}\r\n`)
      return
    }
    this.#socket.cork()
    this.text(size)
    this.#copy(buffer, start, stop)
    this.text('\r\n')
    this.#socket.uncork()
  }

  /** The app's response is complete. */
  end(): void {
    if (this.#enchunk) this.text('0\r\n\r\n')
  }

  /** Bytes as they are. */
  raw(buffer: Buffer, start: number, stop: number): void {
    if (stop - start <= smallBytes) this.text(latin1(buffer, start, stop))
    else this.#copy(buffer, start, stop)
  }

  /** Latin-1 text as it is. */
  text(text: string): void {
    this.bytes += text.length
    if (!this.#socket.write(text, 'latin1')) this.#onFull()
  }

  #copy(buffer: Buffer, start: number, stop: number): void {
    this.bytes += stop - start
    // The buffer is read into again before the kernel has taken everything.
    if (!this.#socket.write(Buffer.from(buffer.subarray(start, stop)))) this.#onFull()
  }
}
