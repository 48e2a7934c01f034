import { createHash } from 'node:crypto'
import {
  Atom,
  BitString,
  Export,
  Float,
  type Fun,
  ImproperList,
  NativeRecord,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
} from './terms.ts'

type Entry = readonly [key: Term, value: Term]

/** Keys longer than this are compared by digest, which also keeps maps nested in keys from costing their size per level. */
const longestPlainKey = 120

/** An Erlang map. Keys are terms and compare as `=:=` does: `1` and `1.0` are two keys, two equal tuples are one. */
export class TermMap {
  /** By structural key; only for iteration and comparison. */
  readonly index: ReadonlyMap<string, Entry>
  #key: string | undefined

  /** Of equal keys the last one counts. */
  constructor(entries: Iterable<Entry> = []) {
    const index = new Map<string, Entry>()
    for (const entry of entries) index.set(termKey(entry[0]), entry)
    this.index = index
  }

  get size(): number {
    return this.index.size
  }

  get(key: Term): Term | undefined {
    return this.index.get(termKey(key))?.[1]
  }

  /** The value under an atom: `map.field('name')` is `maps:get(name, Map)`. */
  field(name: string): Term | undefined {
    return this.index.get(atomKey(name))?.[1]
  }

  has(key: Term): boolean {
    return this.index.has(termKey(key))
  }

  entries(): IterableIterator<Entry> {
    return this.index.values()
  }

  /** The key of the map itself; the order of its entries does not count. */
  get key(): string {
    this.#key ??= bounded(
      `m${this.index.size}:${[...this.index]
        .map(([key, [, value]]) => [key, keyOf(value)])
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flat()
        .map((part) => `${part.length}:${part}`)
        .join('')}`,
    )
    return this.#key
  }
}

/** A string that two terms share exactly when they are equal (`=:=`). */
export function termKey(term: Term): string {
  if (term instanceof Atom) return atomKey(term.name)
  return bounded(keyOf(term))
}

/** Whether two terms are the same, as `=:=` of OTP 27 and later: `0.0` and `-0.0` differ. */
export function sameTerm(a: Term, b: Term): boolean {
  return a === b || termKey(a) === termKey(b)
}

const bounded = (key: string) =>
  key.length <= longestPlainKey ? key : `#${createHash('sha256').update(key, 'utf8').digest('base64url')}`

const atomKey = (name: string) => bounded(text('a', name))

const text = (kind: string, value: string) => `${kind}${value.length}:${value}`
const all = (terms: readonly Term[]) => `${terms.length}:${terms.map(keyOf).join('')}`
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

function keyOf(term: Term): string {
  if (typeof term === 'number' || typeof term === 'bigint') return `i${term};`
  if (term instanceof Atom) return text('a', term.name)
  if (term instanceof Uint8Array) return text('b', latin1(term))
  if (term instanceof Tuple) return `t${all(term.elements)}`
  if (Array.isArray(term)) return `l${all(term)}`
  if (term instanceof TermMap) return term.key
  return rareKey(term as Exclude<Term, number | bigint | Atom | Uint8Array | Tuple | TermMap | readonly Term[]>)
}

function rareKey(
  term: Float | BitString | ImproperList | Pid | Port | Reference | Fun | Export | NativeRecord,
): string {
  if (term instanceof Float) return `f${Object.is(term.value, -0) ? '-0' : term.value};`
  if (term instanceof Pid) return `${text('p', term.node)}${term.id}.${term.serial}.${term.creation};`
  if (term instanceof Reference) return `${text('r', term.node)}${term.creation}.${term.ids.join('.')};`
  if (term instanceof Port) return `${text('o', term.node)}${term.id}.${term.creation};`
  if (term instanceof BitString) return `${text('B', latin1(term.bytes))}${term.bits}`
  if (term instanceof ImproperList) return `L${all(term.elements)}${keyOf(term.tail)}`
  if (term instanceof Export) return `${text('e', term.module)}${text('', term.function)}${term.arity};`
  if (term instanceof NativeRecord) {
    const fields = term.fields.map(([name, value]) => text('', name) + keyOf(value))
    return `${text('R', term.module)}${text('', term.name)}${fields.length}:${fields.join('')}`
  }
  const { module, arity, uniq, index, oldIndex, oldUniq, pid, free } = term.fields
  return `${text('F', module)}${arity}.${index};${text('', latin1(uniq))}${all([oldIndex, oldUniq, pid, ...free])}`
}
