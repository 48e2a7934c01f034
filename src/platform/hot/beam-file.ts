import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { decode, elements, format, isAtom, listOf, type Term, TermMap, textOf } from '#beam'
import { CuddleError } from '#lib'

/** What a BEAM file says of its module, as far as an upgrade asks. */
export interface BeamFile {
  module: string
  /** `code:module_md5/1`, in hex: of what runs, not of debug information. */
  md5: string
  /** `name/arity`. */
  exports: ReadonlySet<string>
  /** Modules that it calls by name. */
  calls: ReadonlySet<string>
  behaviours: readonly string[]
  /** `-vsn`, as release_handler gives it to code_change. */
  version: Term | undefined
  onLoad: boolean
  loadsNif: boolean
  /** The keys of the struct that it defines (Elixir). */
  structKeys: readonly string[] | undefined
  /** Its code_change does nothing: what Elixir's `use GenServer` writes. Undefined without one. */
  codeChange: 'default' | 'own' | undefined
}

const known = new WeakMap<Uint8Array, BeamFile>()

/**
 * Reads the chunks of a BEAM file (stripped ones too). Of the same bytes, which are not to be changed, once.
 * @throws {CuddleError} `bad-beam`
 */
export function readBeam(bytes: Uint8Array, name = 'the file'): BeamFile {
  const before = known.get(bytes)
  if (before) return before
  try {
    const file = read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    known.set(bytes, file)
    return file
  } catch (cause) {
    throw new CuddleError('bad-beam', `${name} is no BEAM file`, { cause })
  }
}

function read(file: Buffer): BeamFile {
  const chunks = chunksOf(file)
  const code = chunks.get('Code')
  if (!code) throw new RangeError('no code')
  const atoms = atomsOf(chunks)
  const exported = triples(chunks.get('ExpT')).map(([name, arity, label]) => ({ name: atoms[name], arity, label }))
  const imported = triples(chunks.get('ImpT')).map(([module, name, arity]) => ({
    module: atoms[module],
    key: `${atoms[module]}:${atoms[name]}/${arity}`,
  }))
  const attributes = listOf(chunks.has('Attr') ? decode(chunks.get('Attr')!) : []) ?? []
  const attribute = (name: string): readonly Term[] =>
    attributes.flatMap((item) => {
      const [key, values] = elements(item, 2) ?? []
      return isAtom(key, name) ? (listOf(values) ?? [values as Term]) : []
    })
  const module = atoms[1]
  const change = exported.find(({ name, arity }) => name === 'code_change' && (arity === 3 || arity === 4))
  const versions = attribute('vsn')
  const loadsNif = imported.some(({ key }) => key === 'erlang:load_nif/2')
  return {
    module,
    md5: md5Of(chunks),
    exports: new Set(exported.map(({ name, arity }) => `${name}/${arity}`)),
    calls: new Set(imported.map((item) => item.module)),
    behaviours: [...attribute('behaviour'), ...attribute('behavior')].map((item) => textOf(item) ?? ''),
    version: versions.length === 1 ? versions[0] : versions.length > 1 ? versions : undefined,
    // The instruction of on_load/0 has no operands; the attribute is there unless the compiler of another language leaves it out.
    onLoad: attribute('on_load').length > 0 || loadsNif,
    loadsNif,
    structKeys: structKeys(chunks, module),
    codeChange: change && (isDefault(code, change.label, atoms.indexOf('ok')) ? 'default' : 'own'),
  }
}

function chunksOf(file: Buffer): Map<string, Buffer> {
  if (file.toString('latin1', 0, 4) !== 'FOR1' || file.toString('latin1', 8, 12) !== 'BEAM')
    throw new RangeError('no form')
  const chunks = new Map<string, Buffer>()
  for (let at = 12; at + 8 <= file.length; ) {
    const size = file.readUInt32BE(at + 4)
    if (at + 8 + size > file.length) throw new RangeError('cut short')
    chunks.set(file.toString('latin1', at, at + 4), file.subarray(at + 8, at + 8 + size))
    at += 8 + Math.ceil(size / 4) * 4
  }
  return chunks
}

/** Numbered from 1. OTP 28 writes lengths over 255 and says so with a negative count. */
function atomsOf(chunks: Map<string, Buffer>): string[] {
  const chunk = chunks.get('AtU8') ?? chunks.get('Atom')
  if (!chunk) throw new RangeError('no atoms')
  const count = chunk.readInt32BE(0)
  const atoms = ['']
  let at = 4
  for (let left = Math.abs(count); left > 0; left--) {
    let length = chunk.readUInt8(at++)
    if (count < 0) length = (length & 8) === 0 ? length >> 4 : ((length & 0xe0) << 3) | chunk.readUInt8(at++)
    atoms.push(chunk.toString(chunks.has('AtU8') ? 'utf8' : 'latin1', at, at + length))
    at += length
  }
  return atoms
}

function triples(chunk: Buffer | undefined): [number, number, number][] {
  if (!chunk) return []
  return Array.from({ length: chunk.readUInt32BE(0) }, (_, index) => {
    const at = 4 + index * 12
    return [chunk.readUInt32BE(at), chunk.readUInt32BE(at + 4), chunk.readUInt32BE(at + 8)]
  })
}

/** As the loader of OTP computes it: the chunks that make the code, and of funs all but their old hash. */
function md5Of(chunks: Map<string, Buffer>): string {
  const hash = createHash('md5')
  for (const name of ['Atom', 'AtU8', 'Code', 'StrT', 'ImpT', 'ExpT', 'FunT', 'LitT', 'Meta']) {
    const chunk = chunks.get(name)
    if (!chunk) continue
    if (name !== 'FunT') hash.update(chunk)
    else {
      const funs = Buffer.from(chunk)
      for (let at = 4; at + 24 <= funs.length; at += 24) funs.writeUInt32BE(0, at + 20)
      hash.update(funs)
    }
  }
  return hash.digest('hex')
}

function structKeys(chunks: Map<string, Buffer>, module: string): string[] | undefined {
  const chunk = chunks.get('LitT')
  if (!chunk) return undefined
  const size = chunk.readUInt32BE(0)
  const literals =
    size === 0 ? chunk.subarray(4) : inflateSync(chunk.subarray(4), { maxOutputLength: Math.max(1, size) })
  let at = 4
  for (let left = literals.readUInt32BE(0); left > 0; left--) {
    const length = literals.readUInt32BE(at)
    const bytes = literals.subarray(at + 4, at + 4 + length)
    at += 4 + length
    if (!bytes.includes('__struct__')) continue
    const term = decode(bytes)
    if (term instanceof TermMap && textOf(term.field('__struct__')) === module) {
      return [...term.entries()].map(([key]) => format(key)).sort()
    }
  }
  return undefined
}

/** `label L, test_heap 3 2, put_tuple2 {x,0} [ok, {x,1}], return`: the code of `code_change(_, State, _) -> {ok, State}`. */
function isDefault(code: Buffer, label: number, ok: number): boolean {
  if (ok < 1) return false
  const bytes = [1, ...compact(0, label), 0x10, 0x30, 0x20, 0xa4, 0x03, 0x17, 0x20, ...compact(2, ok), 0x13, 0x13]
  return code.includes(Buffer.from(bytes))
}

function compact(tag: number, value: number): number[] {
  if (value < 16) return [(value << 4) | tag]
  return value < 2048 ? [((value >> 3) & 0xe0) | 8 | tag, value & 0xff] : [0x18 | tag, value >> 8, value & 0xff]
}
