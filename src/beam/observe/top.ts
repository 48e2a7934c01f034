import type { BeamNode } from '../distribution/index.ts'
import { compileOnce, run } from '../evaluate.ts'
import { Atom, atom, elements, format, listOf, numberOf, Pid, property, type Term } from '../term/index.ts'

export type TopBy = 'reductions' | 'memory' | 'message_queue_len'

export interface TopOptions {
  by: TopBy
  /** How many. @default 10 */
  limit?: number
  /** Rank by growth over this time instead of the value: what is busy now. Milliseconds. @default 0 */
  windowMs?: number
  /** Processes looked at; of more, the oldest. @default 50 000 */
  maxProcesses?: number
  signal?: AbortSignal
  timeoutMs?: number
}

export interface ProcessInfo {
  pid: Pid
  /** What it was ranked by. */
  value: number
  registeredName: string | undefined
  /** OTP 27's label, where it has one. */
  label: string | undefined
  initialCall: string
  currentFunction: string
  status: string
  /** Bytes. */
  memory: number
  messageQueueLength: number
  reductions: number
}

export interface Top {
  processes: readonly ProcessInfo[]
  /** How many were looked at, and how many there are. */
  scanned: number
  total: number
}

const expression = `
Me = self(),
All = erlang:processes(),
Pids = lists:sublist(All, Max),
Read = fun(P) -> case erlang:process_info(P, By) of {_, V} -> V; _ -> 0 end end,
Before = case Window of 0 -> #{}; _ -> maps:from_list([{P, Read(P)} || P <- Pids]) end,
receive after Window -> ok end,
Rows = [{Read(P) - maps:get(P, Before, 0), P} || P <- Pids, P =/= Me],
Best = lists:sublist(lists:reverse(lists:sort(Rows)), Limit),
Keys = [current_function, status, memory, message_queue_len, reductions],
Name = fun(P) -> case erlang:process_info(P, registered_name) of {_, N} -> N; _ -> [] end end,
Initial = fun(P) ->
  case proc_lib:translate_initial_call(P) of
    {proc_lib, init_p, 5} -> case erlang:process_info(P, initial_call) of {_, C} -> C; _ -> [] end;
    C -> C
  end
end,
Label = fun(P) -> case erlang:function_exported(proc_lib, get_label, 1) of true -> proc_lib:get_label(P); false -> undefined end end,
{length(Pids), length(All),
 [{P, V, Info, Name(P), Initial(P), Label(P)}
  || {V, P} <- Best, Info <- [erlang:process_info(P, Keys)], is_list(Info)]}
`

/** Room for the list of all processes, copied twice by a collection, of the largest node that is still sane. */
const heapWords = 8_000_000

/**
 * The processes that stand out, ranked on the node: only the few best travel. It runs there at low priority, in some
 * 10 µs per process, with a bounded heap (past which it is killed: a RemoteError of kind `signal`).
 *
 * @throws what `node.call` throws
 */
export async function topProcesses(node: BeamNode, options: TopOptions): Promise<Top> {
  const { by, limit = 10, windowMs = 0, maxProcesses = 50_000, signal, timeoutMs = 15_000 } = options
  const bindings = { By: atom(by), Limit: limit, Window: windowMs, Max: maxProcesses }
  const result = await run(node, await compileOnce(node, expression), bindings, {
    timeoutMs: timeoutMs + windowMs,
    priority: 'low',
    maxHeapWords: heapWords + 64 * maxProcesses,
    output: 'ignore',
    ...(signal ? { signal } : {}),
  })
  const [scanned, total, rows] = elements(result, 3) ?? []
  return {
    scanned: numberOf(scanned) ?? 0,
    total: numberOf(total) ?? 0,
    processes: (listOf(rows) ?? []).flatMap((row) => processInfo(row) ?? []),
  }
}

function processInfo(row: Term): ProcessInfo | undefined {
  const [pid, value, info, name, initial, label] = elements(row, 6) ?? []
  if (!(pid instanceof Pid)) return undefined
  const known = (key: string) => numberOf(property(info, key)) ?? 0
  const status = property(info, 'status')
  return {
    pid,
    value: numberOf(value) ?? 0,
    registeredName: name instanceof Atom ? name.name : undefined,
    label:
      label === undefined || (label instanceof Atom && label.name === 'undefined')
        ? undefined
        : format(label, { limit: 200 }),
    initialCall: functionName(initial),
    currentFunction: functionName(property(info, 'current_function')),
    status: status instanceof Atom ? status.name : '',
    memory: known('memory'),
    messageQueueLength: known('message_queue_len'),
    reductions: known('reductions'),
  }
}

/** `{Module, Function, Arity}` as people write it. */
function functionName(term: Term | undefined): string {
  const [module, name, arity] = elements(term, 3) ?? []
  if (!(module instanceof Atom && name instanceof Atom)) return term === undefined ? '' : format(term, { limit: 100 })
  return `${module.name.replace(/^Elixir\./, '')}:${name.name}/${numberOf(arity) ?? '?'}`
}
