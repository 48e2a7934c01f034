import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import dns, { type Answer, type DecodedPacket, type Packet, type Question } from 'dns-packet'
import { type Clock, errorMessage, type Logger } from '#lib'
import type { Nameserver } from '../../resolv-conf.ts'
import { answer, isInCluster, type Reply, soa } from './answer.ts'
import { Upstream } from './upstream.ts'
import type { Zone } from './zone.ts'

export interface DnsOptions {
  /** Where to listen, the first that is free; port 0 is any. */
  places: readonly Nameserver[]
  /** The names as they are now; undefined: nothing is known yet, and nothing is denied. */
  zone(): Zone | undefined
  /** Whom to ask for all other names. @default /etc/resolv.conf */
  resolvConf?: string
  clock: Clock
  log: Logger
  signal: AbortSignal
}

const rcodes = { format: 1, failure: 2, absent: 3, unable: 4 }
const authoritative = 1 << 10
const recursion = 1 << 7
const desired = 1 << 8
const truncated = 1 << 9
const idleMs = 10_000
/** Who sends more questions than this ahead of their answers is cut off. */
const unreadBytes = 256 * 1024

/** A name server for the cluster, over UDP and TCP. Resolves with where it listens; undefined when no place is to be had. */
export async function startDns(options: DnsOptions): Promise<Nameserver | undefined> {
  const upstream = new Upstream({ ...options, file: options.resolvConf ?? '/etc/resolv.conf' })
  for (const place of options.places) {
    const sockets = await listen(place, options)
    if (!sockets) continue
    const server = new DnsServer(options, upstream)
    server.serve(sockets.udp, sockets.tcp)
    options.signal.addEventListener('abort', () => {
      sockets.udp.close()
      sockets.tcp.close()
    })
    return { host: place.host, port: sockets.udp.address().port }
  }
  return undefined
}

async function listen(
  { host, port }: Nameserver,
  { log }: DnsOptions,
): Promise<{ udp: UdpSocket; tcp: Server } | undefined> {
  const tcp = createServer()
  const udp = createSocket('udp4')
  try {
    tcp.listen({ host, port })
    await once(tcp, 'listening')
    udp.bind({ address: host, port: (tcp.address() as { port: number }).port, exclusive: true })
    await once(udp, 'listening')
    return { tcp, udp }
  } catch (error) {
    log.debug({ host, port }, `no DNS here: ${errorMessage(error)}`)
    tcp.close()
    udp.close()
    return undefined
  }
}

class DnsServer {
  readonly #options: DnsOptions
  readonly #upstream: Upstream
  #turn = 0

  constructor(options: DnsOptions, upstream: Upstream) {
    this.#options = options
    this.#upstream = upstream
  }

  serve(udp: UdpSocket, tcp: Server): void {
    const { clock, log, signal } = this.#options
    udp.on('error', (error) => log.warn({}, `DNS: ${errorMessage(error)}`))
    udp.on('message', async (message, from) => {
      const reply = await this.#reply(message, false)
      if (reply && !signal.aborted) udp.send(reply, from.port, from.address)
    })
    tcp.on('error', (error) => log.warn({}, `DNS: ${errorMessage(error)}`))
    tcp.on('connection', (socket) => {
      signal.addEventListener('abort', () => socket.destroy(), { once: true })
      let cancel = clock.after(idleMs, () => socket.destroy())
      socket.on('close', () => cancel())
      socket.on('error', () => socket.destroy())
      let received: Buffer = Buffer.alloc(0)
      socket.on('data', async (chunk: Buffer) => {
        cancel()
        cancel = clock.after(idleMs, () => socket.destroy())
        received = Buffer.concat([received, chunk])
        if (received.length > unreadBytes) return void socket.destroy()
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          const end = 2 + received.readUInt16BE(0)
          const message = received.subarray(2, end)
          received = received.subarray(end)
          const reply = await this.#reply(message, true)
          if (!reply || socket.destroyed) return void socket.destroy()
          const length = Buffer.alloc(2)
          length.writeUInt16BE(reply.length)
          socket.write(Buffer.concat([length, reply]))
        }
      })
    })
  }

  /** Undefined where silence is the answer: what is no question at all. */
  async #reply(message: Buffer, overTcp: boolean): Promise<Buffer | undefined> {
    if (message.length < 12 || message.readUInt16BE(2) & 0x8000) return undefined
    let packet: DecodedPacket
    try {
      packet = dns.decode(message)
    } catch {
      return header(message, rcodes.format)
    }
    try {
      if ((message.readUInt16BE(2) >> 11) & 15) return header(message, rcodes.unable)
      const [question] = packet.questions ?? []
      if (!question || packet.questions!.length !== 1) return header(message, rcodes.format)
      const zone = this.#options.zone()
      const reply: Reply = zone ? answer(zone, question) : { kind: 'elsewhere' }
      if (reply.kind === 'elsewhere') {
        const passed = isInCluster(question.name) ? undefined : await this.#upstream.ask(message, overTcp)
        return passed ?? failed(message, question)
      }
      return await this.#own(packet, message, reply, overTcp)
    } catch (error) {
      this.#options.log.warn({}, `DNS: ${errorMessage(error)}`)
      return header(message, rcodes.failure)
    }
  }

  async #own(
    packet: DecodedPacket,
    message: Buffer,
    reply: Exclude<Reply, { kind: 'elsewhere' }>,
    overTcp: boolean,
  ): Promise<Buffer> {
    const [question] = packet.questions!
    const options = packet.additionals?.find((each) => each.type === 'OPT') as { udpPayloadSize?: number } | undefined
    const opt: Answer[] = options
      ? [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as any]
      : []
    const base: Packet = {
      type: 'response',
      id: message.readUInt16BE(0),
      flags:
        authoritative | recursion | (message.readUInt16BE(2) & desired) | (reply.kind === 'absent' ? rcodes.absent : 0),
      questions: [question],
      additionals: opt,
    }
    if (reply.kind === 'empty' || reply.kind === 'absent') return dns.encode({ ...base, authorities: [soa()] })
    const answers =
      reply.kind === 'alias'
        ? [reply.alias, ...(await this.#outside(reply.target, packet))]
        : this.#rotate(reply.answers)
    const more = reply.kind === 'alias' ? [] : reply.additionals
    const limit = overTcp ? 65_535 : Math.max(512, Math.min(options?.udpPayloadSize ?? 512, 4096))
    for (const additionals of [[...more, ...opt], opt]) {
      const whole = dns.encode({ ...base, answers, additionals })
      if (whole.length <= limit) return whole
    }
    return dns.encode({ ...base, flags: base.flags! | truncated })
  }

  /** What the machine's name servers say of an alias's target. */
  async #outside(target: string, { id, questions }: DecodedPacket): Promise<Answer[]> {
    const question = { ...questions![0], name: target }
    const reply = await this.#upstream.ask(
      dns.encode({ type: 'query', id: id ?? 0, flags: dns.RECURSION_DESIRED, questions: [question] }),
      false,
    )
    try {
      return reply ? (dns.decode(reply).answers ?? []) : []
    } catch {
      return []
    }
  }

  /** Everyone has another first address: clients take the first. */
  #rotate(answers: Answer[]): Answer[] {
    const by = this.#turn++ % Math.max(1, answers.length)
    return [...answers.slice(by), ...answers.slice(0, by)]
  }
}

/** Nobody knows now; with the question, which resolvers compare. */
function failed(message: Buffer, question: Question): Buffer {
  const flags = recursion | (message.readUInt16BE(2) & desired) | rcodes.failure
  return dns.encode({ type: 'response', id: message.readUInt16BE(0), flags, questions: [question] })
}

/** The question's own header as an answer without anything; what comes after it is left out. */
function header(message: Buffer, rcode: number): Buffer {
  const out = Buffer.alloc(12)
  message.copy(out, 0, 0, 2)
  out.writeUInt16BE(0x8000 | (message.readUInt16BE(2) & 0x7900) | recursion | rcode, 2)
  return out
}
