import type { IncomingMessage } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import { type Clock, webSockets } from '#lib'
import { acceptSpdy, acceptWebSocket, offered, refuse, upgradeOf } from './handshake.ts'
import { spdyStreams } from './remote-spdy.ts'
import { webSocketStreams } from './remote-websocket.ts'

/** Which streams a client of exec or attach asks for. */
export interface StreamRequest {
  stdin: boolean
  stdout: boolean
  /** Never together with `tty`, where there is only one output. */
  stderr: boolean
  tty: boolean
}

export interface TerminalSize {
  columns: number
  rows: number
}

/** metav1.Status as the last word of a command. */
export interface CommandStatus {
  metadata: object
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: object
  code?: number
}

/** The streams of one exec or attach, whatever carries them. */
export interface RemoteStreams {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  readonly stderr: Writable | undefined
  /** Calls `fn` with every size of the client's terminal, the one that is known already too. */
  onResize(fn: (size: TerminalSize) => void): void
  /** Of the channels. */
  readonly protocol: string
  /** Says how it ended, after all output, and closes. */
  finish(status: CommandStatus): Promise<void>
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal
}

const spdyProtocols = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io']
const webSocketProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
]

/**
 * Accepts an upgrade to exec or attach: WebSocket (subprotocols v5 and v4.channel.k8s.io and their older kin) or SPDY/3.1
 * (X-Stream-Protocol-Version v4 … v1). Undefined when it was refused or the streams did not come.
 */
export async function acceptRemoteCommand(
  request: IncomingMessage,
  socket: Duplex,
  wants: StreamRequest,
  clock: Clock,
): Promise<RemoteStreams | undefined> {
  socket.on('error', () => {})
  if (upgradeOf(request) === 'websocket') {
    const names = offered(request.headers['sec-websocket-protocol'])
    const protocol = names.length === 0 ? '' : names.find((name) => webSocketProtocols.includes(name))
    if (protocol === undefined) {
      refuse(socket, 403, '', {})
      return undefined
    }
    await acceptWebSocket(request, socket, protocol)
    const { WebSocketPeer } = await webSockets()
    return webSocketStreams(new WebSocketPeer(socket, 'server'), protocol, wants)
  }
  const names = offered(request.headers['x-stream-protocol-version'])
  const protocol = names.length === 0 ? '' : names.find((name) => spdyProtocols.includes(name))
  if (protocol === undefined) {
    const headers = { 'content-type': 'text/plain', 'X-Accepted-Stream-Protocol-Versions': spdyProtocols }
    refuse(socket, 403, `unable to upgrade: unable to negotiate protocol: client supports ${names}\n`, headers)
    return undefined
  }
  acceptSpdy(socket, protocol)
  return spdyStreams(socket, protocol, wants, clock)
}

/**
 * The end of a command, worded as kube-apiserver words it, which ends v5 itself, and as containerd does, to which it leaves
 * the older protocols.
 */
export function exitStatus(code: number, protocol: string, command: readonly string[] = []): CommandStatus {
  if (code === 0) return { metadata: {}, status: 'Success' }
  const words = protocol.startsWith('v5.')
    ? `command terminated with exit code ${code}`
    : `error executing command [${command.join(' ')}], exit code ${code}`
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${words}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}

/** The command could not be run at all. */
export function failureStatus(message: string): CommandStatus {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  }
}
