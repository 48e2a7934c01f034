import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { webSockets } from '#lib'

/** The subprotocols or stream protocols that a client offers, best first; the header may be repeated. */
export function offered(header: string | string[] | undefined): string[] {
  return (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}

/** Which upgrade a request asks for; undefined when it is neither of the two that carry streams. */
export function upgradeOf({ headers }: Pick<IncomingMessage, 'headers'>): 'websocket' | 'spdy' | undefined {
  const upgrade = headers.upgrade?.toLowerCase() ?? ''
  if (upgrade === 'websocket') return 'websocket'
  return upgrade === 'spdy/3.1' ? 'spdy' : undefined
}

/** Answers a WebSocket handshake (RFC 6455, 4.2.2) with 101. Without a subprotocol none is named. */
export async function acceptWebSocket(request: IncomingMessage, socket: Duplex, protocol: string): Promise<void> {
  const { webSocketAccept } = await webSockets()
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${webSocketAccept(request.headers['sec-websocket-key'] ?? '')}`,
    ...(protocol === '' ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
}

export function acceptSpdy(socket: Duplex, protocol: string): void {
  const version = protocol === '' ? '' : `X-Stream-Protocol-Version: ${protocol}\r\n`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n${version}\r\n`)
}

const reasons: Record<number, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  500: 'Internal Server Error',
}

/** Answers an upgrade with an ordinary response and ends the connection. */
export function refuse(
  socket: Duplex,
  code: number,
  body: string | Buffer,
  headers: Record<string, string | string[]> = { 'content-type': 'text/plain; charset=utf-8' },
): void {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`))
  const length = Buffer.byteLength(body)
  socket.write(
    `HTTP/1.1 ${code} ${reasons[code] ?? 'Error'}\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: ${length}\r\nconnection: close\r\n\r\n`,
  )
  socket.end(body)
}
