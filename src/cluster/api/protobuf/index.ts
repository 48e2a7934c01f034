import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { embedded, put, special } from './special.ts'
import { Reader, WireError } from './wire.ts'

/** Every message that Kubernetes sends begins with it (apimachinery pkg/runtime/serializer/protobuf). */
const magic = Buffer.from('k8s\0')
const maxDepth = 100

interface Field {
  name: string
  /** `s`, `b`, `i`, `d`, `y` (bytes), or a message's name. */
  type: string
  kind: 'one' | 'list' | 'map'
  /** Go leaves the zero value out of the JSON. */
  omitZero: boolean
}
type Message = Map<number, Field> | 'strings'

let generated: { kinds: Record<string, string>; messages: Record<string, string> } | undefined
const messages = new Map<string, Message>()

function tables() {
  return (generated ??= JSON.parse(readFileSync(new URL('./generated.json', import.meta.url), 'utf8')) as NonNullable<
    typeof generated
  >)
}

function messageOf(name: string): Message {
  let message = messages.get(name)
  if (!message) messages.set(name, (message = parse(tables().messages[name])))
  return message
}

function parse(text: string): Message {
  if (text === '[]') return 'strings'
  const fields: Map<number, Field> = new Map()
  if (text === '') return fields
  for (const part of text.split(',')) {
    const [number, name, type] = part.split(' ')
    const list = type.startsWith('*')
    const map = type.startsWith('%')
    fields.set(Number(number), {
      name: name.replace('?', ''),
      type: list || map ? type.slice(1) : type,
      kind: list ? 'list' : map ? 'map' : 'one',
      omitZero: name.endsWith('?'),
    })
  }
  return fields
}

/**
 * Decodes a request body of media type application/vnd.kubernetes.protobuf into the object that the same client would have
 * sent as JSON. Throws WireError for bytes that are no such thing, or of a kind that has no protobuf form here.
 */
export function decodeProtobuf(bytes: Buffer): Record<string, any> {
  if (bytes.length < 4 || !bytes.subarray(0, 4).equals(magic)) {
    throw new WireError(
      'provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00 (k8s followed by a zero byte)',
    )
  }
  return unwrap(bytes.subarray(4), 0)
}

/** runtime.Unknown: typeMeta = 1 { apiVersion = 1, kind = 2 }, raw = 2, contentEncoding = 3, contentType = 4. */
function unwrap(bytes: Buffer, depth: number): Record<string, any> {
  const reader = new Reader(bytes)
  const type = { apiVersion: '', kind: '' }
  let raw: Buffer = Buffer.alloc(0)
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 10) {
      const meta = new Reader(reader.slice())
      while (!meta.done) {
        const inner = meta.varint()
        if (inner === 10) type.apiVersion = text(meta.slice())
        else if (inner === 18) type.kind = text(meta.slice())
        else meta.skip(inner & 7)
      }
    } else if (tag === 18) raw = reader.slice()
    else reader.skip(tag & 7)
  }
  const slash = type.apiVersion.indexOf('/')
  const group = slash < 0 ? '' : type.apiVersion.slice(0, slash)
  const { kinds } = tables()
  const name = kinds[`${group}|${type.apiVersion.slice(slash + 1)}|${type.kind}`] ?? kinds[`*|*|${type.kind}`]
  if (name === undefined) throw new WireError(`no kind "${type.kind}" is registered for version "${type.apiVersion}"`)
  return { kind: type.kind, apiVersion: type.apiVersion, ...struct(name, raw, depth) }
}

function struct(name: string, bytes: Buffer, depth: number): Record<string, any> {
  const out: Record<string, any> = {}
  fill(out, messageOf(name) as Map<number, Field>, bytes, depth)
  return out
}

function fill(out: Record<string, any>, fields: Map<number, Field>, bytes: Buffer, depth: number): void {
  if (depth > maxDepth) throw new WireError('exceeded max depth')
  const reader = new Reader(bytes)
  while (!reader.done) {
    const tag = reader.varint()
    const field = fields.get(Math.floor(tag / 8))
    if (!field) {
      reader.skip(tag & 7)
      continue
    }
    const { name, type, kind, omitZero } = field
    if ((tag & 7) !== wireTypeOf(field)) throw new WireError(`proto: wrong wireType = ${tag & 7} for field ${name}`)
    if (kind === 'map') entry((out[name] ??= {}), type, reader.slice(), depth)
    else if (kind === 'list') (out[name] ??= []).push(value(type, reader, depth) ?? null)
    else if (name === '') fill(out, messageOf(type) as Map<number, Field>, reader.slice(), depth + 1)
    else {
      const decoded = value(type, reader, depth)
      if (decoded === undefined || (omitZero && (decoded === '' || decoded === 0 || decoded === false))) continue
      out[name] = decoded
    }
  }
}

function wireTypeOf({ type, kind }: Field): number {
  if (kind === 'map') return 2
  return type === 'b' || type === 'i' ? 0 : type === 'd' ? 1 : 2
}

/** One entry of a map: key = 1 (always a string here), value = 2. */
function entry(target: Record<string, any>, type: string, bytes: Buffer, depth: number): void {
  const reader = new Reader(bytes)
  let key = ''
  let found: unknown
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 10) key = text(reader.slice())
    else if (tag >>> 3 === 2 && (tag & 7) === wireTypeOf({ name: '', type, kind: 'one', omitZero: false })) {
      found = value(type, reader, depth)
    } else reader.skip(tag & 7)
  }
  put(target, key, found ?? (type === 's' || type === 'y' ? '' : null))
}

function value(type: string, reader: Reader, depth: number): unknown {
  if (type === 's') return text(reader.slice())
  if (type === 'b') return reader.varint() !== 0
  if (type === 'i') return reader.varint()
  if (type === 'd') return reader.double()
  const bytes = reader.slice()
  if (type === 'y') return bytes.toString('base64')
  if (embedded.has(type)) return json(bytes, depth)
  const message = messageOf(type)
  if (message === 'strings') return strings(bytes)
  const fields = struct(type, bytes, depth + 1)
  const convert = special[type]
  return convert ? convert(fields) : fields
}

function strings(bytes: Buffer): string[] {
  const reader = new Reader(bytes)
  const items: string[] = []
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 10) items.push(text(reader.slice()))
    else reader.skip(tag & 7)
  }
  return items
}

/** JSON in bytes (RawExtension, FieldsV1, JSON): an object may itself be wrapped as protobuf. */
function json(bytes: Buffer, depth: number): unknown {
  const reader = new Reader(bytes)
  let raw: Buffer | undefined
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 10) raw = reader.slice()
    else reader.skip(tag & 7)
  }
  if (!raw || raw.length === 0) return undefined
  if (raw.subarray(0, 4).equals(magic)) {
    if (depth > maxDepth) throw new WireError('exceeded max depth')
    return unwrap(raw.subarray(4), depth + 1)
  }
  try {
    return JSON.parse(text(raw))
  } catch (error) {
    throw new WireError((error as Error).message)
  }
}

function text(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new WireError('string field contains invalid UTF-8')
  return bytes.toString('utf8')
}
