import { CuddleError } from '#lib'
import type { Context } from '../context.ts'
import type { BeamPod } from './nodes.ts'
import { openNode } from './session.ts'

export interface RpcOptions {
  /** Erlang, also where Elixir runs. */
  erlang?: boolean
  seat: number
  timeoutMs?: number
  signal?: AbortSignal
  /** What the expression prints. */
  write: (text: string) => void
}

/*
 * Shown by the node itself, which knows the structs. A failure comes back as a value, as iex shows it, without the frames
 * of the evaluator.
 */
const elixir = `
try do
  {value, _} = Code.eval_string(source, [], file: "rpc")
  {:ok, inspect(value, pretty: true, limit: 1000, printable_limit: 100_000, width: 98)}
catch
  kind, reason ->
    mine = Enum.take_while(__STACKTRACE__, fn {module, _, _, _} -> module not in [:erl_eval, :elixir, :elixir_eval, Code] end)
    {:error, Exception.format(kind, reason, mine)}
end
`

/**
 * The value of an expression on a node, as text in the node's language.
 * @throws CuddleError `rpc-failed` when it raises, `syntax-error`, `call-timeout`, and as `openNode`
 */
export async function evaluateOn(context: Context, pod: BeamPod, source: string, options: RpcOptions): Promise<string> {
  const { binary, elements, evaluate, evaluateElixir, format, isAtom, RemoteError } = await import('#beam')
  const { signal, timeoutMs = 30_000 } = options
  const node = await openNode(context, pod, { verb: 'rpc', seat: options.seat, ...(signal && { signal }) })
  const call = { timeoutMs, output: options.write, ...(signal && { signal }) }
  try {
    if (options.erlang || !(await node.hasElixir()))
      return format(await evaluate(node, source, {}, call), { limit: 100_000 })
    const answer = await evaluateElixir(node, elixir, { source: binary(source) }, call)
    const [kind, shown] = elements(answer, 2) ?? []
    const text = shown instanceof Uint8Array ? Buffer.from(shown).toString('utf8') : ''
    if (isAtom(kind, 'ok')) return text
    throw new CuddleError('rpc-failed', text.trim())
  } catch (error) {
    if (signal?.aborted) throw new CuddleError('interrupted', 'stopped; the process that evaluated was ended')
    if (!(error instanceof RemoteError)) throw error
    throw new CuddleError('rpc-failed', error.message, { details: error.details, cause: error })
  } finally {
    node.close()
  }
}
