import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { nodeHttps } from '#lib'
import { offered, refuse, splice, upgradeOf } from '../streams/index.ts'
import type { Api, ApiResponse } from './request.ts'
import { badRequest, StatusError } from './status.ts'
import { refusal } from './subresources/log.ts'

/** How a browser, which cannot set headers, shows its token (KEP-5519): as one more subprotocol. */
const bearerPrefix = 'base64url.bearer.authorization.k8s.io.'

const passed = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'x-stream-protocol-version',
] as const

/**
 * Leads a client's connection to the kubelet API of the pod's node. What goes over it is between the two: this end checks
 * who asks for what, and then passes bytes on.
 * @param ask answers the request as any other; status 101 with `upstream` grants it
 */
export async function upgrade(
  api: Api,
  ask: (signal: AbortSignal) => Promise<ApiResponse>,
  request: IncomingMessage,
  socket: TLSSocket,
  head: Buffer,
): Promise<void> {
  if (head.length > 0) socket.unshift(head)
  socket.setNoDelay(true)
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  takeToken(request)
  const answer = await ask(gone.signal)
  if (!answer.upstream) return answerWith(socket, answer)
  if (!upgradeOf(request)) {
    return failWith(socket, badRequest(`unable to upgrade: ${JSON.stringify(request.headers.upgrade)} is not served`))
  }
  const headers: Record<string, string | string[]> = { connection: 'Upgrade', upgrade: request.headers.upgrade! }
  for (const name of passed) if (request.headers[name] !== undefined) headers[name] = request.headers[name]
  const { host, port, path } = answer.upstream
  const upstream = nodeHttps().request({
    host,
    port,
    path,
    method: request.method,
    headers,
    ca: api.pki.ca.cert,
    cert: api.pki.kubeletClient.cert,
    key: api.pki.kubeletClient.key,
    agent: false,
  })
  gone.signal.addEventListener('abort', () => upstream.destroy(), { once: true })
  upstream.on('error', (error) =>
    failWith(socket, new StatusError(500, 'InternalError', `error dialing backend: ${error.message}`)),
  )
  upstream.on('response', (incoming) => void refusal(incoming).then((status) => failWith(socket, status)))
  upstream.on('upgrade', (incoming: IncomingMessage, far: Socket, farHead: Buffer) => {
    far.setNoDelay(true)
    if (farHead.length > 0) far.unshift(farHead)
    const lines: string[] = []
    for (let index = 0; index < incoming.rawHeaders.length; index += 2)
      lines.push(`${incoming.rawHeaders[index]}: ${incoming.rawHeaders[index + 1]}\r\n`)
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
    splice(socket, far)
  })
  upstream.end()
}

function takeToken(request: IncomingMessage): void {
  const { headers } = request
  const names = offered(headers['sec-websocket-protocol'])
  const token = names.find((name) => name.startsWith(bearerPrefix))
  if (token === undefined) return
  headers['sec-websocket-protocol'] = names.filter((name) => name !== token).join(', ')
  headers.authorization ??= `Bearer ${Buffer.from(token.slice(bearerPrefix.length), 'base64url').toString()}`
}

function failWith(socket: TLSSocket, { code, status }: StatusError): void {
  answerWith(socket, {
    status: code,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(status)),
  })
}

function answerWith(socket: TLSSocket, { status, headers, body }: ApiResponse): void {
  if (!socket.writable || typeof body === 'function') return void socket.destroy()
  refuse(socket, status, body instanceof Buffer ? body : Buffer.concat(body as Buffer[]), headers)
}
