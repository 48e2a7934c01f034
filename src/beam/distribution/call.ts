import { CuddleError } from '#lib'
import {
  Atom,
  atom,
  elements,
  exported,
  format,
  isAtom,
  listOf,
  map,
  Pid,
  Reference,
  type Term,
  tuple,
} from '../term/index.ts'
import { op } from './control.ts'
import type { Awaited, Core, Payload } from './core.ts'

/** What a remote function did. */
export type CallResult =
  | { kind: 'return'; value: Term }
  | { kind: 'throw'; reason: Term }
  /** It called `exit/1`. */
  | { kind: 'exit'; reason: Term }
  /** `stack` is as Erlang gives it; arguments in it may be secrets. */
  | { kind: 'error'; reason: Term; stack: Term }
  /** Its process was ended from outside. */
  | { kind: 'signal'; reason: Term }

export interface CallOptions {
  /** Infinity waits for ever. @default 30 000 */
  timeoutMs?: number
  signal?: AbortSignal
  /** Of the process that runs the function. */
  priority?: 'low' | 'normal' | 'high'
  /** The process is killed when its heap grows over this many words. */
  maxHeapWords?: number
}

/** One function to call: module, name and arguments. */
export type Mfa = readonly [module: string, name: string, args: readonly Term[]]

const defaultTimeoutMs = 30_000

/**
 * Calls a function in a process of its own, as OTP's `erpc` does. Past `timeoutMs` or an abort that process is killed.
 *
 * @throws {CuddleError} `call-timeout`, `call-aborted`, `node-disconnected`, `reply-too-large`, `bad-term` (the reply cannot be read)
 */
export async function startCall(
  core: Core,
  caller: Pid,
  groupLeader: Pid,
  [module, name, args]: Mfa,
  options: CallOptions = {},
): Promise<CallResult> {
  const what = `${module}:${name}/${args.length}`
  const reference = core.identity.reference()
  const { promise, resolve, reject } = Promise.withResolvers<CallResult>()
  promise.catch(() => {})
  let worker: Pid | undefined
  let sent = false
  let given: CuddleError | undefined

  const kill = (pid: Pid) => {
    core.drop(reference)
    core.answer([op.DEMONITOR_P, caller, pid, reference])
    core.answer([op.PAYLOAD_EXIT2, caller, pid], atom('kill'))
  }
  const giveUp = (error: CuddleError) => {
    given = error
    reject(error)
    if (worker) kill(worker)
  }
  const awaited: Awaited = {
    spawned: (pid) => {
      if (pid instanceof Pid) {
        worker = pid
        if (given) kill(pid)
        return
      }
      core.drop(reference)
      reject(new CuddleError('spawn-refused', `the node does not start ${what}: ${format(pid, { limit: 100 })}`))
    },
    down: (payload) => {
      try {
        resolve(outcome(core, payload, reference))
      } catch (error) {
        reject(error)
      }
    },
    lost: reject,
  }
  const { timeoutMs = defaultTimeoutMs, signal } = options
  const cancelTimer = Number.isFinite(timeoutMs)
    ? core.clock.after(timeoutMs, () => giveUp(timedOut(what, timeoutMs)))
    : undefined
  const abort = () => giveUp(new CuddleError('call-aborted', `${what} was aborted`))
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (given) throw given
    while (core.busy) await Promise.race([core.drained(), promise])
    const target = tuple(atom('erpc'), atom('execute_call'), 4)
    const control = [
      op.SPAWN_REQUEST,
      reference,
      caller,
      groupLeader,
      target,
      [atom('monitor'), ...spawnOptions(options)],
    ]
    core.signal(control, [reference, atom(module), atom(name), args])
    core.expect(reference, awaited)
    sent = true
    return await promise
  } catch (error) {
    // After giving up, the process that is still being started is waited for, and killed.
    if (given === undefined || !sent) core.drop(reference)
    throw error
  } finally {
    cancelTimer?.()
    signal?.removeEventListener('abort', abort)
  }
}

export function timedOut(what: string, timeoutMs: number): CuddleError {
  return new CuddleError('call-timeout', `${what} did not return within ${timeoutMs} ms`, {
    hint: 'the node is overloaded or stopped, or the function takes longer',
  })
}

/** `priority` and `maxHeapWords` as spawn_opt/4 wants them. */
export function spawnOptions({ priority, maxHeapWords }: CallOptions): Term[] {
  const options: Term[] = []
  if (priority) options.push(tuple(atom('priority'), atom(priority)))
  if (maxHeapWords !== undefined) {
    const limit = map({ size: maxHeapWords, kill: atom('true'), error_logger: atom('false') })
    options.push(tuple(atom('max_heap_size'), limit))
  }
  return options
}

/** The exit reason of `erpc:execute_call/4` says what the function did. */
function outcome(core: Core, payload: Payload, reference: Reference): CallResult {
  const reason = payload()
  const [tag, kind, value, stack] = elements(reason) ?? []
  const ours =
    tag instanceof Reference && core.identity.referenceNumber(tag) === core.identity.referenceNumber(reference)
  if (!ours || !(kind instanceof Atom)) return { kind: 'signal', reason }
  if (kind.name === 'return') return { kind: 'return', value }
  if (kind.name === 'error') return { kind: 'error', reason: value, stack: stack ?? [] }
  if (kind.name === 'throw' || kind.name === 'exit') return { kind: kind.name, reason: value }
  return { kind: 'signal', reason }
}

/** Several calls as one, without code of ours on the node: `lists:zipwith3(fun erlang:apply/3, Modules, Names, Arguments)`. */
export function batched(calls: readonly Mfa[]): Mfa {
  const modules = calls.map(([module]) => atom(module))
  const names = calls.map(([, name]) => atom(name))
  const args = calls.map(([, , one]) => one)
  return ['lists', 'zipwith3', [exported('erlang', 'apply', 3), modules, names, args]]
}

/** A remote function that did not return. */
export class RemoteError extends CuddleError {
  readonly result: Exclude<CallResult, { kind: 'return' }>

  constructor(what: string, result: Exclude<CallResult, { kind: 'return' }>) {
    const kind = { throw: 'threw', exit: 'exited with', error: 'failed with', signal: 'was ended by' }[result.kind]
    super('remote-error', `${what} ${kind} ${format(result.reason, { limit: 400 })}`, { details: stackLines(result) })
    this.name = 'RemoteError'
    this.result = result
  }
}

/** Functions and lines only: the arguments in a stack may be secrets. */
function stackLines(result: Exclude<CallResult, { kind: 'return' }>): string[] {
  if (result.kind !== 'error') return []
  return (listOf(result.stack) ?? []).slice(0, 8).flatMap((frame) => {
    const [module, name, arity, location] = elements(frame, 4) ?? []
    if (!(module instanceof Atom && name instanceof Atom)) return []
    const count = typeof arity === 'number' ? arity : (listOf(arity)?.length ?? 0)
    const line = (listOf(location) ?? []).find((item) => isAtom(elements(item, 2)?.[0], 'line'))
    const at = line === undefined ? '' : ` line ${format(elements(line)![1])}`
    return [`${module.name}:${name.name}/${count}${at}`]
  })
}

/** The value, or a thrown {@link RemoteError}. */
export function returned(what: string, result: CallResult): Term {
  if (result.kind === 'return') return result.value
  throw new RemoteError(what, result)
}
