import { CuddleError } from '#lib'
import type { BeamNode } from '../distribution/index.ts'
import { bindingsTerm, compileOnce } from '../evaluate.ts'
import { Atom, atom, binary, bool, elements, format, listOf, numberOf, type Term, textOf } from '../term/index.ts'
import { guardExpression } from './guard.ts'
import type { TraceTarget } from './target.ts'

export interface TraceOptions extends TraceTarget {
  /** Report what functions return or raise too. @default false */
  returns?: boolean
  /** Events reported at most; 0 only counts. @default 100 */
  limit?: number
  /** Calls in a second that are still reported one by one. @default 500 */
  maxPerSecond?: number
  /** How long calls are only counted at first. @default 500 */
  countMs?: number
  /** In all, at most 10 minutes. @default 10 000 */
  durationMs?: number
  /** Characters of each argument and value; cut on the node. @default 200 */
  maxChars?: number
  /** How terms are shown. @default erlang */
  language?: 'elixir' | 'erlang'
  onCounts?: (counts: TraceCounts) => void
  onEvent?: (event: TraceEvent) => void
  /** Ends it, as the time does. */
  signal?: AbortSignal
}

export interface TraceCounts {
  /** Milliseconds. */
  overMs: number
  functions: readonly { name: string; arity: number; calls: number }[]
}

export interface TraceEvent {
  kind: 'call' | 'return' | 'exception'
  /** Registered name or pid. */
  process: string
  function: string
  arity: number
  /** Of a call the arguments, of a return the value, of an exception its class and reason; as text. */
  terms: readonly string[]
  /** Since the beginning, in milliseconds. */
  atMs: number
}

/**
 * Why a trace ended: the number of events, the time, our wish; `busy`: so many calls were counted that none was reported;
 * `rate`: more came than may be reported; `slow`: they were not read in time; `memory`: the arguments were too large.
 */
export type TraceEnd = 'events' | 'time' | 'stopped' | 'counted' | 'busy' | 'rate' | 'slow' | 'memory'

const longestMs = 600_000

/**
 * Follows calls of functions on the node, within limits that hold there, whatever happens to us: nothing of it stays when
 * this has ended, failed, or the connection is gone. One at a time on a node.
 *
 * @throws {CuddleError} `nothing-to-trace`, `trace-taken`, and what `node.spawn` throws
 */
export async function traceCalls(node: BeamNode, options: TraceOptions): Promise<TraceEnd> {
  const { returns = false, limit = 100, maxPerSecond = 500, countMs = 500, maxChars = 200 } = options
  const durationMs = Math.min(options.durationMs ?? 10_000, longestMs)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const owner = node.process({
    message(term) {
      const [tag, ...parts] = elements(term) ?? []
      const kind = tag instanceof Atom ? tag.name : ''
      if (kind === 'counts') options.onCounts?.(countsOf(parts))
      else if (kind === 'event') options.onEvent?.(eventOf(parts))
      else if (kind === 'ended') resolve(textOf(parts[0]) ?? '')
    },
    exit: (_, reason) => reject(new CuddleError('trace-failed', `the trace ended: ${format(reason, { limit: 200 })}`)),
    lost: reject,
  })
  try {
    const { forms } = await compileOnce(node, guardExpression)
    const bindings = bindingsTerm({
      Owner: owner.pid,
      ModuleName: binary(options.module),
      FunctionName: options.function === undefined ? atom('_') : binary(options.function),
      Arity: options.arity ?? atom('_'),
      Returns: bool(returns),
      Limit: limit,
      Rate: maxPerSecond,
      CountMs: Math.min(countMs, durationMs),
      DurationMs: durationMs,
      Chars: maxChars,
      Language: atom(options.language ?? 'erlang'),
    })
    options.signal?.throwIfAborted()
    const guard = await node.spawn(owner, ['erl_eval', 'exprs', [forms, bindings]])
    const stop = () => node.isClosed || owner.send(guard, atom('stop'))
    options.signal?.addEventListener('abort', stop, { once: true })
    if (options.signal?.aborted) stop()
    const why = await promise.finally(() => options.signal?.removeEventListener('abort', stop))
    return endOf(why, node, options)
  } finally {
    owner.close()
  }
}

function endOf(why: string, { name }: BeamNode, { module, function: fun, arity }: TraceTarget): TraceEnd {
  const target = `${module.replace(/^Elixir\./, '')}:${fun ?? '*'}${arity === undefined ? '' : `/${arity}`}`
  if (why === 'nothing') {
    throw new CuddleError('nothing-to-trace', `${name} has no function ${target}`, {
      hint: 'private functions that the compiler inlined are not there either',
    })
  }
  if (why === 'taken') {
    throw new CuddleError('trace-taken', `somebody else is tracing on ${name}`, {
      hint: 'another cuddle trace, or dbg, recon, redbug: wait until it has ended',
    })
  }
  return why as TraceEnd
}

function countsOf([overMs, counts]: readonly Term[]): TraceCounts {
  const functions = (listOf(counts) ?? []).map((row) => {
    const [name, arity, calls] = elements(row, 3) ?? []
    return { name: textOf(name) ?? '', arity: numberOf(arity) ?? 0, calls: numberOf(calls) ?? 0 }
  })
  return { overMs: numberOf(overMs) ?? 0, functions }
}

function eventOf([kind, process, name, arity, terms, at]: readonly Term[]): TraceEvent {
  return {
    kind: textOf(kind) as TraceEvent['kind'],
    process: textOf(process) ?? '',
    function: textOf(name) ?? '',
    arity: numberOf(arity) ?? 0,
    terms: (listOf(terms) ?? []).map((term) => textOf(term) ?? ''),
    atMs: numberOf(at) ?? 0,
  }
}
