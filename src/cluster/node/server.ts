import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, type Logger, nodeHttps } from '#lib'
import type { ContainerLog } from './log.ts'
import { type LogReadOptions, readLog } from './log-read.ts'
import type { StreamSource } from './streams/serve.ts'

export interface KubeletServerOptions {
  cert: string | Buffer
  key: string | Buffer
  /** Clients must show a certificate of this authority. */
  ca: string | Buffer
  host: string
  port: number
  clock: Clock
  log: Logger
  /** The log of a container; an error text when there is none. */
  find(namespace: string, pod: string, container: string, previous: boolean): ContainerLog | { missing: string }
  /** Where exec, attach and port-forward lead to. */
  streams: StreamSource
  /** What pods and machine use, as JSON (kubelet's stats/v1alpha1). */
  summary(): Promise<object>
}

export interface KubeletServer {
  readonly port: number
  close(): Promise<void>
}

/** Serves the part of the kubelet's API that the API server asks for: logs, streams, statistics and health, over mutual TLS. */
export async function startKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { createServer } = nodeHttps()
  const { cert, key, ca, host, port, log } = options
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    handle(options, request, response).catch((error) => {
      log.debug({ url: request.url }, `kubelet request failed: ${error}`)
      response.destroy()
    })
  })
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    socket.on('error', () => socket.destroy())
    if (head.length > 0) socket.unshift(head)
    // The code of streams is loaded with the first of them.
    import('./streams/serve.ts')
      .then(({ serveUpgrade }) => serveUpgrade(options.streams, options.clock, request, socket))
      .catch((error) => {
        log.debug({ url: request.url }, `kubelet stream failed: ${error}`)
        socket.destroy()
      })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function handle(
  options: KubeletServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://kubelet')
  if (url.pathname === '/healthz') return void response.end('ok')
  if (url.pathname === '/stats/summary') {
    response.writeHead(200, { 'content-type': 'application/json' })
    return void response.end(JSON.stringify(await options.summary()))
  }
  const match = /^\/containerLogs\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(url.pathname)
  if (!match) return answer(response, 404, 'page not found')
  if (request.method !== 'GET') return answer(response, 405, 'method not allowed')
  const [namespace, pod, container] = match.slice(1).map(decodeURIComponent)
  const query = logQuery(url.searchParams, options.clock.now())
  if (typeof query === 'string') return answer(response, 400, query)
  const found = options.find(namespace, pod, container, query.previous)
  if ('missing' in found) return answer(response, query.previous ? 400 : 404, found.missing)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  for await (const piece of readLog(found, query, gone.signal)) {
    if (!response.write(piece)) await drained(response, gone.signal)
  }
  response.end()
}

/** The query of a log request; a text says what is wrong with it. */
export function logQuery(query: URLSearchParams, now: number): (LogReadOptions & { previous: boolean }) | string {
  const flag = (name: string) => ['', 'true', '1'].includes(query.get(name) ?? 'false')
  const numbers: Record<string, number | undefined> = {}
  for (const name of ['tailLines', 'sinceSeconds', 'limitBytes']) {
    const text = query.get(name)
    if (text === null) continue
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) return `invalid ${name}: "${text}" is no whole number`
    numbers[name] = value
  }
  const sinceTime = query.get('sinceTime')
  const since =
    numbers['sinceSeconds'] !== undefined
      ? now - numbers['sinceSeconds'] * 1000
      : sinceTime
        ? Date.parse(sinceTime)
        : undefined
  if (Number.isNaN(since)) return `invalid sinceTime: "${sinceTime}"`
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    ...(numbers['tailLines'] !== undefined && { tailLines: numbers['tailLines'] }),
    ...(numbers['limitBytes'] !== undefined && { limitBytes: numbers['limitBytes'] }),
    ...(since !== undefined && { sinceMs: since }),
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    response.on('drain', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' })
  response.end(text)
}
