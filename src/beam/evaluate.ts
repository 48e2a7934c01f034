import { CuddleError } from '#lib'
import { type BeamNode, type CallResult, type RemoteCallOptions, RemoteError } from './distribution/index.ts'
import { atom, binary, charlist, elements, format, listOf, type Term, tagged, textOf, tuple } from './term/index.ts'

export type Bindings = Readonly<Record<string, Term>>

/**
 * The value of Erlang expressions on the node, with nothing installed there: `erl_scan`, `erl_parse`, `erl_eval` are in
 * every release. Variables are bound by name: `evaluate(node, 'length(L)', { L: [1, 2] })`. Interpreted, so loops are
 * slow (microseconds a step).
 *
 * @throws {CuddleError} `syntax-error`; {RemoteError} when it raises; and what `node.call` throws
 */
export async function evaluate(
  node: BeamNode,
  expression: string,
  bindings: Bindings = {},
  options: RemoteCallOptions = {},
): Promise<Term> {
  return run(node, await compile(node, expression, options), bindings, options)
}

/** Parsed once, run often: one round trip each time. */
export interface Compiled {
  readonly forms: Term
}

/** @throws {CuddleError} `syntax-error` */
export async function compile(node: BeamNode, expression: string, options: RemoteCallOptions = {}): Promise<Compiled> {
  const text = charlist(`${expression.trim().replace(/\.$/, '')}\n.`)
  const scanned = await node.rpc('erl_scan', 'string', [text], options)
  const [tokens] = tagged(scanned, 'ok') ?? []
  if (tokens === undefined) throw await syntaxError(node, scanned)
  const parsed = await node.rpc('erl_parse', 'parse_exprs', [tokens], options)
  const [forms] = tagged(parsed, 'ok') ?? []
  if (forms === undefined) throw await syntaxError(node, parsed)
  return { forms }
}

/** Bindings as `erl_eval` takes them: an orddict. */
export function bindingsTerm(bindings: Bindings): Term {
  const names = Object.keys(bindings).sort((a, b) => (a < b ? -1 : 1))
  return names.map((name) => tuple(atom(name), bindings[name]))
}

const compiled = new WeakMap<BeamNode, Map<string, Promise<Compiled>>>()

/** As `compile`, once per connection: for expressions that are constants of the program. */
export function compileOnce(node: BeamNode, expression: string): Promise<Compiled> {
  let known = compiled.get(node)
  if (!known) compiled.set(node, (known = new Map()))
  let forms = known.get(expression)
  if (!forms) {
    forms = compile(node, expression)
    known.set(expression, forms)
    forms.catch(() => known.delete(expression))
  }
  return forms
}

/** Runs what `compile` gave, on any node. @throws as `evaluate` */
export async function run(
  node: BeamNode,
  { forms }: Compiled,
  bindings: Bindings = {},
  options: RemoteCallOptions = {},
): Promise<Term> {
  const result = await node.call('erl_eval', 'exprs', [forms, bindingsTerm(bindings)], options)
  return valueIn(result, 'the expression', 2)
}

/**
 * The value of Elixir code on the node (`Code.eval_string/2`). The code's variables are bound by name.
 *
 * @throws {CuddleError} `no-elixir`; {RemoteError} when it raises or does not compile; and what `node.call` throws
 */
export async function evaluateElixir(
  node: BeamNode,
  code: string,
  bindings: Bindings = {},
  options: RemoteCallOptions = {},
): Promise<Term> {
  const bound = Object.entries(bindings).map(([name, value]) => tuple(atom(name), value))
  const result = await node.call('Elixir.Code', 'eval_string', [binary(code), bound], options)
  if (result.kind === 'error' && isUndefined(result, 'Elixir.Code')) {
    throw new CuddleError('no-elixir', `node ${node.name} runs no Elixir`, { hint: 'write the expression in Erlang' })
  }
  return valueIn(result, 'the code', 1)
}

/** `{value, Value, Bindings}` of erl_eval, `{Value, Bindings}` of Elixir. */
function valueIn(result: CallResult, what: string, fromEnd: number): Term {
  if (result.kind !== 'return') throw new RemoteError(what, result)
  const parts = elements(result.value)
  if (!parts) throw new CuddleError('bad-term', `${what} gave ${format(result.value, { limit: 100 })}`)
  return parts[fromEnd - 1]
}

function isUndefined(result: Extract<CallResult, { kind: 'error' }>, module: string): boolean {
  const reason = elements(result.reason, 3)?.[1] ?? result.reason
  return (
    textOf(reason) === 'undef' &&
    format(result.reason)
      .concat(format(listOf(result.stack) ?? []))
      .includes(module)
  )
}

/** `{error, {Location, Module, Description}, …}`, said by the module that found it. */
async function syntaxError(node: BeamNode, answer: Term): Promise<CuddleError> {
  const [location, module, description] = elements(tagged(answer, 'error')?.[0], 3) ?? []
  const said =
    module === undefined
      ? undefined
      : await node.rpc(textOf(module) ?? '', 'format_error', [description]).catch(() => [])
  const [line] = elements(location) ?? [location]
  const where = typeof line === 'number' ? ` in line ${line}` : ''
  return new CuddleError(
    'syntax-error',
    `the expression is no Erlang${where}: ${textOf(said) || format(answer, { limit: 200 })}`,
  )
}
