import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect, isIP } from 'node:net'
import type { Clock } from '#lib'
import { parseResolvConf } from '../../resolv-conf.ts'

const attemptMs = 2000
const atOnce = 500

/** Passes questions on to the name servers of this machine, as they stand in its resolv.conf when they are asked. */
export class Upstream {
  readonly #file: string
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #open = 0

  constructor({ file, clock, signal }: { file: string; clock: Clock; signal: AbortSignal }) {
    this.#file = file
    this.#clock = clock
    this.#signal = signal
  }

  /** The answer as it came, with the id of the question; undefined when nobody answers within 2 s each. */
  async ask(message: Buffer, overTcp: boolean): Promise<Buffer | undefined> {
    if (this.#open >= atOnce) return undefined
    this.#open++
    try {
      for (const server of nameservers(this.#file)) {
        const reply = await (overTcp ? this.#tcp(server, message) : this.#udp(server, message))
        if (reply || this.#signal.aborted) return reply
      }
      return undefined
    } finally {
      this.#open--
    }
  }

  #udp(server: string, message: Buffer): Promise<Buffer | undefined> {
    // A port of its own for each question: an answer cannot be guessed, and belongs to one question.
    const socket = createSocket(isIP(server) === 6 ? 'udp6' : 'udp4')
    const id = message.readUInt16BE(0)
    return this.#within(
      (resolve) => {
        socket.on('error', () => resolve(undefined))
        socket.on('message', (reply) => {
          if (reply.length >= 12 && reply.readUInt16BE(0) === id) resolve(reply)
        })
        socket.connect(53, server, () => socket.send(message))
      },
      () => socket.close(),
    )
  }

  #tcp(server: string, message: Buffer): Promise<Buffer | undefined> {
    const socket = connect({ host: server, port: 53 })
    let received: Buffer = Buffer.alloc(0)
    return this.#within(
      (resolve) => {
        socket.on('error', () => resolve(undefined))
        socket.on('close', () => resolve(undefined))
        socket.on('data', (chunk: Buffer) => {
          received = Buffer.concat([received, chunk])
          if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
            resolve(received.subarray(2, 2 + received.readUInt16BE(0)))
        })
        const length = Buffer.alloc(2)
        length.writeUInt16BE(message.length)
        socket.write(Buffer.concat([length, message]))
      },
      () => socket.destroy(),
    )
  }

  async #within(
    start: (resolve: (reply: Buffer | undefined) => void) => void,
    end: () => void,
  ): Promise<Buffer | undefined> {
    let cancel = () => {}
    const giveUp = new Promise<undefined>((resolve) => {
      cancel = this.#clock.after(attemptMs, () => resolve(undefined))
    })
    try {
      return await Promise.race([new Promise<Buffer | undefined>(start), giveUp])
    } finally {
      cancel()
      end()
    }
  }
}

/** The first three that a resolv.conf(5) names. */
export function nameservers(file: string): string[] {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {}
  return parseResolvConf(text)
    .nameservers.filter((address) => isIP(address.replace(/%.*/, '')) !== 0)
    .slice(0, 3)
}
