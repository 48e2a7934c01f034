import type { BeamNode } from '../distribution/index.ts'
import { compileOnce, run } from '../evaluate.ts'
import { atom, elements, format, isAtom, listOf, numberOf, Pid, type Term, textOf } from '../term/index.ts'

export interface TablesOptions {
  by: 'memory' | 'size'
  /** How many. @default 15 */
  limit?: number
  signal?: AbortSignal
  timeoutMs?: number
}

export interface EtsTable {
  name: string
  /** `set`, `ordered_set`, `bag` or `duplicate_bag`. */
  type: string
  protection: string
  /** Objects. */
  size: number
  /** Bytes. */
  memory: number
  /** Registered name or pid of the owner. */
  owner: string
}

const expression = `
Word = erlang:system_info(wordsize),
Rank = fun(T) -> case ets:info(T, By) of undefined -> -1; N -> N end end,
All = lists:sublist(ets:all(), 20000),
Best = lists:sublist(lists:reverse(lists:sort([{Rank(T), T} || T <- All])), Limit),
Owner = fun(P) -> case process_info(P, registered_name) of {registered_name, N} -> N; _ -> P end end,
[{proplists:get_value(name, I), proplists:get_value(type, I), proplists:get_value(protection, I),
  proplists:get_value(size, I), Word * proplists:get_value(memory, I), Owner(proplists:get_value(owner, I))}
 || {_, T} <- Best, I <- [ets:info(T)], is_list(I)]
`

/** The largest ETS tables, ranked on the node: some 10 µs there per table. @throws what `node.call` throws */
export async function etsTables(node: BeamNode, options: TablesOptions): Promise<EtsTable[]> {
  const { by, limit = 15, signal, timeoutMs = 15_000 } = options
  const rows = await run(
    node,
    await compileOnce(node, expression),
    { By: atom(by), Limit: limit },
    { timeoutMs, priority: 'low', output: 'ignore', ...(signal ? { signal } : {}) },
  )
  return (listOf(rows) ?? []).map((row) => {
    const [name, type, protection, size, memory, owner] = elements(row, 6) ?? []
    return {
      name: textOf(name) ?? '',
      type: textOf(type) ?? '',
      protection: textOf(protection) ?? '',
      size: numberOf(size) ?? 0,
      memory: numberOf(memory) ?? 0,
      owner: ownerName(owner),
    }
  })
}

function ownerName(owner: Term | undefined): string {
  if (isAtom(owner)) return owner.name
  return owner instanceof Pid ? format(owner) : ''
}
