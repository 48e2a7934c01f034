import { type Clock, CuddleError, errorMessage, type Logger } from '#lib'
import { decodeFirst, wholeLimits } from '../term/decode.ts'
import {
  Atom,
  atom,
  DecodeError,
  type DecodeLimits,
  elements,
  format,
  Pid,
  Reference,
  type Term,
  tuple,
} from '../term/index.ts'
import type { Channel } from './channel.ts'
import { altact, op } from './control.ts'
import type { Identity } from './identity.ts'

/** A message of the peer that is decoded by whoever wants it. @throws {DecodeError | CuddleError} when it cannot be read */
export type Payload = () => Term

/** One of our pids: what the peer's signals to it do. */
export interface Receiver {
  message?(payload: Payload, from: Pid | undefined): void
  exit?(from: Pid, payload: Payload): void
  linked?(from: Pid): void
  unlinked?(from: Pid): void
  unlinkAcknowledged?(by: Pid, id: Term): void
  monitored?(by: Pid, reference: Reference): void
  demonitored?(reference: Reference): void
  lost?(reason: CuddleError): void
}

/** One of our references: the answers to a spawn request or a monitor. */
export interface Awaited {
  spawned?(pid: Term): void
  down?(payload: Payload): void
  lost(reason: CuddleError): void
}

/** Names of ours that a peer may watch and send to: `net_adm:ping` wants this one. */
const registered = 'net_kernel'

/** Routes control messages between the connection and our pids and references, and answers what must be answered. */
export class Core {
  readonly identity: Identity
  readonly clock: Clock
  readonly #log: Logger
  readonly #limits: Required<DecodeLimits>
  readonly #receivers = new Map<number, Receiver>()
  readonly #awaited = new Map<number, Awaited>()
  #channel: Channel | undefined
  #lost: CuddleError | undefined
  /** Set by whoever answers what is sent to our group leaders. */
  onOutput: ((to: Pid, message: Term) => void) | undefined

  constructor(options: { identity: Identity; clock: Clock; log: Logger; limits: DecodeLimits }) {
    this.identity = options.identity
    this.clock = options.clock
    this.#log = options.log
    this.#limits = wholeLimits(options.limits)
  }

  attach(channel: Channel): void {
    this.#channel = channel
  }

  /** Why the connection is gone, if it is. */
  get lost(): CuddleError | undefined {
    return this.#lost
  }

  receive(pid: Pid, receiver: Receiver): void {
    this.#receivers.set(this.identity.pidNumber(pid)!, receiver)
  }

  forget(pid: Pid): void {
    this.#receivers.delete(this.identity.pidNumber(pid)!)
  }

  expect(reference: Reference, awaited: Awaited): void {
    this.#awaited.set(this.identity.referenceNumber(reference)!, awaited)
  }

  drop(reference: Reference): void {
    this.#awaited.delete(this.identity.referenceNumber(reference)!)
  }

  /** @throws {CuddleError} when the connection is gone, {EncodeError} when something is no term */
  signal(control: readonly Term[], message?: Term): void {
    if (this.#lost) throw this.#lost
    this.#channel!.send(control, message)
  }

  /** As `signal`, for answers: there is nobody to tell that it failed. */
  answer(control: readonly Term[], message?: Term): void {
    if (!this.#lost) this.#channel!.send(control, message)
  }

  /** Whether the peer is behind with reading. Who sends on request then waits for `drained`, and looks again. */
  get busy(): boolean {
    return this.#channel?.busy === true
  }

  drained(): Promise<void> {
    return this.#channel?.drained() ?? Promise.resolve()
  }

  send(from: Pid, to: Pid | string, message: Term): void {
    if (typeof to === 'string') this.signal([op.REG_SEND, from, new Atom(''), new Atom(to)], message)
    else this.signal([op.SEND_SENDER, from, to], message)
  }

  disconnected(reason: CuddleError): void {
    this.#lost = reason
    const waiting = [...this.#awaited.values(), ...this.#receivers.values()]
    this.#awaited.clear()
    this.#receivers.clear()
    for (const one of waiting) this.#safely(() => one.lost?.(reason))
  }

  /** One frame of the peer. Whatever is in it costs at most the call it belongs to. */
  handle(bytes: Buffer, start: number, end: number, fullLength: number | undefined): void {
    if (this.#lost) return
    try {
      const { term, end: at } = decodeFirst(bytes, start + 1, this.#limits, end)
      const control = elements(term)
      if (!control) throw new DecodeError('a control message is a tuple', 1)
      this.#dispatch(control, () => {
        if (fullLength !== undefined) {
          throw new CuddleError('reply-too-large', `the node sent a message of ${fullLength} bytes`, {
            hint: 'ask for less at once',
          })
        }
        return decodeFirst(bytes, at, this.#limits, end).term
      })
    } catch (error) {
      this.#dropped(error)
    }
  }

  #safely(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#dropped(error)
    }
  }

  #dropped(error: unknown): void {
    this.#log.warn({ error: errorMessage(error) }, 'a message of the node was dropped')
  }

  #dispatch(control: readonly Term[], payload: Payload): void {
    const [code, a, b, c, d] = control
    switch (code) {
      case op.SEND:
      case op.SEND_TT:
        this.#message(b, undefined, payload)
        break
      case op.SEND_SENDER:
      case op.SEND_SENDER_TT:
        this.#message(b, a, payload)
        break
      case op.ALTACT_SIG_SEND:
        this.#alternative(control, payload)
        break
      case op.REG_SEND:
      case op.REG_SEND_TT:
        this.#named(a, c, payload)
        break
      case op.SPAWN_REPLY:
      case op.SPAWN_REPLY_TT:
        this.#awaiting(a)?.spawned?.(d)
        break
      case op.PAYLOAD_MONITOR_P_EXIT:
        this.#down(c, payload)
        break
      case op.MONITOR_P_EXIT:
        this.#down(c, () => d)
        break
      case op.PAYLOAD_EXIT:
      case op.PAYLOAD_EXIT_TT:
      case op.PAYLOAD_EXIT2:
      case op.PAYLOAD_EXIT2_TT:
        this.#exit(a, b, payload)
        break
      case op.EXIT:
      case op.EXIT2:
        this.#exit(a, b, () => c)
        break
      case op.EXIT_TT:
      case op.EXIT2_TT:
        this.#exit(a, b, () => d)
        break
      case op.LINK:
        this.#link(a, b)
        break
      case op.UNLINK_ID:
        this.answer([op.UNLINK_ID_ACK, a, c, b])
        if (b instanceof Pid) this.#receiver(c)?.unlinked?.(b)
        break
      case op.UNLINK_ID_ACK:
        if (b instanceof Pid) this.#receiver(c)?.unlinkAcknowledged?.(b, a)
        break
      case op.MONITOR_P:
        this.#monitor(a, b, c)
        break
      case op.DEMONITOR_P:
        if (c instanceof Reference) this.#receiver(b)?.demonitored?.(c)
        break
      case op.SPAWN_REQUEST:
      case op.SPAWN_REQUEST_TT:
        this.answer([op.SPAWN_REPLY, a, b, 0, atom('notsup')])
        break
    }
  }

  #receiver(pid: Term): Receiver | undefined {
    const number = pid instanceof Pid ? this.identity.pidNumber(pid) : undefined
    return number === undefined ? undefined : this.#receivers.get(number)
  }

  #awaiting(reference: Term): Awaited | undefined {
    const number = reference instanceof Reference ? this.identity.referenceNumber(reference) : undefined
    return number === undefined ? undefined : this.#awaited.get(number)
  }

  #down(reference: Term, payload: Payload): void {
    const awaited = this.#awaiting(reference)
    if (!awaited) return
    this.drop(reference as Reference)
    awaited.down?.(payload)
  }

  #exit(from: Term, to: Term, payload: Payload): void {
    if (from instanceof Pid) this.#receiver(to)?.exit?.(from, payload)
  }

  #link(from: Term, to: Term): void {
    const receiver = this.#receiver(to)
    if (!receiver?.linked) this.answer([op.PAYLOAD_EXIT, to, from], atom('noproc'))
    else if (from instanceof Pid) receiver.linked(from)
  }

  #monitor(from: Term, to: Term, reference: Term): void {
    if (to instanceof Pid && this.identity.isGroupLeader(to)) return
    const receiver = this.#receiver(to)
    if (receiver?.monitored && from instanceof Pid && reference instanceof Reference)
      receiver.monitored(from, reference)
    else if (!(to instanceof Atom && to.name === registered)) {
      this.answer([op.PAYLOAD_MONITOR_P_EXIT, to, from, reference], atom('noproc'))
    }
  }

  #alternative([, flags, from, to]: readonly Term[], payload: Payload): void {
    const set = typeof flags === 'number' ? flags : 0
    if ((set & altact.EXIT) !== 0) this.#exit(from, to, payload)
    else if ((set & altact.NAME) !== 0) this.#named(from, to, payload)
    else if ((set & altact.ALIAS) === 0) this.#message(to, from, payload)
  }

  #message(to: Term, from: Term | undefined, payload: Payload): void {
    if (!(to instanceof Pid)) return
    // A pid of ours can be a group leader long after its call: whoever prints to it must not wait for an answer.
    if (this.identity.isGroupLeader(to)) this.onOutput?.(to, payload())
    else this.#receiver(to)?.message?.(payload, from instanceof Pid ? from : undefined)
  }

  /** `net_kernel` answers `{is_auth, Node}` with yes, or `net_adm:ping` disconnects us. */
  #named(from: Term, name: Term, payload: Payload): void {
    if (!(name instanceof Atom && name.name === registered)) return
    const call = elements(payload(), 3)
    const [caller, tag] = elements(call?.[1], 2) ?? []
    const [request] = elements(call?.[2], 2) ?? []
    if (!(caller instanceof Pid && request instanceof Atom && request.name === 'is_auth')) {
      this.#log.debug({ from: format(from, { limit: 100 }) }, 'a message to our net_kernel was dropped')
      return
    }
    this.answer([op.SEND_SENDER, this.identity.pid(), caller], tuple(tag, atom('yes')))
  }
}
