import { TermMap } from './map.ts'
import { Atom, Float, ImproperList, type Term, Tuple } from './terms.ts'

/** Whether a term is this atom, or any atom. */
export function isAtom(term: Term | undefined, name?: string): term is Atom {
  return term instanceof Atom && (name === undefined || term.name === name)
}

/** The elements of a tuple whose first element is the atom `name`: those after it. `tagged(reply, 'ok')` for `{ok, …}`. */
export function tagged(term: Term | undefined, name: string, arity?: number): readonly Term[] | undefined {
  if (!(term instanceof Tuple) || !isAtom(term.elements[0], name)) return undefined
  return arity === undefined || term.elements.length === arity ? term.elements.slice(1) : undefined
}

/** The elements of a tuple (of that arity). */
export function elements(term: Term | undefined, arity?: number): readonly Term[] | undefined {
  if (!(term instanceof Tuple)) return undefined
  return arity === undefined || term.elements.length === arity ? term.elements : undefined
}

/** The elements of a proper list. */
export function listOf(term: Term | undefined): readonly Term[] | undefined {
  return Array.isArray(term) ? term : undefined
}

/** An integer or a float as a number; bigints lose precision. */
export function numberOf(term: Term | undefined): number | undefined {
  if (typeof term === 'number') return term
  if (typeof term === 'bigint') return Number(term)
  return term instanceof Float ? term.value : undefined
}

/** The text of a UTF-8 binary, a charlist or an atom. Nested lists of them (chardata) too. */
export function textOf(term: Term | undefined): string | undefined {
  if (term instanceof Atom) return term.name
  return chardata(term)
}

function chardata(term: Term | undefined): string | undefined {
  if (term instanceof Uint8Array) return Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('utf8')
  // Chardata may end in a binary: [65 | <<"b">>].
  if (term instanceof ImproperList) return chardata([...term.elements, term.tail])
  if (!Array.isArray(term)) return undefined
  let text = ''
  for (const item of term as readonly Term[]) {
    if (typeof item === 'number') {
      if (item < 0 || item > 0x10ffff || (item >= 0xd800 && item <= 0xdfff)) return undefined
      text += String.fromCodePoint(item)
    } else {
      const part = chardata(item)
      if (part === undefined) return undefined
      text += part
    }
  }
  return text
}

/** The value of a key in a proplist or Elixir keyword list (`[{key, Value}, key2]`; a bare atom is `true`). */
export function property(list: Term | undefined, name: string): Term | undefined {
  for (const item of listOf(list) ?? []) {
    if (isAtom(item, name)) return new Atom('true')
    const pair = tagged(item, name, 2)
    if (pair) return pair[0]
  }
  return undefined
}

/** The module of an Elixir struct without `Elixir.`, or undefined. */
export function structName(term: Term | undefined): string | undefined {
  const module = term instanceof TermMap ? term.field('__struct__') : undefined
  return module instanceof Atom ? module.name.replace(/^Elixir\./, '') : undefined
}
