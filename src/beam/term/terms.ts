import type { TermMap } from './map.ts'

/**
 * Erlang terms as TypeScript values, one to one, so that decode(encode(term)) is the same term:
 *
 * | Erlang | TypeScript |
 * |---|---|
 * | integer | `number` where it is a safe integer, else `bigint` |
 * | float | {@link Float}: `1.0` is not `1` |
 * | atom | {@link Atom}, compared by name; `true`, `false`, `nil` too |
 * | binary | `Uint8Array`; a bitstring that is no binary: {@link BitString} |
 * | list | array, charlists as well; with a tail that is no list: {@link ImproperList} |
 * | tuple, map | {@link Tuple}, {@link TermMap} |
 * | pid, port, reference | {@link Pid}, {@link Port}, {@link Reference} |
 * | fun | {@link Fun}, and {@link Export} for `fun m:f/a` |
 * | record of OTP 29 | {@link NativeRecord} |
 *
 * JavaScript strings and booleans are no terms, because each could mean several: see `binary`, `charlist`, `atom`.
 */
export type Term =
  | number
  | bigint
  | Float
  | Atom
  | Uint8Array
  | BitString
  | readonly Term[]
  | ImproperList
  | Tuple
  | TermMap
  | Pid
  | Port
  | Reference
  | Fun
  | Export
  | NativeRecord

/** Never interned: a node that invents atoms fills its own table, not our memory. */
export class Atom {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

export class Float {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export class Tuple {
  readonly elements: readonly Term[]

  constructor(elements: readonly Term[]) {
    this.elements = elements
  }
}

/** `[a, b | tail]`. */
export class ImproperList {
  readonly elements: readonly Term[]
  readonly tail: Term

  constructor(elements: readonly Term[], tail: Term) {
    this.elements = elements
    this.tail = tail
  }
}

/** A bitstring whose last byte holds only `bits` (1 to 7) bits, in its high end. */
export class BitString {
  readonly bytes: Uint8Array
  readonly bits: number

  constructor(bytes: Uint8Array, bits: number) {
    this.bytes = bytes
    this.bits = bits
  }
}

export class Pid {
  readonly node: string
  readonly id: number
  readonly serial: number
  /** Which incarnation of the node: a restarted one has another. */
  readonly creation: number

  constructor(node: string, id: number, serial: number, creation: number) {
    this.node = node
    this.id = id
    this.serial = serial
    this.creation = creation
  }
}

export class Port {
  readonly node: string
  readonly id: bigint
  readonly creation: number

  constructor(node: string, id: bigint, creation: number) {
    this.node = node
    this.id = id
    this.creation = creation
  }
}

export class Reference {
  readonly node: string
  readonly creation: number
  /** 1 to 5 words of 32 bits. */
  readonly ids: readonly number[]

  constructor(node: string, creation: number, ids: readonly number[]) {
    this.node = node
    this.creation = creation
    this.ids = ids
  }
}

/** `fun module:function/arity`. */
export class Export {
  readonly module: string
  readonly function: string
  readonly arity: number

  constructor(module: string, name: string, arity: number) {
    this.module = module
    this.function = name
    this.arity = arity
  }
}

export interface FunFields {
  module: string
  arity: number
  /** MD5 of the code it was made by. */
  uniq: Uint8Array
  index: number
  oldIndex: Term
  oldUniq: Term
  pid: Pid
  free: readonly Term[]
}

/** An anonymous fun: it can be kept and sent back, and only be called by a node that has its code. */
export class Fun {
  readonly fields: Readonly<FunFields>

  constructor(fields: FunFields) {
    this.fields = fields
  }
}

/** A record as OTP 29 knows them at run time (EEP 79). */
export class NativeRecord {
  readonly module: string
  readonly name: string
  readonly fields: ReadonlyArray<readonly [name: string, value: Term]>

  constructor(module: string, name: string, fields: ReadonlyArray<readonly [string, Term]>) {
    this.module = module
    this.name = name
    this.fields = fields
  }
}
