import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { errorMessage, type WebSocketPeer, webSockets } from '#lib'
import { acceptSpdy, acceptWebSocket, offered, refuse, upgradeOf } from './handshake.ts'
import { SpdySession, type SpdyStream } from './spdy/index.ts'

/** Connects to a port of the pod. */
export type Dial = (port: number) => Promise<Socket>

const spdyProtocol = 'portforward.k8s.io'
const tunnelProtocol = `SPDY/3.1+${spdyProtocol}`

/**
 * Serves a port-forward: SPDY/3.1, the same within a WebSocket (subprotocol `SPDY/3.1+portforward.k8s.io`), or the older
 * WebSocket channels, whose ports are in the query.
 */
export async function acceptPortForward(
  request: IncomingMessage,
  socket: Duplex,
  query: URLSearchParams,
  dial: Dial,
): Promise<void> {
  socket.on('error', () => {})
  if (upgradeOf(request) === 'spdy') {
    const names = offered(request.headers['x-stream-protocol-version'])
    if (names.length > 0 && !names.includes(spdyProtocol))
      return refuse(socket, 403, `unable to upgrade: unable to negotiate protocol: client supports ${names}\n`)
    acceptSpdy(socket, spdyProtocol)
    return forwardSpdy(socket, dial)
  }
  const { byteStream, WebSocketPeer } = await webSockets()
  const names = offered(request.headers['sec-websocket-protocol'])
  if (names.includes(tunnelProtocol)) {
    await acceptWebSocket(request, socket, tunnelProtocol)
    return forwardSpdy(byteStream(new WebSocketPeer(socket, 'server')), dial)
  }
  const known = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io']
  const protocol = names.length === 0 ? '' : names.find((name) => known.includes(name))
  const ports = query
    .getAll('ports')
    .flatMap((text) => text.split(','))
    .map(Number)
  if (protocol === undefined) return refuse(socket, 400, `unable to upgrade: no known subprotocol in ${names}\n`)
  if (ports.length === 0) return refuse(socket, 400, 'query parameter "port" is required')
  if (!ports.every(isPort)) return refuse(socket, 400, 'query parameter "ports" holds no port number\n')
  await acceptWebSocket(request, socket, protocol)
  return forwardChannels(new WebSocketPeer(socket, 'server'), protocol.includes('base64'), ports, dial)
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536
}

/** Each connection is a pair of streams, an error stream and a data stream, that share a `requestID`. */
async function forwardSpdy(socket: Duplex, dial: Dial): Promise<void> {
  const waiting = new Map<string, Partial<Record<string, SpdyStream>>>()
  const session = new SpdySession(socket, {
    role: 'server',
    onStream(stream) {
      const type = stream.headers['streamtype'] ?? ''
      // Clients before Kubernetes 1.1 send no id; there the error stream comes directly before the data stream.
      const id = stream.headers['requestid'] ?? String(type === 'data' ? stream.id - 2 : stream.id)
      const port = Number(stream.headers['port'])
      if ((type !== 'error' && type !== 'data') || !isPort(port)) return void stream.destroy()
      const pair = { ...waiting.get(id), [type]: stream }
      if (!pair.error || !pair.data) return void waiting.set(id, pair)
      waiting.delete(id)
      void forwardPair(pair.error, pair.data, port, dial)
    },
  })
  await session.closed
}

async function forwardPair(error: SpdyStream, data: SpdyStream, port: number, dial: Dial): Promise<void> {
  error.resume()
  let socket: Socket
  try {
    socket = await dial(port)
  } catch (reason) {
    error.end(`unable to connect to port ${port} of the pod: ${errorMessage(reason)}`)
    data.resume()
    data.end()
    return
  }
  splice(data, socket)
  await Promise.race([closed(data), closed(socket)])
  error.end()
}

/** Joins two byte streams, half-closed as they are; an abrupt end of one ends the other. */
export function splice(left: Duplex, right: Duplex): void {
  for (const [from, to] of [
    [left, right],
    [right, left],
  ]) {
    from.on('error', () => {})
    from.pipe(to)
    from.once('close', () => {
      if (!from.readableEnded) to.destroy()
      else if (!to.writableEnded) to.end()
    })
  }
}

function closed(stream: Duplex): Promise<void> {
  return stream.destroyed ? Promise.resolve() : new Promise((resolve) => stream.once('close', resolve))
}

/** Port i is channels 2i (data) and 2i+1 (errors); each begins with its port as two bytes, little end first. */
async function forwardChannels(
  peer: WebSocketPeer,
  base64: boolean,
  ports: readonly number[],
  dial: Dial,
): Promise<void> {
  const send = (channel: number, data: Uint8Array): boolean =>
    base64
      ? peer.send(String.fromCharCode(0x30 + channel) + Buffer.from(data).toString('base64'), false)
      : peer.send(Buffer.concat([Buffer.from([channel]), data]))
  const sockets = await Promise.all(
    ports.map(async (port, index) => {
      const head = Buffer.from([port & 0xff, port >> 8])
      send(2 * index, head)
      send(2 * index + 1, head)
      const socket = await dial(port).catch((error) => {
        send(2 * index + 1, Buffer.from(`unable to connect to port ${port} of the pod: ${errorMessage(error)}`))
        return undefined
      })
      socket?.on('error', () => {})
      socket?.on('data', (chunk: Buffer) => {
        if (send(2 * index, chunk)) return
        socket.pause()
        void peer.drained().then(() => socket.resume())
      })
      socket?.once('end', () => {
        if (ports.length === 1) peer.close()
      })
      return socket
    }),
  )
  if (sockets.every((socket) => socket === undefined)) peer.close()
  for await (const { data } of peer.messages()) {
    const channel = base64 ? data[0] - 0x30 : data[0]
    const socket = channel % 2 === 0 ? sockets[channel / 2] : undefined
    const body = base64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1)
    if (!socket?.writable || body.length === 0 || socket.write(body)) continue
    await new Promise<void>((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
  for (const socket of sockets) socket?.destroy()
}
