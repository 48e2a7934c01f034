import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { nodeHttp, nodeHttps } from '#lib'
import { offered, refuse, splice, upgradeOf } from '../streams/index.ts'
import type { Api, ApiResponse, Upstream } from './request.ts'
import { badRequest, StatusError } from './status.ts'
import { asStatus, textOf } from './subresources/log.ts'

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
  const far = await openUpstream(api, answer.upstream, request.method ?? 'GET', request.headers, gone.signal)
  if (far instanceof StatusError) return failWith(socket, far)
  const lines: string[] = []
  const { rawHeaders } = far.response
  for (let index = 0; index < rawHeaders.length; index += 2)
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`)
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
  splice(socket, far.socket)
}

/** Opens the connection to the kubelet API that a granted upgrade leads to; a StatusError says why there is none. */
export function openUpstream(
  api: Api,
  { host, port, path, headers: proxied, tls }: Upstream,
  method: string,
  given: Readonly<Record<string, string | string[] | undefined>>,
  signal: AbortSignal,
): Promise<{ response: IncomingMessage; socket: Socket } | StatusError> {
  const headers: Record<string, string | string[]> = {
    ...proxied,
    connection: 'Upgrade',
    upgrade: given['upgrade'] ?? '',
  }
  for (const name of passed) if (given[name] !== undefined) headers[name] = given[name]
  const { ca, kubeletClient } = api.pki
  return new Promise((resolve) => {
    const secured = proxied ? tls : { ca: ca.cert, ...kubeletClient }
    const options = { host, port, path, method, headers, ...secured, agent: false as const }
    const upstream = (secured ? nodeHttps() : nodeHttp()).request(options)
    signal.addEventListener('abort', () => upstream.destroy(), { once: true })
    upstream.on('error', (error) =>
      resolve(new StatusError(500, 'InternalError', `error dialing backend: ${error.message}`)),
    )
    upstream.on('response', (incoming) => {
      void textOf(incoming).then((text) => resolve(new NodeRefusal(incoming.statusCode ?? 500, text)))
    })
    upstream.on('upgrade', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.on('error', () => {})
      socket.setNoDelay(true)
      if (head.length > 0) socket.unshift(head)
      resolve({ response, socket })
    })
    upstream.end()
  })
}

/** What a node says instead of streaming, which kube-apiserver passes on in its own words: it is no Status. */
class NodeRefusal extends StatusError {
  readonly text: string

  constructor(code: number, text: string) {
    const { reason, message, details } = asStatus(code, text)
    super(code, reason, message, details)
    this.text = text
  }
}

function takeToken(request: IncomingMessage): void {
  const { headers } = request
  const names = offered(headers['sec-websocket-protocol'])
  const token = names.find((name) => name.startsWith(bearerPrefix))
  if (token === undefined) return
  headers['sec-websocket-protocol'] = names.filter((name) => name !== token).join(', ')
  headers.authorization ??= `Bearer ${Buffer.from(token.slice(bearerPrefix.length), 'base64url').toString()}`
}

function failWith(socket: TLSSocket, error: StatusError): void {
  const { code, status } = error
  if (error instanceof NodeRefusal) {
    const headers = { 'content-type': 'text/plain; charset=utf-8' }
    answerWith(socket, { status: code, headers, body: Buffer.from(error.text) })
    return
  }
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
