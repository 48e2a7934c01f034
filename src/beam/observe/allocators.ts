import type { BeamNode } from '../distribution/index.ts'
import { compileOnce, run } from '../evaluate.ts'
import { elements, listOf, numberOf, textOf } from '../term/index.ts'

/** One of the VM's allocators (erts_alloc), over all of its instances. Bytes. */
export interface Allocator {
  name: string
  /** In use. */
  blocks: number
  /** Taken from the operating system: what lies between the two is fragmentation. */
  carriers: number
}

/* `blocks` holds a list by kind of block; `carriers_size` the current, the last and the highest size. */
const expression = `
Sum = fun Sum({blocks, L}, {B, C}) -> {B + lists:sum([element(2, lists:keyfind(size, 1, S)) || {_, S} <- L, is_list(S)]), C};
          Sum(T, {B, C}) when element(1, T) =:= carriers_size -> {B, C + element(2, T)};
          Sum({_, L}, Acc) when is_list(L) -> lists:foldl(Sum, Acc, L);
          Sum({instance, _, L}, Acc) -> lists:foldl(Sum, Acc, L);
          Sum(_, Acc) -> Acc
      end,
[case erlang:system_info({allocator_sizes, A}) of
   L when is_list(L) -> {B, C} = lists:foldl(Sum, {0, 0}, L), {A, B, C};
   _ -> {A, 0, 0}
 end || A <- erlang:system_info(alloc_util_allocators)]
`

/** What each allocator uses and holds, the largest first. @throws what `node.call` throws */
export async function allocators(node: BeamNode, options: { signal?: AbortSignal } = {}): Promise<Allocator[]> {
  const rows = await run(node, await compileOnce(node, expression), {}, { output: 'ignore', ...options })
  const read = (listOf(rows) ?? []).map((row) => {
    const [name, blocks, carriers] = elements(row, 3) ?? []
    return { name: textOf(name) ?? '', blocks: numberOf(blocks) ?? 0, carriers: numberOf(carriers) ?? 0 }
  })
  return read.sort((a, b) => b.carriers - a.carriers)
}
