/** A protobuf message under construction: its encoded parts and their length. */
interface Message {
  parts: Uint8Array[]
  length: number
}

const encoder = new TextEncoder()

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function push(message: Message, bytes: Uint8Array): void {
  message.parts.push(bytes)
  message.length += bytes.length
}

function embed(message: Message, field: number, inner: Message): void {
  push(message, varint(field * 8 + 2))
  push(message, varint(inner.length))
  message.parts.push(...inner.parts)
  message.length += inner.length
}

function text(message: Message, field: number, value: string | undefined): void {
  if (!value) return
  const bytes = encoder.encode(value)
  push(message, varint(field * 8 + 2))
  push(message, varint(bytes.length))
  push(message, bytes)
}

function integer(message: Message, field: number, value: number | undefined): void {
  if (!value) return
  push(message, varint(field * 8))
  push(message, varint(value))
}

function flag(message: Message, field: number, value: boolean | undefined): void {
  if (value) integer(message, field, 1)
}

function double(message: Message, field: number, value: number | undefined): void {
  if (!value) return
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value, true)
  push(message, varint(field * 8 + 1))
  push(message, bytes)
}

const empty = (): Message => ({ parts: [], length: 0 })

// gnostic's Any: JSON is YAML.
function anyValue(value: unknown): Message {
  const out = empty()
  text(out, 2, JSON.stringify(value))
  return out
}

function named(name: string, value: Message): Message {
  const out = empty()
  text(out, 1, name)
  embed(out, 2, value)
  return out
}

function wrap(field: number, inner: Message): Message {
  const out = empty()
  embed(out, field, inner)
  return out
}

function extensions(out: Message, field: number, source: any): void {
  for (const key of Object.keys(source)) if (key.startsWith('x-')) embed(out, field, named(key, anyValue(source[key])))
}

function schema(source: any): Message {
  const out = empty()
  text(out, 1, source.$ref)
  text(out, 2, source.format)
  text(out, 4, source.description)
  if (source.default !== undefined) embed(out, 5, anyValue(source.default))
  double(out, 6, source.multipleOf)
  double(out, 7, source.maximum)
  flag(out, 8, source.exclusiveMaximum)
  double(out, 9, source.minimum)
  flag(out, 10, source.exclusiveMinimum)
  integer(out, 11, source.maxLength)
  integer(out, 12, source.minLength)
  text(out, 13, source.pattern)
  integer(out, 14, source.maxItems)
  integer(out, 15, source.minItems)
  flag(out, 16, source.uniqueItems)
  integer(out, 17, source.maxProperties)
  integer(out, 18, source.minProperties)
  for (const name of source.required ?? []) text(out, 19, name)
  for (const value of source.enum ?? []) embed(out, 20, anyValue(value))
  if (source.additionalProperties === true) embed(out, 21, boolean(true))
  else if (source.additionalProperties) embed(out, 21, wrap(1, schema(source.additionalProperties)))
  if (source.type) {
    const type = empty()
    text(type, 1, source.type)
    embed(out, 22, type)
  }
  if (source.items) embed(out, 23, wrap(1, schema(source.items)))
  if (source.properties) embed(out, 25, namedSchemas(source.properties))
  extensions(out, 31, source)
  return out
}

function boolean(value: boolean): Message {
  const out = empty()
  flag(out, 2, value)
  return out
}

function namedSchemas(record: Record<string, any>): Message {
  const out = empty()
  for (const key of Object.keys(record)) embed(out, 1, named(key, schema(record[key])))
  return out
}

function parameter(source: any): Message {
  if (source.in === 'body') {
    const out = empty()
    text(out, 2, source.name)
    text(out, 3, source.in)
    flag(out, 4, source.required)
    embed(out, 5, schema(source.schema))
    return wrap(1, wrap(1, out))
  }
  const out = empty()
  const query = source.in === 'query'
  flag(out, 1, source.required)
  text(out, 2, source.in)
  text(out, 4, source.name)
  text(out, query ? 6 : 5, source.type)
  flag(out, query ? 20 : 19, source.uniqueItems)
  return wrap(1, wrap(2, wrap(query ? 3 : 4, out)))
}

function operation(source: any): Message {
  const out = empty()
  for (const tag of source.tags ?? []) text(out, 1, tag)
  text(out, 5, source.operationId)
  for (const type of source.produces ?? []) text(out, 6, type)
  for (const type of source.consumes ?? []) text(out, 7, type)
  for (const item of source.parameters ?? []) embed(out, 8, parameter(item))
  const responses = empty()
  for (const code of Object.keys(source.responses ?? {})) {
    const response = empty()
    text(response, 1, source.responses[code].description)
    if (source.responses[code].schema) embed(response, 2, wrap(1, schema(source.responses[code].schema)))
    embed(responses, 1, named(code, wrap(1, response)))
  }
  embed(out, 9, responses)
  for (const scheme of source.schemes ?? []) text(out, 10, scheme)
  extensions(out, 13, source)
  return out
}

const methods: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, options: 6, head: 7, patch: 8 }

function pathItem(source: any): Message {
  const out = empty()
  for (const method of Object.keys(methods)) if (source[method]) embed(out, methods[method], operation(source[method]))
  for (const item of source.parameters ?? []) embed(out, 9, parameter(item))
  return out
}

/**
 * A Swagger document as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`: the message openapi.v2.Document of
 * gnostic, which is the only form that older kubectls read. Covers what openapiV2 writes.
 */
export function openapiV2Protobuf(swagger: Record<string, any>): Uint8Array {
  const document = empty()
  text(document, 1, swagger.swagger)
  const info = empty()
  text(info, 1, swagger.info.title)
  text(info, 2, swagger.info.version)
  embed(document, 2, info)
  const paths = empty()
  for (const path of Object.keys(swagger.paths)) embed(paths, 2, named(path, pathItem(swagger.paths[path])))
  embed(document, 8, paths)
  embed(document, 9, namedSchemas(swagger.definitions))
  const bytes = new Uint8Array(document.length)
  let at = 0
  for (const part of document.parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
