import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { CuddleError, errorMessage } from '#lib'
import { checkPeerFlags, ourFlags } from './flags.ts'
import type { Packets } from './packets.ts'

/** Who the other side is, once it has proved it. */
export interface PeerIdentity {
  name: string
  /** Changes with every start of the node. */
  creation: number
  flags: bigint
}

export interface HandshakeOptions {
  /** The name the peer is expected to have. */
  name: string
  ourName: string
  ourCreation: number
  cookie: string
}

/**
 * Version 6 of the distribution handshake, from the connecting side (OTP's "Erlang Distribution Protocol", section
 * "Distribution Handshake"). An older connection under our name is taken over.
 *
 * @throws {CuddleError} `wrong-cookie`, `wrong-node`, `node-refused`, `unsupported-otp`, `handshake-failed`
 */
export async function handshake(packets: Packets, options: HandshakeOptions): Promise<PeerIdentity> {
  const { name, cookie } = options
  packets.write(sendName(options))
  await status(packets, options)
  const peer = challenge(await read(packets, name, 'before its challenge'), name)
  if (peer.name !== name) {
    throw new CuddleError('wrong-node', `node ${name} was expected, ${peer.name} answered`, {
      hint: 'the address or port belongs to another node',
    })
  }
  checkPeerFlags(name, peer.flags)
  const mine = randomBytes(4)
  packets.write(Buffer.concat([Buffer.from('r'), mine, digest(cookie, peer.challenge)]))
  const ack = await packets.read().catch((error: unknown) => {
    throw new CuddleError('wrong-cookie', `node ${name} does not accept our cookie`, {
      hint: 'compare it with the one the node was started with (-setcookie, RELEASE_COOKIE)',
      cause: error,
    })
  })
  const proof = ack.subarray(1)
  const expected = digest(cookie, mine.readUInt32BE())
  if (ack[0] !== 0x61 || proof.length !== 16 || !timingSafeEqual(proof, expected)) {
    throw new CuddleError('wrong-cookie', `node ${name} does not know our cookie`, {
      hint: 'another program may be listening in its place',
    })
  }
  return { name: peer.name, creation: peer.creation, flags: peer.flags & ourFlags }
}

function sendName({ ourName, ourCreation }: HandshakeOptions): Buffer {
  const name = Buffer.from(ourName)
  const head = Buffer.alloc(15)
  head.write('N')
  head.writeBigUInt64BE(ourFlags, 1)
  head.writeUInt32BE(ourCreation, 9)
  head.writeUInt16BE(name.length, 13)
  return Buffer.concat([head, name])
}

async function status(packets: Packets, { name, ourName }: HandshakeOptions): Promise<void> {
  const message = await read(packets, name, 'after our name')
  const text = message[0] === 0x73 ? message.subarray(1).toString('latin1') : ''
  if (text === 'ok' || text === 'ok_simultaneous') return
  if (text === 'alive') {
    packets.write(Buffer.from('strue'))
    return
  }
  if (text === 'not_allowed') {
    throw new CuddleError('node-refused', `node ${name} does not let ${ourName} in`, {
      hint: 'it is older than OTP 25, or net_kernel:allow/1 names other nodes',
    })
  }
  throw new CuddleError('node-refused', `node ${name} refuses ${ourName}: ${text || 'no known status'}`, {
    hint: 'our name must be ASCII, NAME@HOST, and no connection to it may be starting at the same time',
  })
}

function challenge(message: Buffer, name: string): PeerIdentity & { challenge: number } {
  if (message[0] !== 0x4e || message.length < 19 || message.length < 19 + message.readUInt16BE(17)) {
    throw new CuddleError('unsupported-otp', `node ${name} answers with another version of the handshake`, {
      hint: 'build the app with OTP 25 or newer',
    })
  }
  return {
    flags: message.readBigUInt64BE(1),
    challenge: message.readUInt32BE(9),
    creation: message.readUInt32BE(13),
    name: message.subarray(19, 19 + message.readUInt16BE(17)).toString('utf8'),
  }
}

/** MD5 is what the protocol has; TLS is for those who need more. */
function digest(cookie: string, value: number): Buffer {
  return createHash('md5').update(`${cookie}${value}`).digest()
}

async function read(packets: Packets, name: string, when: string): Promise<Buffer> {
  try {
    return await packets.read()
  } catch (error) {
    throw new CuddleError('handshake-failed', `node ${name} ended the handshake ${when}: ${errorMessage(error)}`, {
      hint: 'is it a distribution port, of OTP 25 or newer, and does the node use TLS distribution where we do not (or the reverse)?',
      cause: error,
    })
  }
}
