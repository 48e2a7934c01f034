import type { Socket } from 'node:net'
import type { Context, RouterEndpoint } from './context.ts'
import type { Tunnel } from './endpoints.ts'
import { gather } from './gather.ts'
import { type Head, incomplete, parseRequestHead } from './head.ts'
import { hold } from './hold.ts'
import { latin1 } from './latin1.ts'
import { normalHost, type Route } from './matcher.ts'
import { refusal, renderPage } from './pages.ts'
import { Reply, smallBytes } from './reply.ts'
import { forwarded, idempotent, methodOf, requestIdOf, requestText, responseText, targetOf } from './request.ts'
import { RequestBody } from './request-body.ts'
import { takeOver } from './socket.ts'
import { TunnelOutput } from './tunnel.ts'
import { type Failure, type Framing, type ResponseSink, rested, Upstream } from './upstream.ts'

/** Times one request is sent anew after an endpoint may have seen it. */
const maxRetries = 2
/** Pause before endpoints that refused the connection are tried again, ms. */
const refusedPauseMs = 100
/** Seconds in which a client that was answered early may end its upload. */
const lingerSeconds = 2
/** Seconds without progress after which a client that closed its sending side is given up. */
const halfClosedSeconds = 5

/**
 * One client connection. The life of an exchange:
 *
 * 1. head      bytes gather until the head is whole; malformed ones are answered and the connection closes
 * 2. dispatch  route by host and path, pick an endpoint, send over a pooled or a new connection; without endpoint, hold
 * 3. body      what follows of the request is passed on; back-pressure both ways
 * 4. respond   head (hop-by-hop fields gone) and body of the response go to the client
 * 5. settled   counted; the endpoint's connection rests in the pool; pipelined bytes are looked at only now
 */
export class Downstream implements ResponseSink, Tunnel {
  readonly #context: Context
  readonly #socket: Socket
  readonly #onClose: (connection: Downstream) => void
  readonly #remote: string
  #mode: 'head' | 'exchange' | 'tunnel' | 'linger' | 'closed' = 'head'
  #pending: Buffer | undefined
  /** Tick of the last progress. */
  #since: number
  /** Tick of the first byte of a head that is not whole yet. */
  #headSince = 0
  #ended = false
  #lastHost = ''
  #lastHostNormal: string | undefined
  #forwarded = ''

  // The exchange.
  method = ''
  upgrading = false
  readonly #body = new RequestBody()
  readonly #reply: Reply
  #route: Route | undefined
  #path = ''
  #requestId = ''
  #started = 0
  #text = ''
  #upstream: Upstream | undefined
  #sent = false
  #tried: Set<RouterEndpoint> | undefined
  #retries = 0
  #cancelHold: (() => void) | undefined
  /** What the app sends once the connection is upgraded. */
  #tunnel: TunnelOutput | undefined

  constructor(context: Context, accepted: Socket, onClose: (connection: Downstream) => void) {
    this.#context = context
    this.#onClose = onClose
    this.#since = context.tick
    this.#remote = (accepted.remoteAddress ?? '').replace(/^::ffff:/, '')
    const { buffer } = context
    this.#socket = takeOver(accepted, buffer, (bytes, length) => this.#read(bytes, 0, length))
    this.#reply = new Reply(this.#socket, () => this.#upstream?.socket.pause())
    this.#socket.on('drain', () => this.#upstream?.socket.resume())
    this.#socket.on('end', () => this.#clientEnded())
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.on('close', () => this.#clientClosed())
  }

  get dechunk(): boolean {
    return this.#reply.old
  }

  /** Between requests: nothing is lost when it closes now. */
  get idle(): boolean {
    return this.#mode === 'head' && this.#pending === undefined
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** The router is going: idle connections close, others after their response. */
  drain(): void {
    this.#reply.keep = false
    if (this.idle) this.#socket.end()
  }

  // ---- from the client

  #read(buffer: Buffer, at: number, length: number): void {
    if (this.#mode === 'linger') return
    this.#since = this.#context.tick
    if (this.#mode === 'head') this.#readHead(buffer, at, length)
    else if (this.#mode === 'exchange') this.#readBody(buffer, at, length)
    else if (this.#mode === 'tunnel') this.#sendOn(Buffer.from(buffer.subarray(at, length)))
  }

  #readHead(buffer: Buffer, at: number, length: number): void {
    const first = this.#pending === undefined
    if (this.#pending) {
      const { bytes, verdict } = gather(this.#pending, buffer.subarray(at, length))
      this.#pending = verdict === 'wait' ? bytes : undefined
      if (verdict === 'malformed') this.#refuse(400)
      if (verdict !== 'parse') return
      buffer = bytes
      at = 0
      length = bytes.length
    }
    const head = this.#context.requestHead
    const end = parseRequestHead(buffer, at, length, head)
    if (end > 0) this.#begin(buffer, head, length)
    else if (end === incomplete) {
      if (first) this.#headSince = this.#context.tick
      this.#pending = Buffer.from(buffer.subarray(at, length))
    } else this.#refuse(-end)
  }

  #refuse(status: number): void {
    this.#context.unrouted++
    this.#mode = 'linger'
    this.#pending = undefined
    this.#since = this.#context.tick
    this.#socket.end(refusal(status))
  }

  #begin(buffer: Buffer, head: Head, length: number): void {
    const context = this.#context
    this.#mode = 'exchange'
    this.#started = context.clock.monotonic()
    const method = (this.method = methodOf(buffer, head))
    const target =
      method === 'CONNECT' || method === 'TRACE' ? undefined : targetOf(buffer, head, method, this.#lastHost)
    if (!target) {
      this.#refuse(method === 'CONNECT' || method === 'TRACE' ? 405 : 400)
      return
    }
    if (target.host !== this.#lastHost || this.#lastHostNormal === undefined) {
      this.#lastHost = target.host
      this.#lastHostNormal = normalHost(target.host)
      this.#forwarded = forwarded(this.#remote, target.host)
    }
    const host = this.#lastHostNormal
    if (host === undefined) {
      this.#refuse(400)
      return
    }
    const keep = !context.draining && !head.close && (head.minor === 1 || head.keepAlive) && !this.#ended
    this.#reply.begin(head.minor === 0, keep)
    const { end } = head
    this.#body.begin(head)
    this.#path = target.path
    this.#retries = 0
    this.#sent = this.upgrading = false
    this.#tunnel = undefined
    this.#tried = undefined
    this.#requestId = requestIdOf(buffer, head) ?? context.requestId()

    const route = (this.#route = context.matcher.find(host, target.path))
    const xff = head.forwardedFor
    let extra = `${xff === '' ? this.#forwarded : forwarded(`${xff}, ${this.#remote}`, target.host)}${this.#requestId}\r\n`
    if (head.upgrade && head.upgradeEnd > 0 && head.minor === 1 && this.#body.done) {
      const protocol = latin1(buffer, head.upgradeStart, head.upgradeEnd)
      // Cleartext HTTP/2 would put requests out of the router's sight.
      if (!/\bh2c\b/i.test(protocol)) {
        this.upgrading = true
        this.#tunnel = new TunnelOutput(protocol)
        extra += `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`
      }
    }
    this.#text = requestText(buffer, head, target, extra)
    if (!route) {
      context.unrouted++
      if (!this.#body.done) this.#readBody(buffer, end, length)
      else if (end < length) this.#stash(buffer, end, length)
      this.#page(404, 'no app answers at this address', [
        '`cuddle apps` lists the addresses; an app answers at its own from its first release on',
      ])
      return
    }
    route.metrics.requests++
    route.metrics.active++
    if (!this.#body.done) {
      if (end < length) this.#readFirst(buffer, end, length)
    } else if (end < length) this.#stash(buffer, end, length)
    if (this.#mode === 'exchange') this.#dispatch()
  }

  /** The part of the body that came with the head: joined to it when small, so that both leave in one write. */
  #readFirst(buffer: Buffer, at: number, length: number): void {
    const stop = this.#follow(buffer, at, length)
    if (stop < 0) return
    if (stop - at <= smallBytes && this.#text.length < smallBytes) {
      this.#text += latin1(buffer, at, stop)
      this.#route!.metrics.bytesIn += stop - at
    } else this.#sendOn(Buffer.from(buffer.subarray(at, stop)))
    if (stop < length) this.#stash(buffer, stop, length)
  }

  #readBody(buffer: Buffer, at: number, length: number): void {
    if (this.#body.done) {
      this.#stash(buffer, at, length)
      return
    }
    const stop = this.#follow(buffer, at, length)
    if (stop < 0) return
    this.#sendOn(Buffer.from(buffer.subarray(at, stop)))
    if (stop < length) this.#stash(buffer, stop, length)
  }

  /** Where the body's bytes in this buffer end; -1 when they are malformed and the exchange was given up. */
  #follow(buffer: Buffer, at: number, length: number): number {
    const stop = this.#body.follow(buffer, at, length)
    if (stop >= 0) return stop
    this.#abandonUpstream()
    if (this.#reply.status === 0) this.#page(400, 'the body of the request is badly chunked', [], true)
    else this.#socket.destroy()
    return -1
  }

  /** Bytes of the next request wait until this one is answered. */
  #stash(buffer: Buffer, at: number, length: number): void {
    const bytes = buffer.subarray(at, length)
    this.#pending = this.#pending ? Buffer.concat([this.#pending, bytes]) : Buffer.from(bytes)
    this.#socket.pause()
  }

  /** Passes bytes of the body (or of a tunnel) on; keeps them while they may have to be sent again. `bytes` is ours. */
  #sendOn(bytes: Buffer): void {
    if (this.#route) this.#route.metrics.bytesIn += bytes.length
    const body = this.#body
    if (body.replayable || !this.#sent) body.keep(bytes)
    if (!this.#sent) {
      if (this.#body.bytes > this.#context.limits.maxReplay) this.#socket.pause()
      return
    }
    if (this.#body.bytes > this.#context.limits.maxReplay) this.#body.forget()
    const upstream = this.#upstream
    if (!upstream) return
    upstream.single = false
    upstream.since = this.#context.tick
    if (!upstream.socket.write(bytes)) this.#socket.pause()
  }

  // ---- to the endpoint

  #dispatch(fresh = false): void {
    const context = this.#context
    const { service } = this.#route!
    // The time matters only for endpoints that refused lately.
    const now = this.#tried || this.#retries > 0 ? context.clock.monotonic() : this.#started
    const endpoint = service.pick(now, this.#tried) as RouterEndpoint | undefined
    if (!endpoint) {
      this.#hold()
      return
    }
    endpoint.outstanding++
    const pooled = fresh ? undefined : rested(endpoint, context.tick, this.method)
    this.#sent = false
    if (pooled) {
      this.#upstream = pooled
      this.#send(pooled)
    } else this.#upstream = new Upstream(context, endpoint, this)
  }

  #send(upstream: Upstream): void {
    upstream.begin(this)
    this.#sent = true
    const { socket } = upstream
    const { chunks } = this.#body
    if (!chunks) {
      upstream.single = this.#body.done && this.#text.length < smallBytes
      socket.write(this.#text, 'latin1')
      return
    }
    socket.cork()
    socket.write(this.#text, 'latin1')
    let flowing = true
    for (const chunk of chunks) flowing = socket.write(chunk)
    socket.uncork()
    if (this.#body.bytes > this.#context.limits.maxReplay) this.#body.forget()
    if (flowing && !this.#pending) this.#socket.resume()
  }

  connected(): void {
    if (this.#upstream) this.#send(this.#upstream)
  }

  drained(): void {
    if (!this.#pending || this.#mode === 'tunnel') this.#socket.resume()
  }

  /** No endpoint takes the request now: wait for one, for a while. */
  #hold(): void {
    const { clock, limits } = this.#context
    const { service } = this.#route!
    const left = this.#started + limits.holdMs - clock.monotonic()
    if (left <= 0 || this.#context.waiting >= limits.maxWaiting) {
      const app = service.key.slice(0, service.key.indexOf('/'))
      this.#page(503, `no process of ${app} is ready to answer`, [
        'what runs: `cuddle ps`',
        'what it says: `cuddle logs`',
      ])
      return
    }
    const refused = this.#tried !== undefined
    const stop = hold(this.#context, service, refused ? Math.min(left, refusedPauseMs) : left, () => {
      this.#cancelHold = undefined
      this.#tried = undefined
      this.#dispatch()
    })
    this.#cancelHold = () => {
      this.#cancelHold = undefined
      stop()
    }
  }

  failed(upstream: Upstream, failure: Failure, message: string): void {
    if (this.#upstream !== upstream) return
    const { endpoint } = upstream
    this.#upstream = undefined
    endpoint.outstanding--
    if (this.#mode === 'closed') return
    if (this.#mode === 'tunnel') {
      this.#sayRestart()
      this.#settle(false, endpoint.pod)
      endpoint.tunnels.delete(this)
      this.#mode = 'linger'
      this.#socket.end()
      return
    }
    if (this.#reply.status !== 0) {
      // Half a response is out: only a connection that breaks off tells the client so.
      this.#route!.metrics.aborted++
      this.#settle(false)
      this.#socket.destroy()
      return
    }
    const now = this.#context.clock.monotonic()
    if (failure === 'connect') {
      endpoint.shunnedUntil = now + 1000
      ;(this.#tried ??= new Set()).add(endpoint)
      this.#dispatch()
      return
    }
    const safe = failure === 'unsent' || (failure === 'silent' && idempotent(this.method))
    if (safe && this.#body.replayable && this.#retries < maxRetries) {
      this.#retries++
      this.#route!.metrics.retries++
      if (upstream.served === 0) (this.#tried ??= new Set()).add(endpoint)
      this.#dispatch(true)
      return
    }
    this.#context.log.debug({ service: this.#route!.service.key, pod: endpoint.pod, failure }, message)
    if (failure === 'timeout') this.#page(504, 'the app did not answer in time', ['what it says: `cuddle logs`'])
    else this.#page(502, `the app did not answer properly: ${message}`, ['what it says: `cuddle logs`'])
  }

  // ---- to the client

  informational(buffer: Buffer, start: number, end: number): void {
    if (!this.#reply.old) this.#reply.raw(buffer, start, end)
  }

  respond(head: Head, framing: Framing, buffer: Buffer, start: number, stop: number): void {
    this.#since = this.#context.tick
    if (!this.#body.done || this.#context.draining) this.#reply.keep = false
    this.#reply.head(head, framing, buffer, start, stop)
  }

  body(buffer: Buffer, start: number, stop: number): void {
    if (start === stop) return
    this.#since = this.#context.tick
    this.#reply.body(buffer, start, stop)
  }

  responded(upstream: Upstream): void {
    this.#upstream = undefined
    upstream.endpoint.outstanding--
    upstream.release(this.#body.done)
    this.#reply.end()
    this.#settle(this.#reply.keep, upstream.endpoint.pod)
  }

  switched(head: Head, buffer: Buffer, start: number, stop: number): void {
    this.#reply.status = 101
    this.#mode = 'tunnel'
    this.#reply.keep = false
    this.#body.forget()
    this.#socket.setKeepAlive(true, 60_000)
    this.#upstream?.socket.setKeepAlive(true, 60_000)
    const text = `${responseText(buffer, head, start, false)}Connection: Upgrade\r\n\r\n`
    this.#tunnel?.follow(buffer, head.end, stop)
    if (this.#tunnel?.websocket) this.#upstream?.endpoint.tunnels.add(this)
    this.#reply.text(text + latin1(buffer, head.end, stop))
    const early = this.#pending
    this.#pending = undefined
    if (early) this.#sendOn(early)
    this.#socket.resume()
    if (this.#ended) this.#upstream?.socket.end()
  }

  tunnelled(buffer: Buffer, start: number, stop: number): void {
    const end = this.#tunnel?.follow(buffer, start, stop) ?? stop
    if (end > start) this.#reply.raw(buffer, start, end)
    if (this.#tunnel?.atEndOfLeaving) this.#sayRestart()
  }

  /** The pod leaves: the client of a websocket is told to come back, which is to another one. Its answer ends the tunnel. */
  leave(): void {
    if (this.#mode !== 'tunnel') return
    this.#tunnel?.leave()
    this.#sayRestart()
  }

  #sayRestart(): void {
    const word = this.#tunnel?.restart(this.#context.tick)
    if (word !== undefined) this.#reply.text(word)
  }

  tunnelEnded(): void {
    this.#sayRestart()
    if (this.#ended) this.#settle(false)
    this.#socket.end()
  }

  /** Answers the exchange with a page of the router's own. */
  #page(status: number, message: string, hints: readonly string[] = [], close = false): void {
    this.#cancelHold?.()
    if (!this.#body.done || close || this.#context.draining) this.#reply.keep = false
    this.#reply.status = status
    const key = this.#route?.service.key
    const accept = /\r\naccept:([^\r]*)/i.exec(this.#text)?.[1] ?? ''
    const app = key?.slice(0, key.indexOf('/'))
    const page = { status, message, hints, app, requestId: this.#requestId }
    this.#reply.text(renderPage(page, accept, { head: this.method === 'HEAD', close: !this.#reply.keep }))
    this.#settle(this.#reply.keep)
  }

  // ---- the end

  /** Counts the exchange and turns to the next one, or closes. */
  #settle(keep: boolean, pod = ''): void {
    const context = this.#context
    const route = this.#route
    if (route) {
      const { metrics } = route
      const ms = context.clock.monotonic() - this.#started
      metrics.active--
      metrics.bytesOut += this.#reply.bytes
      metrics.finish(this.#reply.status, ms)
      context.accessLog?.add({
        time: context.clock.now(),
        method: this.method,
        host: route.host,
        path: this.#path,
        status: this.#reply.status,
        ms,
        bytes: this.#reply.bytes,
        service: route.service.key,
        pod,
        requestId: this.#requestId,
        remote: this.#remote,
      })
    }
    this.#route = undefined
    this.#tried = undefined
    this.#tunnel = undefined
    this.#body.forget()
    this.#text = ''
    this.#since = context.tick
    if (this.#mode === 'tunnel') this.#mode = 'closed'
    if (this.#mode === 'closed' || this.#socket.destroyed) return
    if (!keep) {
      // What the client still uploads is read and dropped for a moment: a reset would eat the answer on its way.
      this.#mode = 'linger'
      this.#pending = undefined
      this.#socket.end()
      this.#socket.resume()
      return
    }
    this.#mode = 'head'
    if (this.#pending) queueMicrotask(() => this.#readOn())
    else if (this.#ended) this.#socket.end()
  }

  /** Pipelined bytes, now that the request before them is answered. */
  #readOn(): void {
    const bytes = this.#pending
    if (this.#mode !== 'head' || !bytes) return
    this.#pending = undefined
    this.#readHead(bytes, 0, bytes.length)
    if (!this.#pending || this.#mode === 'head') this.#socket.resume()
  }

  #abandonUpstream(): void {
    this.#cancelHold?.()
    const upstream = this.#upstream
    if (!upstream) return
    this.#upstream = undefined
    upstream.endpoint.outstanding--
    upstream.endpoint.tunnels.delete(this)
    upstream.destroy()
  }

  #clientEnded(): void {
    this.#ended = true
    this.#reply.keep = false
    if (this.#mode === 'tunnel') {
      this.#upstream?.socket.end()
      if (!this.#upstream || this.#upstream.socket.readableEnded) this.#settle(false)
    } else if (this.#mode === 'linger') this.#socket.destroySoon()
    else if (this.#mode === 'head' && !this.#pending) this.#socket.end()
    else if (this.#mode === 'head' || !this.#body.done) this.#socket.destroy()
  }

  #clientClosed(): void {
    const cut = this.#mode === 'exchange' || this.#mode === 'tunnel'
    const tunnel = this.#mode === 'tunnel'
    this.#mode = 'closed'
    this.#abandonUpstream()
    if (cut && this.#route) {
      if (!tunnel) this.#route.metrics.aborted++
      if (this.#reply.status === 0) this.#reply.status = 499
      this.#settle(false)
    }
    this.#pending = undefined
    this.#onClose(this)
  }

  /** Once a second: gives up what took too long. */
  sweep(): void {
    const { tick, limits } = this.#context
    const still = tick - this.#since
    const upstream = this.#upstream
    const seconds = (ms: number) => this.#context.seconds(ms)
    if (this.#mode === 'head') {
      if (!this.#pending) {
        if (still > seconds(limits.keepAliveMs)) this.#socket.end()
      } else if (tick - this.#headSince > seconds(limits.headMs)) this.#refuse(408)
    } else if (this.#mode === 'linger') {
      if (still > lingerSeconds) this.#socket.destroy()
    } else if (this.#mode === 'tunnel') {
      const leftAt = this.#tunnel?.leftAt ?? 0
      if (leftAt > 0 && tick - leftAt > lingerSeconds) this.#socket.destroy()
    } else if (this.#mode === 'exchange') {
      const quiet = Math.min(still, upstream ? tick - upstream.since : still)
      if (this.#ended && quiet > halfClosedSeconds && this.#reply.status !== 0) this.#socket.destroy()
      else if (upstream && !upstream.open && tick - upstream.since > seconds(limits.connectMs))
        upstream.giveUp('connect')
      else if (this.#reply.status === 0 && this.#body.done && this.#sent && upstream) {
        if (tick - upstream.since > seconds(limits.responseMs)) upstream.giveUp('timeout')
      } else if (!this.#cancelHold && quiet > seconds(limits.idleBodyMs)) {
        if (this.#reply.status !== 0) this.#socket.destroy()
        else {
          this.#abandonUpstream()
          this.#page(408, 'the request did not arrive in time', [], true)
        }
      }
    }
  }
}
