import { TermMap } from './map.ts'
import type { Reader } from './reader.ts'
import { longestAtom, tag } from './tags.ts'
import {
  Atom,
  BitString,
  Export,
  Float,
  Fun,
  ImproperList,
  NativeRecord,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
} from './terms.ts'

/** What a decoder gives up at. Memory is bounded by the input's length times a small factor, and by `maxTerms`. */
export interface DecodeLimits {
  /** Nesting of tuples, lists and maps. @default 1024 */
  maxDepth?: number
  /** Terms in all, elements included; a map counts for 16 more, a binary for 3. @default 4 million: some 400 MB at worst */
  maxTerms?: number
  /** Bytes of an integer. @default 512 KiB, the order of the emulator's own limit */
  maxIntegerBytes?: number
  /** Bytes that a compressed term may unfold to. @default 64 MiB */
  maxInflatedBytes?: number
}

/** What the table of a map and the view of a binary weigh, in terms. */
const mapCost = 16
const binaryCost = 3

const emptyList: readonly Term[] = Object.freeze([])

/** OTP before R11 printed floats with `%.20e`; anything else is no number. */
function parseFloat31(text: string): number {
  const digits = text.split('\0')[0]
  return /^ *-?\d+\.\d+(e[-+]?\d+)?$/.test(digits) ? Number(digits) : Number.NaN
}

/** Reads terms, one after the other, within limits over all of them. */
export class Decoder {
  readonly reader: Reader
  readonly #limits: Required<DecodeLimits>
  #terms = 0

  constructor(reader: Reader, limits: Required<DecodeLimits>) {
    this.reader = reader
    this.#limits = limits
  }

  term(depth: number): Term {
    this.#enter(depth)
    const { reader } = this
    const kind = reader.u8()
    switch (kind) {
      case tag.smallInteger:
        return reader.u8()
      case tag.integer:
        return reader.i32()
      case tag.smallAtomUtf8:
      case tag.atomUtf8:
      case tag.smallAtom:
      case tag.atom:
        return new Atom(this.#atomName(kind))
      case tag.binary:
        this.#spend(binaryCost)
        return reader.bytes(reader.u32())
      case tag.smallTuple:
        return new Tuple(this.#many(reader.count(reader.u8()), depth))
      case tag.largeTuple:
        return new Tuple(this.#many(reader.count(reader.u32()), depth))
      case tag.nil:
        return emptyList
      case tag.string:
      case tag.list:
        return this.#list(kind, depth)
      case tag.map:
        return this.#map(depth)
      case tag.smallBig:
        return this.#big(reader.u8())
      case tag.largeBig:
        return this.#big(reader.u32())
      case tag.newFloat:
        return this.#float(reader.f64())
      case tag.float:
        return this.#float(parseFloat31(reader.latin1(31)))
      case tag.bitBinary:
        return this.#bits()
      case tag.export:
        return new Export(this.#name(), this.#name(), this.#arity(depth))
      case tag.newFun:
        return this.#fun(depth)
      case tag.nativeRecord:
        return this.#record(depth)
      default:
        return this.#identifier(kind)
    }
  }

  #enter(depth: number): void {
    if (depth > this.#limits.maxDepth) this.reader.fail(`nested deeper than ${this.#limits.maxDepth}`)
    this.#spend(1)
  }

  #spend(terms: number): void {
    this.#terms += terms
    if (this.#terms > this.#limits.maxTerms) this.reader.fail(`more than ${this.#limits.maxTerms} terms`)
  }

  #many(count: number, depth: number): Term[] {
    const terms: Term[] = []
    for (let i = 0; i < count; i++) terms.push(this.term(depth + 1))
    return terms
  }

  /** Tails that are lists themselves are part of the list, in a loop: a chain of them is no nesting. */
  #list(first: number, depth: number): Term {
    const { reader } = this
    const elements: Term[] = []
    for (let kind = first; ; kind = reader.u8()) {
      if (kind === tag.nil) return elements
      if (kind === tag.string) {
        const length = reader.u16()
        this.#spend(length)
        const at = reader.take(length)
        for (let i = at; i < at + length; i++) elements.push(reader.input[i])
        return elements
      }
      if (kind !== tag.list) {
        reader.position--
        if (elements.length === 0) return this.term(depth + 1)
        return new ImproperList(elements, this.term(depth + 1))
      }
      this.#spend(1)
      const count = reader.count(reader.u32())
      for (let i = 0; i < count; i++) elements.push(this.term(depth + 1))
    }
  }

  #map(depth: number): Term {
    const { reader } = this
    this.#spend(mapCost)
    const count = reader.count(reader.u32(), 2)
    const entries: [Term, Term][] = []
    for (let i = 0; i < count; i++) entries.push([this.term(depth + 1), this.term(depth + 1)])
    const map = new TermMap(entries)
    if (map.size !== count) reader.fail('a map has a key twice')
    return map
  }

  #big(length: number): number | bigint {
    const { reader } = this
    if (length > this.#limits.maxIntegerBytes) reader.fail(`an integer of ${length} bytes is over the limit`)
    const sign = reader.u8()
    const at = reader.take(length)
    const hex = Buffer.from(reader.input.subarray(at, at + length))
      .reverse()
      .toString('hex')
    const magnitude = BigInt(`0x0${hex}`)
    const value = sign === 0 ? magnitude : -magnitude
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
  }

  #float(value: number): Float {
    if (!Number.isFinite(value)) this.reader.fail('not a finite float')
    return new Float(value)
  }

  #bits(): Term {
    const { reader } = this
    this.#spend(binaryCost)
    const length = reader.u32()
    const bits = reader.u8()
    if (bits > 8 || (bits === 0) !== (length === 0)) reader.fail(`a bitstring with ${bits} bits in its last byte`)
    const bytes = Buffer.from(reader.bytes(length))
    if (bits === 0 || bits === 8) return bytes
    bytes[length - 1] &= 0xff << (8 - bits)
    return new BitString(bytes, bits)
  }

  #atomName(kind: number): string {
    const { reader } = this
    const wide = kind === tag.atomUtf8 || kind === tag.atom
    const length = wide ? reader.u16() : reader.u8()
    if (length > longestAtom * 4) reader.fail(`an atom of ${length} bytes`)
    const latin1 = kind === tag.atom || kind === tag.smallAtom
    const name = latin1 ? reader.latin1(length) : reader.utf8(length)
    if (name.length > longestAtom && [...name].length > longestAtom) reader.fail('an atom of more than 255 characters')
    return name
  }

  /** An atom where only an atom may be. */
  #name(): string {
    const kind = this.reader.u8()
    if (kind !== tag.smallAtomUtf8 && kind !== tag.atomUtf8 && kind !== tag.smallAtom && kind !== tag.atom) {
      this.reader.fail(`an atom was expected, not tag ${kind}`)
    }
    return this.#atomName(kind)
  }

  #arity(depth: number): number {
    const arity = this.term(depth + 1)
    if (typeof arity !== 'number' || arity < 0 || arity > 255) this.reader.fail('an arity is 0 to 255')
    return arity
  }

  #identifier(kind: number): Term {
    const { reader } = this
    switch (kind) {
      case tag.newPid:
        return new Pid(this.#name(), reader.u32(), reader.u32(), reader.u32())
      case tag.oldPid:
        return new Pid(this.#name(), reader.u32(), reader.u32(), reader.u8())
      case tag.v4Port:
        return new Port(this.#name(), reader.u64(), reader.u32())
      case tag.newPort:
        return new Port(this.#name(), BigInt(reader.u32()), reader.u32())
      case tag.oldPort:
        return new Port(this.#name(), BigInt(reader.u32()), reader.u8())
      case tag.newerReference:
      case tag.newReference: {
        const words = reader.u16()
        if (words === 0 || words > 5) reader.fail(`a reference of ${words} words`)
        const node = this.#name()
        const creation = kind === tag.newerReference ? reader.u32() : reader.u8()
        const ids: number[] = []
        for (let i = 0; i < words; i++) ids.push(reader.u32())
        return new Reference(node, creation, ids)
      }
      case tag.oldReference: {
        const node = this.#name()
        const id = reader.u32()
        return new Reference(node, reader.u8(), [id])
      }
      default:
        reader.position--
        return reader.fail(`unknown tag ${kind}`)
    }
  }

  #fun(depth: number): Fun {
    const { reader } = this
    const start = reader.position
    const size = reader.u32()
    const arity = reader.u8()
    const uniq = Buffer.from(reader.bytes(16))
    const index = reader.u32()
    const free = reader.count(reader.u32())
    const module = this.#name()
    const oldIndex = this.term(depth + 1)
    const oldUniq = this.term(depth + 1)
    const pid = this.term(depth + 1)
    if (!(pid instanceof Pid)) return reader.fail('the maker of a fun is a pid')
    const fields = { module, arity, uniq, index, oldIndex, oldUniq, pid, free: this.#many(free, depth) }
    if (reader.position - start !== size) reader.fail('a fun is not as long as it says')
    return new Fun(fields)
  }

  #record(depth: number): NativeRecord {
    const { reader } = this
    const count = reader.count(reader.u32(), 2)
    const flags = reader.u8()
    if (flags !== 0) reader.fail(`a record with the unknown flags ${flags}`)
    const module = this.#name()
    const name = this.#name()
    this.#spend(count)
    const names: string[] = []
    for (let i = 0; i < count; i++) names.push(this.#name())
    const values = this.#many(count, depth)
    return new NativeRecord(
      module,
      name,
      names.map((field, i) => [field, values[i]]),
    )
  }
}
