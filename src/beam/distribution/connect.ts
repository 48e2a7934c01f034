import { type Socket, connect as tcpConnect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { type Clock, CuddleError, errorMessage, type Logger, silentLogger, systemClock } from '#lib'
import { atom, type DecodeLimits, elements, numberOf, Pid, textOf } from '../term/index.ts'
import { Channel } from './channel.ts'
import { Core } from './core.ts'
import { epmdPort } from './epmd.ts'
import { handshake } from './handshake.ts'
import { Identity, randomCreation } from './identity.ts'
import { BeamNode } from './node.ts'
import { Packets } from './packets.ts'

/** TLS distribution: what `node:tls` takes. The node's certificate is checked unless `rejectUnauthorized` is false. */
export type DistributionTls = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized' | 'checkServerIdentity' | 'minVersion'
>

export interface ConnectOptions {
  /** The node's whole name, `app@10.0.0.7`. */
  name: string
  /** Where to connect. @default the part of the name after the `@` */
  host?: string
  /** The distribution port of a node without epmd. */
  port?: number
  /** Ask this epmd for the port instead. @default port 4369 at `host`, when there is no `port` */
  epmd?: { host?: string; port?: number }
  /** Makes the connection, where it is not TCP to `host` and `port`: a tunnel. TLS, if any, goes over it. */
  dial?: (signal: AbortSignal) => Promise<Duplex>
  cookie: string
  /**
   * Our own name, `rem-cuddle@HOST`. Use a stable one: names become atoms there for ever, and a connection that still
   * exists under it is taken over.
   */
  ourName: string
  tls?: DistributionTls
  clock?: Clock
  log?: Logger
  /** Aborts connecting; afterwards use `close()`. */
  signal?: AbortSignal
  /** For all of connecting. @default 10 000 */
  timeoutMs?: number
  /** What is read of a message of the node. */
  limits?: DecodeLimits
  /** Longer messages of the node are refused one by one. @default 256 MiB */
  maxFrameBytes?: number
  /** Which start of us this is. @default a random one per connection */
  creation?: number
}

const defaultTimeoutMs = 10_000
const defaultFrameBytes = 256 * 1024 * 1024

/**
 * Connects to a running node as a hidden node, with version 6 of the handshake (OTP 25 and later).
 *
 * @throws {CuddleError} `node-unreachable`, `epmd-unreachable`, `node-not-registered`, `wrong-cookie`, `wrong-node`,
 *   `node-refused`, `unsupported-otp`, `handshake-failed`, `connect-timeout`, `connect-aborted`, `bad-node-name`
 */
export async function connect(options: ConnectOptions): Promise<BeamNode> {
  const { name, clock = systemClock, timeoutMs = defaultTimeoutMs } = options
  for (const one of [name, options.ourName]) {
    if (!/^[^@\s]+@[^@\s]+$/.test(one)) {
      throw new CuddleError('bad-node-name', `${JSON.stringify(one)} is no node name`, { hint: 'write NAME@HOST' })
    }
  }
  const abort = new AbortController()
  const stop = (code: string, why: string) => abort.abort(new CuddleError(code, `node ${name} ${why}`))
  const cancel = clock.after(timeoutMs, () =>
    stop('connect-timeout', `did not complete the connection within ${timeoutMs} ms`),
  )
  const onAbort = () => stop('connect-aborted', 'was not connected: aborted')
  if (options.signal?.aborted) onAbort()
  options.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await attempt(options, clock, abort.signal)
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error
  } finally {
    cancel()
    options.signal?.removeEventListener('abort', onAbort)
  }
}

async function attempt(options: ConnectOptions, clock: Clock, signal: AbortSignal): Promise<BeamNode> {
  signal.throwIfAborted()
  const { name, ourName, cookie, log = silentLogger } = options
  const host = options.host ?? name.slice(name.indexOf('@') + 1)
  const port = options.port ?? (options.dial ? 0 : await lookUp(options, host, clock, signal))
  const identity = new Identity(ourName, options.creation ?? randomCreation())
  const socket = await open(options, host, port, signal)
  const destroy = () => socket.destroy()
  signal.addEventListener('abort', destroy, { once: true })
  try {
    signal.throwIfAborted()
    const packets = new Packets(socket, options.tls ? 4 : 2)
    const peer = await handshake(packets, { name, ourName, ourCreation: identity.creation, cookie })
    const core = new Core({ identity, clock, log, limits: options.limits ?? {} })
    const closed = Promise.withResolvers<CuddleError>()
    const rest = packets.release()
    const channel = new Channel(socket, {
      node: name,
      clock,
      maxFrameBytes: options.maxFrameBytes ?? defaultFrameBytes,
      onFrame: (bytes, start, end, fullLength) => core.handle(bytes, start, end, fullLength),
      onClosed: (reason) => {
        core.disconnected(reason)
        closed.resolve(reason)
      },
    })
    core.attach(channel)
    channel.start(rest)
    const node = new BeamNode({
      name,
      creation: peer.creation,
      core,
      log,
      closed: closed.promise,
      disconnect: (reason) => channel.close(reason),
    })
    await introduce(node, channel, signal)
    return node
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    signal.removeEventListener('abort', destroy)
  }
}

/** The first round trip: what later calls need to know. */
async function introduce(node: BeamNode, channel: Channel, signal: AbortSignal): Promise<void> {
  const [release, user, ticktime] = await node.callAll(
    [
      ['erlang', 'system_info', [atom('otp_release')]],
      ['erlang', 'whereis', [atom('user')]],
      ['net_kernel', 'get_net_ticktime', []],
    ],
    { signal, output: 'ignore', timeoutMs: Number.POSITIVE_INFINITY },
  )
  node.introduce({ otpRelease: textOf(release) ?? '', console: user instanceof Pid ? user : undefined })
  const seconds = numberOf(ticktime) ?? numberOf(elements(ticktime, 2)?.[1])
  if (seconds !== undefined && seconds > 0) channel.setTickTime(seconds)
}

async function lookUp(options: ConnectOptions, host: string, clock: Clock, signal: AbortSignal): Promise<number> {
  const at = { host: options.epmd?.host ?? host, port: options.epmd?.port }
  const port = await epmdPort(at, options.name, { clock, signal })
  if (port !== undefined) return port
  throw new CuddleError('node-not-registered', `epmd at ${at.host} does not know ${options.name}`, {
    hint: 'the node is not running, not distributed, or does without epmd: then give its port',
  })
}

/** What one read takes at most. */
const readBytes = 64 * 1024

/**
 * A TCP connection that reads into one buffer again and again, where Node would make one of 64 KiB for each read. What is given to
 * listeners is valid until they return. The buffer lies in a larger memory, so that no term that is read from it keeps a view (`Reader.bytes`).
 */
function plainSocket(host: string, port: number): Socket {
  const buffer = Buffer.from(new ArrayBuffer(readBytes * 2.5), 0, readBytes)
  const socket: Socket = tcpConnect({
    ...{ host, port, noDelay: true },
    onread: {
      buffer,
      callback(count) {
        socket.emit('data', buffer.subarray(0, count))
        return true
      },
    },
  })
  return socket
}

async function open(
  { name, tls, dial }: ConnectOptions,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const tunnel = await dial?.(signal)
  if (signal.aborted) tunnel?.destroy()
  signal.throwIfAborted()
  if (tunnel && !tls) return tunnel
  let socket: Duplex
  if (tls) {
    const { connect: tlsConnect } = await import('node:tls')
    signal.throwIfAborted()
    socket = tlsConnect({ ...(tunnel ? { socket: tunnel } : { host, port }), ...tls })
  } else socket = plainSocket(host, port)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const ready = tls ? 'secureConnect' : 'connect'
  const closed = () => reject(new Error('it closed the connection'))
  const abort = () => socket.destroy()
  socket.once(ready, resolve)
  socket.once('error', reject)
  socket.once('close', closed)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await promise
    return socket
  } catch (error) {
    socket.destroy()
    throw new CuddleError(
      'node-unreachable',
      `node ${name} at ${host}:${port} cannot be reached: ${errorMessage(error)}`,
      {
        hint: 'it is not running, its distribution port is another one, or a network policy is in between',
        cause: error,
      },
    )
  } finally {
    signal.removeEventListener('abort', abort)
    socket.off(ready, resolve)
    socket.off('error', reject)
    socket.off('close', closed)
  }
}
