import { CuddleError } from '#lib'
import type { BeamNode, CallOptions, Mfa } from './distribution/index.ts'
import { type Bindings, bindingsTerm, compileOnce } from './evaluate.ts'
import { atom, elements, format, isAtom, listOf, type Term, tuple } from './term/index.ts'

export interface StreamOptions extends Pick<CallOptions, 'priority' | 'maxHeapWords'> {
  /** Pieces that may be under way at once. @default 4 */
  window?: number
  /** How long the node may take for one piece. @default 30 000 */
  timeoutMs?: number
  signal?: AbortSignal
}

/** Each `Emit` uses one permission of ours up; without any it waits. */
const prelude = `
Emit = fun(Piece) -> receive {cuddle_more, Owner} -> Owner ! {piece, Piece}, ok end end,
Result = begin
`
const coda = `
end,
Owner ! {done, Result}`

/**
 * What Erlang expressions on the node hand out piece by piece: in them, `Emit(Term)` gives one to us, and waits while we are
 * behind, so that neither side ever holds more than `window` pieces. Leaving the loop ends the process on the node.
 *
 *     for await (const row of streamFrom(node, 'ets:foldl(fun(R, _) -> Emit(R) end, ok, orders)')) …
 *
 * @returns the value of the expressions, when the loop has come to its end
 * @throws {CuddleError} `stream-failed` when they raise, `call-timeout`, `call-aborted`, `node-disconnected`
 */
export async function* streamFrom(
  node: BeamNode,
  expressions: string,
  bindings: Bindings = {},
  options: StreamOptions = {},
): AsyncGenerator<Term, Term | undefined, undefined> {
  const { window = 4, timeoutMs = 30_000, signal, priority, maxHeapWords } = options
  const { forms } = await compileOnce(node, `${prelude}${expressions.trim().replace(/\.$/, '')}${coda}`)
  const pieces: Term[] = []
  let end: { result?: Term; error?: unknown } | undefined
  let wake = Promise.withResolvers<void>()
  const finish = (how: NonNullable<typeof end>) => {
    end ??= how
    wake.resolve()
  }
  const owner = node.process({
    message(term) {
      const [kind, value] = elements(term, 2) ?? []
      if (isAtom(kind, 'piece')) pieces.push(value!)
      else if (isAtom(kind, 'done')) end ??= { result: value! }
      wake.resolve()
    },
    exit: (_, reason) =>
      finish({
        error: new CuddleError('stream-failed', `the stream of ${node.name} ended: ${format(reason, { limit: 300 })}`),
      }),
    lost: (error) => finish({ error }),
  })
  const abort = () => finish({ error: new CuddleError('call-aborted', `the stream of ${node.name} was aborted`) })
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const work: Mfa = ['erl_eval', 'exprs', [forms, bindingsTerm({ ...bindings, Owner: owner.pid })]]
    const limits = { timeoutMs, ...(priority && { priority }), ...(maxHeapWords !== undefined && { maxHeapWords }) }
    const producer = await node.spawn(owner, work, limits)
    const more = () => node.isClosed || owner.send(producer, tuple(atom('cuddle_more'), owner.pid))
    for (let i = 0; i < window; i++) more()
    for (;;) {
      if (signal?.aborted) throw end!.error
      const piece = pieces.shift()
      if (piece !== undefined) {
        yield piece
        more()
      } else if (end) {
        if (end.error !== undefined) throw end.error
        return end.result
      } else await next()
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    owner.close(atom('shutdown'))
  }

  async function next(): Promise<void> {
    const late = new CuddleError('call-timeout', `${node.name} gave nothing more within ${timeoutMs} ms`)
    const cancel = node.clock.after(timeoutMs, () => finish({ error: late }))
    await wake.promise
    cancel()
    wake = Promise.withResolvers<void>()
  }
}

const call = `
Size = fun(N) -> min(Chunk, N) end,
List = fun List([]) -> ok; List(L) -> {H, T} = lists:split(Size(length(lists:sublist(L, Chunk))), L), Emit(H), List(T) end,
Binary = fun Binary(<<>>) -> ok; Binary(B) -> N = Size(byte_size(B)), <<H:N/binary, T/binary>> = B, Emit(H), Binary(T) end,
case apply(M, F, A) of
  L when is_list(L) -> List(L);
  B when is_binary(B) -> Binary(B);
  Other -> Emit(Other)
end`

/**
 * A reply that is too large for one message: a list comes in lists of `chunk` elements, a binary in binaries of `chunk`
 * bytes, anything else as it is. The whole stays on the node, and is given up there when the loop is left.
 *
 * @throws as `streamFrom`
 */
export async function* streamCall(
  node: BeamNode,
  [module, name, args]: Mfa,
  options: StreamOptions & { chunk?: number } = {},
): AsyncGenerator<Term, void, undefined> {
  const { chunk = 1000, ...rest } = options
  yield* streamFrom(node, call, { M: atom(module), F: atom(name), A: listOf(args) ?? [], Chunk: chunk }, rest)
}
