import { TermMap } from './map.ts'
import { Atom, Export, Float, type Term, Tuple } from './terms.ts'

/** An atom: `atom('ok')`, and `atom('Elixir.Enum')` for Elixir's `Enum`. */
export const atom = (name: string): Atom => new Atom(name)

/** `true` or `false`, the atoms. */
export const bool = (value: boolean): Atom => new Atom(value ? 'true' : 'false')

/** A tuple: `tuple(atom('ok'), 1)` is `{ok, 1}`. */
export const tuple = (...elements: Term[]): Tuple => new Tuple(elements)

/** A UTF-8 binary: Elixir's string. */
export const binary = (text: string): Buffer => Buffer.from(text, 'utf8')

/** A list of code points: Erlang's string, Elixir's charlist. */
export const charlist = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0)!)

/** A float; a bare `number` is always an integer. */
export const float = (value: number): Float => new Float(value)

/** `fun module:function/arity`. */
export const exported = (module: string, name: string, arity: number): Export => new Export(module, name, arity)

/** A map with atoms as keys: `map({ name: binary('x') })` is `#{name => <<"x">>}`. For other keys: `new TermMap(entries)`. */
export const map = (fields: Readonly<Record<string, Term>>): TermMap =>
  new TermMap(Object.entries(fields).map(([name, value]) => [atom(name), value]))
