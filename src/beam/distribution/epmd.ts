import { connect as tcpConnect } from 'node:net'
import { type Clock, CuddleError } from '#lib'

/** Where the Erlang Port Mapper Daemon listens. */
export interface EpmdAddress {
  host: string
  /** @default 4369 */
  port?: number
}

export interface EpmdNode {
  /** The part before the `@`. */
  name: string
  port: number
}

interface Waiting {
  clock: Clock
  signal?: AbortSignal
  /** @default 5000 */
  timeoutMs?: number
}

const defaultPort = 4369
/** More than any epmd has to say. */
const longestReply = 1024 * 1024

/** The names registered at an epmd (NAMES_REQ). @throws {CuddleError} `epmd-unreachable` */
export async function epmdNames(at: EpmdAddress, options: Waiting): Promise<EpmdNode[]> {
  const reply = await ask(at, Buffer.from([110]), options)
  const lines = reply.subarray(4).toString('utf8').split('\n')
  return lines.flatMap((line) => {
    const match = /^name (.+) at port (\d+)$/.exec(line)
    return match ? [{ name: match[1], port: Number(match[2]) }] : []
  })
}

/**
 * The distribution port of a node (PORT_PLEASE2_REQ), or undefined when no such node is registered.
 *
 * @param node its name; what follows an `@` does not count
 * @throws {CuddleError} `epmd-unreachable`
 */
export async function epmdPort(at: EpmdAddress, node: string, options: Waiting): Promise<number | undefined> {
  const name = Buffer.from(node.split('@')[0])
  const reply = await ask(at, Buffer.concat([Buffer.from([122]), name]), options)
  if (reply.length < 4 || reply[0] !== 119 || reply[1] !== 0) return undefined
  return reply.readUInt16BE(2)
}

/** One request; the whole of what comes before epmd closes. */
function ask(at: EpmdAddress, body: Buffer, options: Waiting): Promise<Buffer> {
  const port = at.port ?? defaultPort
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let size = 0
  const socket = tcpConnect({ host: at.host, port })
  const fail = (why: string, cause?: unknown) => {
    const hint = 'start epmd, or give the node a fixed port (-erl_epmd_port) and connect to that'
    reject(new CuddleError('epmd-unreachable', `epmd at ${at.host}:${port} ${why}`, { hint, cause }))
    socket.destroy()
  }
  const stop = () => fail('was not asked to the end: aborted')
  const cancel = options.clock.after(options.timeoutMs ?? 5000, () => fail('does not answer'))
  if (options.signal?.aborted) stop()
  options.signal?.addEventListener('abort', stop, { once: true })
  socket.on('connect', () => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(body.length)
    socket.write(Buffer.concat([length, body]))
  })
  socket.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > longestReply) fail('says too much')
    else chunks.push(chunk)
  })
  socket.on('error', (error) => fail(`cannot be asked: ${error.message}`, error))
  socket.on('close', () => resolve(Buffer.concat(chunks)))
  return promise.finally(() => {
    cancel()
    options.signal?.removeEventListener('abort', stop)
  })
}
