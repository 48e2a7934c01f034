import type { CuddleError } from '#lib'
import { atom, type Pid, type Reference, type Term } from '../term/index.ts'
import { op } from './control.ts'
import type { Core, Payload } from './core.ts'
import { pidKey, referenceKey } from './identity.ts'

export interface ProcessHandlers {
  /** A message. What cannot be decoded never arrives. */
  message?(term: Term, from: Pid | undefined): void
  /** An exit signal: of a linked process, or sent by `exit/2`. Ours trap exits, they never die of one. */
  exit?(from: Pid, reason: Term): void
  /** The connection is gone, and this process with it. */
  lost?(reason: CuddleError): void
}

export interface Monitor {
  reference: Reference
  /** The reason why the process is down: `noproc` when it never was there. Rejects when the connection is lost. */
  down: Promise<Term>
}

/** A process of ours on the node's network: it has a pid, and links, monitors and messages work as between Erlang processes. */
export class LocalProcess {
  readonly pid: Pid
  readonly #core: Core
  readonly #links = new Map<string, Pid>()
  /** Links that we took back and the peer has not acknowledged: exit signals over them no longer count. */
  readonly #unlinking = new Map<string, number>()
  readonly #watchers = new Map<string, { by: Pid; reference: Reference }>()
  readonly #watching = new Map<string, { target: Pid | string; reference: Reference }>()
  #unlinks = 0
  #open = true

  constructor(core: Core, handlers: ProcessHandlers) {
    this.#core = core
    this.pid = core.identity.pid()
    core.receive(this.pid, {
      message: (payload, from) => handlers.message?.(payload(), from),
      exit: (from, payload) => this.#exited(from, payload, handlers),
      linked: (from) => this.#links.set(pidKey(from), from),
      unlinked: (from) => this.#links.delete(pidKey(from)),
      unlinkAcknowledged: (by, id) => {
        if (this.#unlinking.get(pidKey(by)) === id) this.#unlinking.delete(pidKey(by))
      },
      monitored: (by, reference) => this.#watchers.set(referenceKey(reference), { by, reference }),
      demonitored: (reference) => this.#watchers.delete(referenceKey(reference)),
      lost: (reason) => {
        this.#open = false
        handlers.lost?.(reason)
      },
    })
  }

  #exited(from: Pid, payload: Payload, handlers: ProcessHandlers): void {
    this.#links.delete(pidKey(from))
    if (!this.#unlinking.has(pidKey(from))) handlers.exit?.(from, payload())
  }

  /** Sends to a pid, or to a name registered on the node. @throws {CuddleError} `node-disconnected` */
  send(to: Pid | string, message: Term): void {
    this.#core.send(this.pid, to, message)
  }

  /** Links: when one of the two ends (our connection too), the other gets an exit signal. */
  link(to: Pid): void {
    this.#unlinking.delete(pidKey(to))
    this.#links.set(pidKey(to), to)
    this.#core.signal([op.LINK, this.pid, to])
  }

  /** For processes that were started linked to this one. */
  adopt(started: Pid): void {
    this.#links.set(pidKey(started), started)
  }

  unlink(from: Pid): void {
    if (!this.#links.delete(pidKey(from))) return
    this.#unlinks += 1
    this.#unlinking.set(pidKey(from), this.#unlinks)
    this.#core.signal([op.UNLINK_ID, this.#unlinks, this.pid, from])
  }

  /** Watches a pid or a registered name. */
  monitor(target: Pid | string): Monitor {
    const reference = this.#core.identity.reference()
    const { promise, resolve, reject } = Promise.withResolvers<Term>()
    promise.catch(() => {})
    const key = referenceKey(reference)
    this.#watching.set(key, { target, reference })
    this.#core.expect(reference, {
      down: (payload) => {
        this.#watching.delete(key)
        try {
          resolve(payload())
        } catch (error) {
          reject(error)
        }
      },
      lost: reject,
    })
    this.#core.signal([op.MONITOR_P, this.pid, typeof target === 'string' ? atom(target) : target, reference])
    return { reference, down: promise }
  }

  demonitor(reference: Reference): void {
    const watched = this.#watching.get(referenceKey(reference))
    if (!watched) return
    this.#watching.delete(referenceKey(reference))
    this.#core.drop(reference)
    const target = typeof watched.target === 'string' ? atom(watched.target) : watched.target
    this.#core.answer([op.DEMONITOR_P, this.pid, target, reference])
  }

  /** Sends an exit signal, as `exit(Pid, Reason)`; `kill` cannot be trapped. */
  exit(to: Pid, reason: Term): void {
    this.#core.signal([op.PAYLOAD_EXIT2, this.pid, to], reason)
  }

  /** Ends this process: linked ones get an exit signal, watchers are told. */
  close(reason: Term = atom('normal')): void {
    if (!this.#open) return
    this.#open = false
    this.#core.forget(this.pid)
    for (const { reference } of [...this.#watching.values()]) this.demonitor(reference)
    for (const to of this.#links.values()) this.#core.answer([op.PAYLOAD_EXIT, this.pid, to], reason)
    for (const { by, reference } of this.#watchers.values()) {
      this.#core.answer([op.PAYLOAD_MONITOR_P_EXIT, this.pid, by, reference], reason)
    }
  }
}
