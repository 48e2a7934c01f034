import { once } from 'node:events'
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { silentLogger, systemClock } from '#lib'
import { until } from '#lib/testing'
import { type Router, type RouterOptions, startRouter } from '../router.ts'
import type { RouteEndpoint, RouteView } from '../view.ts'

interface Scope {
  after(fn: () => void | Promise<void>): void
}

/** A view of one app: host `shop.localhost`, service `shop/web:80`. */
export function viewOf(...endpoints: (number | Partial<RouteEndpoint>)[]): RouteView {
  return {
    hosts: new Map([['shop.localhost', { paths: [{ path: '/', pathType: 'Prefix', service: 'shop/web:80' }] }]]),
    services: new Map([['shop/web:80', { endpoints: endpoints.map(endpointOf) }]]),
  }
}

function endpointOf(given: number | Partial<RouteEndpoint>): RouteEndpoint {
  const base = { address: '127.0.0.1', port: 0, ready: true, serving: true, terminating: false }
  return typeof given === 'number' ? { ...base, port: given } : { ...base, ...given }
}

export async function router(t: Scope, view?: RouteView, options: Partial<RouterOptions> = {}): Promise<Router> {
  const started = await startRouter({ port: 0, clock: systemClock, log: silentLogger, ...options })
  t.after(() => started.close())
  if (view) started.update(view)
  return started
}

/** An app that speaks HTTP through node:http; returns its port. */
export async function httpApp(
  t: Scope,
  listener: RequestListener,
  port = 0,
): Promise<{ port: number; server: HttpServer }> {
  const server = createServer(listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, server }
}

/** An app that is told each connection, to misbehave on it byte by byte. */
export async function rawApp(t: Scope, onSocket: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const sockets = new Set<Socket>()
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, server }
}

/** A conversation over one client connection: what is sent, what came back so far, whether it was closed. */
export class Conversation {
  readonly socket: Socket
  text = ''
  ended = false
  closed = false

  constructor(t: Scope, port: number, host = '127.0.0.1') {
    this.socket = connect({ port, host, allowHalfOpen: true, noDelay: true })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (chunk: string) => {
      this.text += chunk
    })
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', () => {})
    t.after(() => void this.socket.destroy())
  }

  send(...lines: string[]): this {
    this.socket.write(lines.join('\r\n'), 'latin1')
    return this
  }

  /** Waits until the whole text so far matches. */
  async sees(pattern: RegExp): Promise<RegExpMatchArray> {
    return until(() => this.text.match(pattern), { what: `${pattern} in ${JSON.stringify(this.text.slice(0, 500))}` })
  }

  async end(): Promise<string> {
    await until(() => this.ended || this.closed, { what: 'the end of the connection' })
    return this.text
  }
}
