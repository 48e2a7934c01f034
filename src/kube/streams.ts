import type { Duplex } from 'node:stream'
import { isObject, type WebSocketPeer, webSockets } from '#lib'
import { ApiError, apiError } from './errors.ts'
import { query } from './paths.ts'
import type { AttachOptions, StreamHandle, Transport } from './types.ts'

/** The first byte of each message (k8s.io/apimachinery remotecommand); 255 closes a channel, since v5. */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 }
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']

/**
 * Runs exec or attach over a WebSocket until the server says how it ended. Resolves with the exit code (attach: 0).
 * Rejects with ApiError when the server refuses or fails, with `signal.reason` when the signal aborts.
 */
export async function runStreams(
  transport: Transport,
  path: string,
  userAgent: string,
  options: AttachOptions & { command?: readonly string[] },
): Promise<number> {
  const { stdin, stdout, stderr, tty = false, container, command, signal } = options
  const parameters = { container, stdin: Boolean(stdin), stdout: Boolean(stdout), stderr: Boolean(stderr) && !tty, tty }
  const words = (command ?? []).map((word) => `&command=${encodeURIComponent(word)}`).join('')
  const { socket, protocol } = await connect(transport, path + query(parameters) + words, userAgent, protocols, signal)
  const { WebSocketPeer } = await webSockets()
  const peer = new WebSocketPeer(socket, 'client')
  const abort = () => peer.destroy()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (signal?.aborted) abort()
    let opened = false
    for await (const { data } of peer.messages()) {
      if (!opened) {
        opened = true
        options.onOpen?.(handleOf(peer))
        if (stdin) void feed(peer, stdin, protocol === protocols[0])
      }
      const body = data.subarray(1)
      if (data[0] === channel.error) return exitCodeOf(body.toString('utf8'), path)
      if (body.length === 0) continue
      if (data[0] === channel.stdout) await stdout?.(body)
      else if (data[0] === channel.stderr) await stderr?.(body)
    }
    signal?.throwIfAborted()
    throw new Error(`the streams of ${path} were cut (${peer.closed?.reason || peer.closed?.code})`)
  } finally {
    signal?.removeEventListener('abort', abort)
    peer.close()
  }
}

/**
 * Opens a port of a pod as a stream of bytes, through the API server. The older WebSocket channels are used (one for bytes,
 * one for an error, each beginning with the port as two bytes), which every server from 1.5 on knows.
 * Rejects with ApiError when the server refuses; the stream is destroyed with an error when the pod does.
 */
export async function openPort(
  transport: Transport,
  path: string,
  userAgent: string,
  { port, signal }: { port: number; signal?: AbortSignal | undefined },
): Promise<Duplex> {
  const { socket } = await connect(transport, path + query({ ports: port }), userAgent, protocols.slice(1), signal)
  const { byteStream, WebSocketPeer } = await webSockets()
  // What each of the two channels still has to say of the port.
  const heads = [2, 2]
  return byteStream(new WebSocketPeer(socket, 'client'), {
    wrap: (bytes) => Buffer.concat([Buffer.from([0]), bytes]),
    unwrap: (message) => {
      const head = Math.min(heads[message[0]] ?? 0, message.length - 1)
      heads[message[0]] -= head
      const body = message.subarray(1 + head)
      if (message[0] === 0 || body.length === 0) return message[0] === 0 ? body : Buffer.alloc(0)
      return new Error(body.toString('utf8').trim())
    },
  })
}

function handleOf(peer: WebSocketPeer): StreamHandle {
  return {
    resize: (columns, rows) =>
      void peer.send(
        Buffer.concat([Buffer.from([channel.resize]), Buffer.from(JSON.stringify({ Width: columns, Height: rows }))]),
      ),
  }
}

async function feed(peer: WebSocketPeer, input: AsyncIterable<Uint8Array>, closable: boolean): Promise<void> {
  try {
    for await (const chunk of input) {
      if (peer.closed) return
      if (!peer.send(Buffer.concat([Buffer.from([channel.stdin]), chunk]))) await peer.drained()
    }
    if (closable) peer.send(Buffer.from([channel.close, channel.stdin]))
  } catch {
    peer.destroy()
  }
}

async function connect(
  transport: Transport,
  path: string,
  userAgent: string,
  offered: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ socket: Duplex; protocol: string }> {
  if (!transport.upgrade) throw new Error('this connection to the API server carries no streams')
  const { webSocketAccept, webSocketKey } = await webSockets()
  const key = webSocketKey()
  const response = await transport.upgrade({
    method: 'GET',
    path,
    headers: {
      'user-agent': userAgent,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      'sec-websocket-protocol': offered.join(', '),
    },
    ...(signal && { signal }),
  })
  if (!response.socket) {
    let text = ''
    for await (const chunk of response.body) text += Buffer.from(chunk).toString('utf8')
    throw apiError(response.status, parse(text) ?? text, { request: `GET ${path}` })
  }
  const protocol = String(response.headers['sec-websocket-protocol'] ?? '')
  if (response.headers['sec-websocket-accept'] !== webSocketAccept(key) || !offered.includes(protocol)) {
    response.socket.destroy()
    throw new Error(`GET ${path}: the server's WebSocket handshake is not one`)
  }
  return { socket: response.socket, protocol }
}

function exitCodeOf(text: string, path: string): number {
  const status = parse(text)
  if (!isObject(status)) throw new Error(`${path}: ${text}`)
  if (status['status'] === 'Success') return 0
  if (status['reason'] === 'NonZeroExitCode') {
    const cause = status['details']?.causes?.find((one: any) => one?.reason === 'ExitCode')
    return Number.parseInt(cause?.message, 10) || 1
  }
  const code = Number(status['code'] ?? 500)
  throw new ApiError(code, { message: String(status['message']), reason: String(status['reason'] ?? ''), status })
}

function parse(text: string): Record<string, any> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
