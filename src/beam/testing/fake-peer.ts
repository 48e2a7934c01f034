import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { decodeFirst } from '../term/decode.ts'
import { Atom, atom, encode, Pid, type Term, Tuple, tuple } from '../term/index.ts'

export const fakeName = 'fake@127.0.0.1'
export const fakeCookie = 'fake'
/** What OTP 25 and 27 say. */
export const usualFlags = 0xd07df7fbdn

export interface FakeOptions {
  /** Whose place it takes. @default fake@127.0.0.1 */
  name?: string
  /** Where it listens. @default 127.0.0.1, a free port */
  host?: string
  port?: number
  /** The answer to our name. @default `sok` */
  status?: Uint8Array | string
  /** Instead of the whole challenge. */
  challenge?: Uint8Array
  flags?: bigint
  /** The cookie it believes in. */
  cookie?: string
  /** For the control tuple of each message after the handshake. Nothing is read until it returns. */
  onControl?: (control: readonly Term[], socket: Socket) => void | Promise<void>
}

/** The accepting side of the handshake, for a peer that misbehaves as told. Returns its port and what we said. */
export async function fakePeer(
  t: { after(fn: () => void): void },
  options: FakeOptions = {},
): Promise<{ port: number; said: Buffer[] }> {
  const said: Buffer[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    void serve(socket, options, said)
  }).listen(options.port ?? 0, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as { port: number }).port, said }
}

async function serve(socket: Socket, options: FakeOptions, said: Buffer[]): Promise<void> {
  let buffered = Buffer.alloc(0)
  const chunks = socket.iterator()
  const take = async (width: 2 | 4): Promise<Buffer | undefined> => {
    for (;;) {
      if (buffered.length >= width && buffered.length >= width + buffered.readUIntBE(0, width)) {
        const end = width + buffered.readUIntBE(0, width)
        const body = buffered.subarray(width, end)
        buffered = buffered.subarray(end)
        return body
      }
      const next = await chunks.next().catch(() => undefined)
      if (!next || next.done) return undefined
      buffered = Buffer.concat([buffered, next.value])
    }
  }
  const send = (body: Uint8Array) => {
    const head = Buffer.alloc(2)
    head.writeUInt16BE(body.length)
    socket.write(Buffer.concat([head, body]))
  }
  const hear = async () => {
    const message = await take(2)
    if (message) said.push(message)
    return message
  }

  if (!(await hear())) return
  const status = Buffer.from(options.status ?? 'sok')
  send(status)
  if (status.toString() === 'salive' && !(await hear())) return
  if (!/^s(ok|alive)/.test(status.toString())) return void socket.end()
  send(options.challenge ?? challengeMessage(options.name ?? fakeName, options.flags ?? usualFlags, 77))
  const reply = await hear()
  if (!reply) return
  const cookie = options.cookie ?? fakeCookie
  send(
    Buffer.concat([
      Buffer.from('a'),
      createHash('md5')
        .update(`${cookie}${reply.readUInt32BE(1)}`)
        .digest(),
    ]),
  )
  for (let frame = await take(4); frame; frame = await take(4)) {
    if (frame.length === 0) continue
    const { term } = decodeFirst(frame, 1)
    await options.onControl?.((term as Tuple).elements, socket)
  }
}

function challengeMessage(called: string, flags: bigint, challenge: number): Buffer {
  const name = Buffer.from(called)
  const head = Buffer.alloc(19)
  head.write('N')
  head.writeBigUInt64BE(flags, 1)
  head.writeUInt32BE(challenge, 9)
  head.writeUInt32BE(4711, 13)
  head.writeUInt16BE(name.length, 17)
  return Buffer.concat([head, name])
}

/** A frame with any bytes after the control message. */
export function rawFrame(control: readonly Term[] | Uint8Array, message: Uint8Array = Buffer.alloc(0)): Buffer {
  const body = control instanceof Uint8Array ? control : encode(new Tuple(control as readonly Term[]))
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + body.length + message.length)
  head[4] = 112
  return Buffer.concat([head, body, message])
}

/** Answers a spawn request of `erpc:execute_call` with these bytes as its outcome. */
export function answerCall(control: readonly Term[], socket: Socket, outcome: Uint8Array): void {
  const [, reference, from] = control
  const worker = new Pid(fakeName, 9, 0, 4711)
  socket.write(rawFrame([31, reference, from, 2, worker]))
  socket.write(rawFrame([28, worker, from, reference], outcome))
}

/** What a node says to the questions of `connect`. */
export function introduction(control: readonly Term[]): Buffer {
  return encode(tuple(control[1], atom('return'), [[57, 57], new Atom('undefined'), 60]))
}
