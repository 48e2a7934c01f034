import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/*
 * A client that costs little, for it runs on the same cores as the servers: requests are bytes made beforehand, of responses
 * nothing is read but where they end.
 */

/** Whom to ask; plain HTTP without `tls`. */
export interface Target {
  port: number
  tls?: { ca: string; cert: string; key: string }
}

export interface WireRequest {
  method: string
  path: string
  body?: string
  type?: string
}

/** One kept connection; a request at a time. */
class Connection {
  readonly #socket: Socket
  #pending: { resolve: () => void; reject: (error: Error) => void; what: string } | undefined
  #head = ''
  /** Bytes that are still to come of the body, or NaN while it comes in chunks. */
  #left = 0
  #inBody = false
  #tail = ''
  #status = 0
  /** What the server says of a request that failed. */
  #complaint = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#data(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  static open({ port, tls }: Target): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const at = { host: '127.0.0.1', port }
      const socket = tls ? connectTls({ ...at, ...tls, ALPNProtocols: ['http/1.1'] }) : connect(at)
      socket.once(tls ? 'secureConnect' : 'connect', () => resolve(new Connection(socket)))
      socket.once('error', reject)
    })
  }

  send(bytes: Buffer, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, what }
      this.#socket.write(bytes)
    })
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#pending?.reject(error)
    this.#pending = undefined
  }

  #data(bytes: Buffer): void {
    if (this.#inBody) this.#body(bytes)
    else this.#begin(bytes)
  }

  #begin(bytes: Buffer): void {
    this.#head += bytes.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#head.slice(0, end)
    const rest = this.#head.slice(end + 4)
    this.#head = ''
    this.#status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)
    this.#left = length ? Number(length[1]) : Number.NaN
    this.#inBody = true
    this.#tail = ''
    this.#body(Buffer.from(rest, 'latin1'))
  }

  #body(bytes: Buffer): void {
    if (this.#status >= 300) this.#complaint += bytes.toString()
    if (Number.isNaN(this.#left)) {
      this.#tail = (this.#tail + bytes.subarray(-8).toString('latin1')).slice(-8)
      if (this.#tail.endsWith('\r\n0\r\n\r\n') || this.#tail === '0\r\n\r\n') this.#done()
      return
    }
    this.#left -= bytes.length
    if (this.#left <= 0) this.#done()
  }

  #done(): void {
    this.#inBody = false
    const pending = this.#pending
    this.#pending = undefined
    if (this.#status < 300) pending?.resolve()
    else pending?.reject(new Error(`${pending.what}: ${this.#status} ${this.#complaint}`))
  }
}

export interface Clients {
  /** Sends `count` requests, each client its next when the last was answered; operations per second. Any failure throws. */
  rate(count: number, request: (index: number) => WireRequest): Promise<number>
  close(): void
}

/** `count` clients, each with a connection of its own. */
export async function openClients(target: Target, count: number): Promise<Clients> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(target)))
  return {
    async rate(total, request) {
      const prepared = Array.from({ length: total }, (_, index) => {
        const { method, path, body = '', type = 'application/json' } = request(index)
        const entity = body ? `content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` : ''
        const text = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n${entity}\r\n${body}`
        return { bytes: Buffer.from(text), what: `${method} ${path}` }
      })
      let next = 0
      const began = performance.now()
      await Promise.all(
        connections.map(async (connection) => {
          while (next < total) {
            const { bytes, what } = prepared[next++]
            await connection.send(bytes, what)
          }
        }),
      )
      return total / ((performance.now() - began) / 1000)
    },
    close() {
      for (const connection of connections) connection.close()
    },
  }
}
