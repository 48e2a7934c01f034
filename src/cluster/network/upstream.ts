import { connect, type Socket } from 'node:net'
import { ChunkScanner } from './chunks.ts'
import type { Context, RouterEndpoint } from './context.ts'
import type { Endpoint, Pooled } from './endpoints.ts'
import { type Head, incomplete, parseResponseHead } from './head.ts'
import { idempotent } from './request.ts'

/** How the end of a response body is found. */
export type Framing = 'none' | 'length' | 'chunked' | 'close'

export type Failure =
  /** No connection came about: nothing was sent. */
  | 'connect'
  /** The connection was already dead when the request was written: nothing was taken. */
  | 'unsent'
  /** It went away, and no byte of a response had come. */
  | 'silent'
  /** It went away, or talked nonsense, after the response had begun. */
  | 'broken'
  | 'timeout'

/** The client's side of an exchange, as the connection to the endpoint sees it. */
export interface ResponseSink {
  readonly method: string
  readonly upgrading: boolean
  /** The client knows no chunks (HTTP/1.0): body() is given their content only. */
  readonly dechunk: boolean
  connected(): void
  /** A 1xx other than 101. */
  informational(buffer: Buffer, start: number, end: number): void
  /** The final head with the first bytes of the body, up to `stop`. */
  respond(head: Head, framing: Framing, buffer: Buffer, start: number, stop: number): void
  body(buffer: Buffer, start: number, stop: number): void
  responded(upstream: Upstream): void
  /** 101: from here on bytes go both ways as they are. */
  switched(head: Head, buffer: Buffer, start: number, stop: number): void
  tunnelled(buffer: Buffer, start: number, stop: number): void
  tunnelEnded(): void
  failed(upstream: Upstream, failure: Failure, message: string): void
  drained(): void
}

/** One connection to an endpoint: reads responses, finds their ends, and rests in the pool between exchanges. */
export class Upstream implements Pooled {
  readonly endpoint: Endpoint<Upstream>
  readonly socket: Socket
  readonly #context: Context
  owner: ResponseSink | undefined
  idleUntil = 0
  idleSince = 0
  /** Tick of the last byte or of the request. */
  since: number
  open = false
  /** Requests served before this one. */
  served = 0
  /** A byte of the current response has come. */
  heard = false
  /** The current request was handed over in one small write. */
  single = false
  #mode: 'head' | 'body' | 'tunnel' = 'head'
  #framing: Framing = 'none'
  #left = 0
  #scanner: ChunkScanner | undefined
  #pending: Buffer | undefined
  #reusable = true
  #keepAliveTimeout = 0
  #gone = false

  constructor(context: Context, endpoint: Endpoint<Upstream>, owner: ResponseSink) {
    this.#context = context
    this.endpoint = endpoint
    this.owner = owner
    this.since = context.tick
    context.upstreamConnections++
    const { buffer } = context
    this.socket = connect({
      host: endpoint.address,
      port: endpoint.port,
      allowHalfOpen: true,
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          this.#read(buffer, 0, length)
          return true
        },
      },
    })
    this.socket.on('connect', () => {
      this.open = true
      this.since = this.#context.tick
      this.owner?.connected()
    })
    this.socket.on('drain', () => this.owner?.drained())
    this.socket.on('end', () => this.#ended())
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
    this.socket.on('close', () => this.#closed())
  }

  /** A request is about to be sent. */
  begin(owner: ResponseSink): void {
    this.owner = owner
    this.heard = false
    this.single = false
    this.since = this.#context.tick
    this.#mode = 'head'
    this.#keepAliveTimeout = 0
  }

  /** The exchange is over: rests in the pool when the connection can be used again, else closes. */
  release(reusable: boolean): void {
    this.owner = undefined
    this.served++
    const { endpoint } = this
    const { limits, tick } = this.#context
    const hint = this.#keepAliveTimeout
    // A peer that closes after n seconds must not be met in the act: use it one second less.
    const rest = hint > 0 ? Math.min(hint - 1, limits.pooledMs / 1000) : limits.pooledMs / 1000
    const usable = reusable && this.#reusable && !this.#gone && this.#pending === undefined && rest > 0
    if (!usable || endpoint.retired || this.#context.draining || endpoint.idle.length >= limits.maxPooled) {
      this.destroy()
      return
    }
    this.idleSince = tick
    this.idleUntil = tick + rest
    endpoint.idle.push(this)
    if (this.socket.isPaused()) this.socket.resume()
  }

  /** Ends the exchange from this side: it took too long. */
  giveUp(failure: 'connect' | 'timeout'): void {
    const { owner } = this
    this.destroy()
    owner?.failed(this, failure, failure === 'connect' ? 'no connection in time' : 'no response in time')
  }

  destroy(): void {
    this.owner = undefined
    this.#leave()
  }

  /** Closes, and is out of the pool at once: the socket itself says so a turn later. */
  #leave(): void {
    const { idle } = this.endpoint
    const index = idle.indexOf(this)
    if (index >= 0) idle.splice(index, 1)
    this.socket.destroy()
  }

  #read(buffer: Buffer, at: number, length: number): void {
    const { owner } = this
    if (!owner) {
      // Nobody asked: what an endpoint says unbidden must never be taken for the next response.
      this.destroy()
      return
    }
    this.since = this.#context.tick
    if (this.#mode === 'tunnel') {
      owner.tunnelled(buffer, at, length)
      return
    }
    if (this.#mode === 'body') {
      this.#body(owner, buffer, at, length)
      return
    }
    this.heard = true
    if (this.#pending) {
      buffer = Buffer.concat([this.#pending, buffer.subarray(at, length)])
      at = 0
      length = buffer.length
      this.#pending = undefined
    }
    this.#head(owner, buffer, at, length)
  }

  #head(owner: ResponseSink, buffer: Buffer, at: number, length: number): void {
    const head = this.#context.responseHead
    for (;;) {
      const end = parseResponseHead(buffer, at, length, head)
      if (end === incomplete) {
        if (at < length) this.#pending = Buffer.from(buffer.subarray(at, length))
        return
      }
      if (end < 0) {
        this.#break('the response was not valid HTTP/1.1')
        return
      }
      if (head.status >= 200) break
      if (head.status === 101) {
        if (!owner.upgrading) {
          this.#break('the app switched protocols unasked')
          return
        }
        this.#mode = 'tunnel'
        owner.switched(head, buffer, at, length)
        return
      }
      owner.informational(buffer, at, end)
      at = end
      if (at === length) return
    }
    const bodiless = owner.method === 'HEAD' || head.status === 204 || head.status === 304
    this.#framing = bodiless
      ? 'none'
      : head.chunked
        ? 'chunked'
        : head.contentLength >= 0
          ? head.contentLength === 0
            ? 'none'
            : 'length'
          : 'close'
    this.#reusable = !head.close && (head.minor === 1 || head.keepAlive) && this.#framing !== 'close'
    this.#keepAliveTimeout = head.keepAliveTimeout
    this.#left = this.#framing === 'length' ? head.contentLength : 0
    this.#scanner = this.#framing === 'chunked' ? new ChunkScanner() : undefined
    this.#mode = 'body'
    const { end } = head
    if (this.#framing === 'length' || this.#framing === 'none') {
      const stop = Math.min(length, end + this.#left)
      this.#left -= stop - end
      if (stop < length) this.#reusable = false
      owner.respond(head, this.#framing, buffer, at, stop)
      if (this.#left === 0) this.#complete(owner)
      return
    }
    if (this.#scanner && !owner.dechunk) {
      const stop = this.#scanner.feed(buffer, end, length)
      if (this.#scanner.failed) {
        this.#break('the response was badly chunked')
        return
      }
      if (stop < length) this.#reusable = false
      owner.respond(head, 'chunked', buffer, at, stop)
      if (this.#scanner?.done && this.owner === owner) this.#complete(owner)
      return
    }
    owner.respond(head, this.#framing, buffer, at, end)
    if (this.owner === owner && end < length) this.#body(owner, buffer, end, length)
  }

  #body(owner: ResponseSink, buffer: Buffer, at: number, length: number): void {
    let stop = length
    let complete = false
    if (this.#framing === 'length') {
      stop = Math.min(length, at + this.#left)
      this.#left -= stop - at
      complete = this.#left === 0
    } else if (this.#scanner) {
      const pass = owner.dechunk ? (from: number, to: number) => owner.body(buffer, from, to) : undefined
      stop = this.#scanner.feed(buffer, at, length, pass)
      if (this.#scanner.failed) {
        this.#break('the response was badly chunked')
        return
      }
      complete = this.#scanner.done
    }
    if (complete && stop < length) this.#reusable = false
    if (!(this.#scanner && owner.dechunk)) owner.body(buffer, at, stop)
    if (complete && this.owner === owner) this.#complete(owner)
  }

  #complete(owner: ResponseSink): void {
    this.#mode = 'head'
    this.#scanner = undefined
    owner.responded(this)
  }

  #break(message: string): void {
    const { owner } = this
    this.owner = undefined
    this.socket.destroy()
    owner?.failed(this, 'broken', message)
  }

  #ended(): void {
    const { owner } = this
    this.#reusable = false
    if (owner && this.#mode === 'tunnel') {
      owner.tunnelEnded()
      return
    }
    if (owner && this.#mode === 'body' && this.#framing === 'close') {
      this.#complete(owner)
      return
    }
    this.owner = undefined
    this.#leave()
    owner?.failed(this, this.heard ? 'broken' : 'silent', 'the app closed the connection')
  }

  #failed(error: NodeJS.ErrnoException): void {
    const { owner } = this
    this.owner = undefined
    this.#leave()
    if (!owner) return
    const unsent = error.syscall === 'write' && this.single && !this.heard
    const failure = !this.open ? 'connect' : unsent ? 'unsent' : this.heard ? 'broken' : 'silent'
    owner.failed(this, failure, error.code ?? error.message)
  }

  #closed(): void {
    if (this.#gone) return
    this.#gone = true
    this.#context.upstreamConnections--
    this.#leave()
    const { owner } = this
    this.owner = undefined
    owner?.failed(this, this.heard ? 'broken' : 'silent', 'the connection closed')
  }
}

/**
 * A resting connection to an endpoint. A request that must not be sent twice takes only one that was used within the last
 * second: a connection which dies unseen has nearly always rested for longer.
 */
export function rested({ idle }: RouterEndpoint, tick: number, method: string): Upstream | undefined {
  const upstream = idle[idle.length - 1] as Upstream | undefined
  if (!upstream) return undefined
  if (upstream.idleUntil <= tick) {
    for (const connection of [...idle]) connection.destroy()
    return undefined
  }
  if (tick - upstream.idleSince > 1 && !idempotent(method)) return undefined
  idle.pop()
  return upstream
}
