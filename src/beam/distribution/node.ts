import { type Clock, CuddleError, type Logger } from '#lib'
import { Atom, atom, elements, format, isAtom, Pid, type Term, tuple } from '../term/index.ts'
import {
  batched,
  type CallOptions,
  type CallResult,
  type Mfa,
  returned,
  spawnOptions,
  startCall,
  timedOut,
} from './call.ts'
import { op } from './control.ts'
import type { Core } from './core.ts'
import { type Output, OutputDevice } from './output.ts'
import { LocalProcess, type ProcessHandlers } from './process.ts'

/** What is known of a node once it is connected. */
export interface NodeFacts {
  name: string
  /** Another one means that the node was restarted since. */
  creation: number
  /** `25`, `27` … */
  otpRelease: string
}

export interface RemoteCallOptions extends CallOptions {
  /** What the function prints. With a function, output of processes it leaves behind is lost. @default 'node' */
  output?: Output
}

export interface SpawnOptions extends CallOptions {
  /** The process dies with `owner`, and so with our connection. @default true */
  link?: boolean
}

/** A connection to a running node. Everything on it works until `closed` resolves; then it fails with `node-disconnected`. */
export class BeamNode implements NodeFacts {
  readonly name: string
  readonly creation: number
  readonly ourName: string
  /** Resolves, never rejects, with why the connection ended. */
  readonly closed: Promise<CuddleError>
  #otpRelease = ''
  readonly #core: Core
  readonly #disconnect: (reason: CuddleError) => void
  readonly #root: LocalProcess
  readonly #device: OutputDevice
  /** The node's own `user` process: what calls start must not print to a leader that goes away with us. */
  #console: Pid | undefined

  constructor(init: {
    name: string
    creation: number
    core: Core
    log: Logger
    closed: Promise<CuddleError>
    disconnect: (reason: CuddleError) => void
  }) {
    this.name = init.name
    this.creation = init.creation
    this.ourName = init.core.identity.name
    this.closed = init.closed
    this.#core = init.core
    this.#disconnect = init.disconnect
    this.#root = new LocalProcess(init.core, {})
    this.#device = new OutputDevice(init.core, init.log, (module, name, args) =>
      this.rpc(module, name, args, { output: 'ignore' }),
    )
  }

  get otpRelease(): string {
    return this.#otpRelease
  }

  /** For `connect` only: what the node said about itself. */
  introduce(facts: { otpRelease: string; console: Pid | undefined }): void {
    this.#otpRelease = facts.otpRelease
    this.#console = facts.console
  }

  /** What time is read from. */
  get clock(): Clock {
    return this.#core.clock
  }

  /** Whether the connection is gone. */
  get isClosed(): boolean {
    return this.#core.lost !== undefined
  }

  /**
   * Calls `module:name(...args)` on the node, in a process of its own that is killed when it takes too long. Any number
   * may run at once.
   *
   * @returns what the function did: it may have thrown
   * @throws {CuddleError} when that is not known: `call-timeout`, `call-aborted`, `node-disconnected`, `reply-too-large`, `bad-term`
   */
  async call(
    module: string,
    name: string,
    args: readonly Term[],
    options: RemoteCallOptions = {},
  ): Promise<CallResult> {
    const { output = 'node' } = options
    if (typeof output !== 'function') {
      const leader = (output === 'node' ? this.#console : undefined) ?? this.#device.nowhere
      return startCall(this.#core, this.#root.pid, leader, [module, name, args], options)
    }
    const sink = this.#device.open(output)
    try {
      const result = await startCall(this.#core, this.#root.pid, sink.pid, [module, name, args], options)
      await sink.flushed()
      return result
    } finally {
      sink.close()
    }
  }

  /** As `call`, for those who want the value. @throws {RemoteError} when the function does not return */
  async rpc(module: string, name: string, args: readonly Term[], options: RemoteCallOptions = {}): Promise<Term> {
    return returned(`${module}:${name}/${args.length}`, await this.call(module, name, args, options))
  }

  /**
   * Calls functions one after the other in one process and one round trip. The first that does not return ends the rest.
   *
   * @returns the values in order
   * @throws {RemoteError} of the first failure, besides what `call` throws
   */
  async callAll(calls: readonly Mfa[], options: RemoteCallOptions = {}): Promise<readonly Term[]> {
    const [module, name, args] = batched(calls)
    return returned(`a batch of ${calls.length}`, await this.call(module, name, args, options)) as readonly Term[]
  }

  /** Starts `module:name(...args)` and forgets it. @throws {CuddleError} `node-disconnected` */
  cast(module: string, name: string, args: readonly Term[]): void {
    const target = tuple(atom(module), atom(name), args.length)
    const leader = this.#console ?? this.#device.nowhere
    this.#core.signal([op.SPAWN_REQUEST, this.#core.identity.reference(), this.#root.pid, leader, target, []], args)
  }

  /** Sends a message to a pid or a registered name. @throws {CuddleError} `node-disconnected` */
  send(to: Pid | string, message: Term): void {
    this.#root.send(to, message)
  }

  /**
   * `gen_server:call`: also for supervisors, gen_statems and Elixir's GenServer.
   *
   * @returns the reply, or `exit` with the reason when there is no such process or it died meanwhile
   * @throws {CuddleError} `call-timeout`, `call-aborted`, `node-disconnected`, `bad-term`
   */
  async genCall(
    to: Pid | string,
    request: Term,
    options: Pick<CallOptions, 'timeoutMs' | 'signal'> = {},
  ): Promise<CallResult> {
    const { timeoutMs = 5000, signal } = options
    const what = `a call to ${typeof to === 'string' ? to : format(to)}`
    const { promise, resolve, reject } = Promise.withResolvers<CallResult>()
    promise.catch(() => {})
    // A pid per call: a reply that cannot be read is known by it, and late ones go nowhere.
    const self = this.#core.identity.pid()
    this.#core.receive(self, {
      message: (payload) => {
        try {
          const [, value] = elements(payload(), 2) ?? []
          if (value !== undefined) resolve({ kind: 'return', value })
        } catch (error) {
          reject(error)
        }
      },
      monitored: () => {},
      linked: () => {},
      lost: reject,
    })
    const reference = this.#core.identity.reference()
    this.#core.expect(reference, {
      down: (payload) => {
        try {
          resolve({ kind: 'exit', reason: payload() })
        } catch (error) {
          reject(error)
        }
      },
      lost: reject,
    })
    const abort = () => reject(new CuddleError('call-aborted', `${what} was aborted`))
    const cancel = Number.isFinite(timeoutMs)
      ? this.#core.clock.after(timeoutMs, () => reject(timedOut(what, timeoutMs)))
      : undefined
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    const target = typeof to === 'string' ? atom(to) : to
    try {
      while (this.#core.busy) await Promise.race([this.#core.drained(), promise])
      if (signal?.aborted) await promise
      this.#core.signal([op.MONITOR_P, self, target, reference])
      this.#core.send(self, to, tuple(atom('$gen_call'), tuple(self, reference), request))
      return await promise
    } finally {
      cancel?.()
      signal?.removeEventListener('abort', abort)
      this.#core.forget(self)
      this.#core.drop(reference)
      this.#core.answer([op.DEMONITOR_P, self, target, reference])
    }
  }

  /** Resolves when the node has taken what was sent: who casts or sends much waits for it. Calls do so by themselves. */
  async drained(): Promise<void> {
    while (this.#core.busy) await this.#core.drained()
  }

  /** `gen_server:cast`. @throws {CuddleError} `node-disconnected` */
  genCast(to: Pid | string, message: Term): void {
    this.send(to, tuple(atom('$gen_cast'), message))
  }

  /** A process of ours, for links, monitors and messages. Close it when it is no longer wanted. */
  process(handlers: ProcessHandlers = {}): LocalProcess {
    return new LocalProcess(this.#core, handlers)
  }

  /**
   * Starts a process on the node that lives until it returns; linked (as by default), no longer than `owner` and our
   * connection. Its exit arrives at `owner`.
   *
   * @throws {CuddleError} `spawn-refused`, `node-disconnected`, `call-timeout`
   */
  async spawn(owner: LocalProcess, [module, name, args]: Mfa, options: SpawnOptions = {}): Promise<Pid> {
    const { link = true, timeoutMs = 30_000 } = options
    const what = `the start of ${module}:${name}/${args.length}`
    const { promise, resolve, reject } = Promise.withResolvers<Pid>()
    promise.catch(() => {})
    const reference = this.#core.identity.reference()
    let late = false
    this.#core.expect(reference, {
      spawned: (pid) => {
        if (late) this.#core.drop(reference)
        if (late && pid instanceof Pid) this.#core.answer([op.PAYLOAD_EXIT2, owner.pid, pid], atom('kill'))
        else if (pid instanceof Pid) resolve(pid)
        else
          reject(new CuddleError('spawn-refused', `the node refuses ${what}: ${pid instanceof Atom ? pid.name : '?'}`))
      },
      lost: reject,
    })
    const cancel = this.#core.clock.after(timeoutMs, () => {
      late = true
      reject(timedOut(what, timeoutMs))
    })
    const target = tuple(atom(module), atom(name), args.length)
    const leader = this.#console ?? this.#device.nowhere
    const wanted = [...(link ? [atom('link')] : []), ...spawnOptions(options)]
    try {
      while (this.#core.busy) await Promise.race([this.#core.drained(), promise])
      this.#core.signal([op.SPAWN_REQUEST, reference, owner.pid, leader, target, wanted], args)
      const pid = await promise
      if (link) owner.adopt(pid)
      return pid
    } finally {
      cancel()
      if (!late) this.#core.drop(reference)
    }
  }

  /** Whether Elixir runs there. */
  async hasElixir(options: CallOptions = {}): Promise<boolean> {
    return isAtom(await this.rpc('erlang', 'module_loaded', [atom('elixir')], options), 'true')
  }

  /** Disconnects. What still waits fails, with this reason; linked processes on the node end. */
  close(reason = `the connection to ${this.name} was closed by us`): void {
    this.#disconnect(new CuddleError('node-disconnected', reason))
  }
}
