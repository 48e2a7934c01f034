import { EncodeError } from './errors.ts'
import { TermMap } from './map.ts'
import { longestAtom, tag, version } from './tags.ts'
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
import { Writer } from './writer.ts'

/** Deeper than any sane term, and shallow enough for the stack; also what ends cyclic arrays. */
const maxDepth = 1024

/**
 * The external term format of a term, with the version byte, as `erlang:term_to_binary/1` gives it.
 *
 * @throws {EncodeError} for values that are no terms (strings, booleans, fractions outside of `Float`), too deep or too long
 */
export function encode(term: Term): Buffer {
  const writer = new Writer()
  writer.u8(version)
  writeTerm(writer, term)
  return writer.finish()
}

/** Appends a term without the version byte. */
export function writeTerm(writer: Writer, term: Term, depth = 0): void {
  if (depth > maxDepth) throw new EncodeError(`the term is nested deeper than ${maxDepth}`)
  if (typeof term === 'number') writeInteger(writer, term)
  else if (term instanceof Atom) writeAtom(writer, term.name)
  else if (term instanceof Uint8Array) writeBinary(writer, term)
  else if (Array.isArray(term)) writeList(writer, term, depth)
  else if (term instanceof Tuple) writeTuple(writer, term.elements, depth)
  else if (term instanceof TermMap) writeMap(writer, term, depth)
  else if (typeof term === 'bigint') writeBig(writer, term)
  else if (term instanceof Pid) writePid(writer, term)
  else if (term instanceof Reference) writeReference(writer, term)
  else writeRare(writer, term, depth)
}

function writeRare(writer: Writer, term: Term, depth: number): void {
  if (term instanceof Float) {
    if (!Number.isFinite(term.value)) throw new EncodeError(`${term.value} is no Erlang float`)
    writer.u8(tag.newFloat)
    writer.f64(term.value)
  } else if (term instanceof ImproperList) {
    if (term.elements.length === 0 || Array.isArray(term.tail)) {
      throw new EncodeError('an improper list has at least one element and a tail that is no list')
    }
    writer.u8(tag.list)
    writer.u32(term.elements.length)
    for (const element of term.elements) writeTerm(writer, element, depth + 1)
    writeTerm(writer, term.tail, depth + 1)
  } else if (term instanceof BitString) {
    if (term.bytes.length === 0 || !(term.bits >= 1 && term.bits <= 7)) {
      throw new EncodeError('a bitstring has at least one byte and 1 to 7 bits in the last one')
    }
    writer.u8(tag.bitBinary)
    writer.u32(term.bytes.length)
    writer.u8(term.bits)
    writer.bytes(term.bytes)
  } else if (term instanceof Export) {
    writer.u8(tag.export)
    writeAtom(writer, term.module)
    writeAtom(writer, term.function)
    writeInteger(writer, byte(term.arity, 'arity'))
  } else if (term instanceof Port) {
    writer.u8(tag.v4Port)
    writeAtom(writer, term.node)
    writer.u64(term.id)
    writer.u32(term.creation)
  } else if (term instanceof Fun) writeFun(writer, term, depth)
  else if (term instanceof NativeRecord) writeRecord(writer, term, depth)
  else throw notATerm(term)
}

function notATerm(value: unknown): EncodeError {
  if (typeof value === 'string') {
    return new EncodeError('a JavaScript string is no Erlang term', "use binary('…'), charlist('…') or atom('…')")
  }
  const what =
    value === null ? 'null' : typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
  return new EncodeError(`a JavaScript ${what} is no Erlang term`, 'use the constructors of cuddle/beam')
}

function byte(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 255) throw new EncodeError(`${what} ${value} is not 0 to 255`)
  return value
}

function writeInteger(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value)) {
    if (Number.isInteger(value)) throw new EncodeError(`${value} is no exact integer`, 'use a bigint')
    throw new EncodeError(`${value} is no integer`, 'wrap floats: float(1.5)')
  }
  if (value >= 0 && value <= 255) {
    writer.u8(tag.smallInteger)
    writer.u8(value)
  } else if (value >= -0x8000_0000 && value <= 0x7fff_ffff) {
    writer.u8(tag.integer)
    writer.u32(value)
  } else writeBig(writer, BigInt(value))
}

function writeBig(writer: Writer, value: bigint): void {
  if (value >= -0x8000_0000n && value <= 0x7fff_ffffn) {
    writeInteger(writer, Number(value))
    return
  }
  const hex = (value < 0n ? -value : value).toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').reverse()
  if (bytes.length <= 255) {
    writer.u8(tag.smallBig)
    writer.u8(bytes.length)
  } else {
    writer.u8(tag.largeBig)
    writer.u32(bytes.length)
  }
  writer.u8(value < 0n ? 1 : 0)
  writer.bytes(bytes)
}

/** Up to this length the loop over a name's characters is cheaper than asking for its length in UTF-8. */
const shortName = 64

function isShortAscii(name: string): boolean {
  if (name.length > shortName) return false
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return false
  return true
}

export function writeAtom(writer: Writer, name: string): void {
  if (isShortAscii(name)) {
    writer.u8(tag.smallAtomUtf8)
    writer.u8(name.length)
    writer.ascii(name)
    return
  }
  if (name.length > longestAtom && [...name].length > longestAtom) {
    throw new EncodeError(`an atom has at most ${longestAtom} characters`)
  }
  const length = Buffer.byteLength(name, 'utf8')
  if (length <= 255) {
    writer.u8(tag.smallAtomUtf8)
    writer.u8(length)
  } else {
    writer.u8(tag.atomUtf8)
    writer.u16(length)
  }
  writer.text(name, length)
}

function writeBinary(writer: Writer, bytes: Uint8Array): void {
  writer.u8(tag.binary)
  writer.u32(bytes.length)
  writer.bytes(bytes)
}

const isByte = (term: Term) => typeof term === 'number' && term >= 0 && term <= 255 && Number.isInteger(term)

function writeList(writer: Writer, list: readonly Term[], depth: number): void {
  if (list.length === 0) {
    writer.u8(tag.nil)
  } else if (list.length <= 0xffff && list.every(isByte)) {
    writer.u8(tag.string)
    writer.u16(list.length)
    writer.bytes(Uint8Array.from(list as number[]))
  } else {
    writer.u8(tag.list)
    writer.u32(list.length)
    for (const element of list) writeTerm(writer, element, depth + 1)
    writer.u8(tag.nil)
  }
}

function writeTuple(writer: Writer, elements: readonly Term[], depth: number): void {
  if (elements.length <= 255) {
    writer.u8(tag.smallTuple)
    writer.u8(elements.length)
  } else {
    writer.u8(tag.largeTuple)
    writer.u32(elements.length)
  }
  for (const element of elements) writeTerm(writer, element, depth + 1)
}

function writeMap(writer: Writer, map: TermMap, depth: number): void {
  writer.u8(tag.map)
  writer.u32(map.size)
  for (const [key, value] of map.entries()) {
    writeTerm(writer, key, depth + 1)
    writeTerm(writer, value, depth + 1)
  }
}

function writePid(writer: Writer, pid: Pid): void {
  writer.u8(tag.newPid)
  writeAtom(writer, pid.node)
  writer.u32(pid.id)
  writer.u32(pid.serial)
  writer.u32(pid.creation)
}

function writeReference(writer: Writer, reference: Reference): void {
  writer.u8(tag.newerReference)
  writer.u16(reference.ids.length)
  writeAtom(writer, reference.node)
  writer.u32(reference.creation)
  for (const id of reference.ids) writer.u32(id)
}

function writeFun(writer: Writer, { fields }: Fun, depth: number): void {
  writer.u8(tag.newFun)
  const start = writer.length
  writer.u32(0)
  writer.u8(byte(fields.arity, 'arity'))
  if (fields.uniq.length !== 16) throw new EncodeError('uniq of a fun has 16 bytes')
  writer.bytes(fields.uniq)
  writer.u32(fields.index)
  writer.u32(fields.free.length)
  writeAtom(writer, fields.module)
  writeTerm(writer, fields.oldIndex, depth + 1)
  writeTerm(writer, fields.oldUniq, depth + 1)
  writePid(writer, fields.pid)
  for (const variable of fields.free) writeTerm(writer, variable, depth + 1)
  writer.patchU32(start, writer.length - start)
}

function writeRecord(writer: Writer, { module, name, fields }: NativeRecord, depth: number): void {
  writer.u8(tag.nativeRecord)
  writer.u32(fields.length)
  writer.u8(0)
  writeAtom(writer, module)
  writeAtom(writer, name)
  for (const [field] of fields) writeAtom(writer, field)
  for (const [, value] of fields) writeTerm(writer, value, depth + 1)
}
