import { CuddleError } from '#lib'

/** What is traced: functions of one module. */
export interface TraceTarget {
  module: string
  /** Undefined: all of the module. */
  function: string | undefined
  /** Undefined: of any arity. */
  arity: number | undefined
}

const elixirModule = String.raw`(?<elixir>[A-Z]\w*(?:\.[A-Z]\w*)*)\.`
const erlangModule = String.raw`:(?<quoted>[a-z_][\w@]*)\.|(?<erlang>[a-z_][\w@]*):`
const functionName = String.raw`(?<name>[a-z_][\w@]*[?!]?|\*)`
const target = new RegExp(`^(?:${elixirModule}|${erlangModule})${functionName}(?:/(?<arity>\\d{1,3}|[_*]))?$`)

/**
 * Reads `Mod.fun/2`, `:mod.fun/2` or `mod:fun/2`; without the arity all of them, `Mod.*` all of the module.
 * @throws {CuddleError} `bad-target`
 */
export function parseTarget(text: string): TraceTarget {
  const parts = target.exec(text.trim())?.groups
  if (!parts) {
    throw new CuddleError('bad-target', `${JSON.stringify(text)} names no function`, {
      hint: "write 'Mod.fun/2', 'Mod.fun', 'Mod.*' or 'mod:fun/2'",
    })
  }
  const { elixir, quoted, erlang, name, arity } = parts
  return {
    module: elixir === undefined ? (quoted ?? erlang!) : `Elixir.${elixir}`,
    function: name === '*' || name === '_' ? undefined : name!,
    arity: arity === undefined || /[_*]/.test(arity) ? undefined : Number(arity),
  }
}
