/**
 * Writes protobuf from the end of a buffer to its start: the length of a nested message is known when its tag is written, so
 * nothing is copied. Fields, and the items of repeated ones, are therefore written last first.
 */
class Writer {
  private buffer = Buffer.allocUnsafe(1 << 20)
  private at = this.buffer.length

  private reserve(bytes: number): void {
    if (this.at >= bytes) return
    const larger = Buffer.allocUnsafe(this.buffer.length * 2 + bytes)
    const start = larger.length - (this.buffer.length - this.at)
    this.buffer.copy(larger, start, this.at)
    this.buffer = larger
    this.at = start
  }

  /** The bytes written so far. */
  get length(): number {
    return this.buffer.length - this.at
  }

  private varint(value: number): void {
    this.reserve(10)
    let size = 1
    for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
    this.at -= size
    let rest = value
    for (let i = 0; i < size; i++) {
      this.buffer[this.at + i] = (rest % 128) | (i < size - 1 ? 128 : 0)
      rest = Math.floor(rest / 128)
    }
  }

  text(field: number, value: string | undefined): void {
    if (!value) return
    const size = Buffer.byteLength(value)
    this.reserve(size + 20)
    this.at -= size
    this.buffer.write(value, this.at)
    this.varint(size)
    this.varint(field * 8 + 2)
  }

  integer(field: number, value: number | undefined): void {
    if (!value) return
    this.varint(value)
    this.varint(field * 8)
  }

  flag(field: number, value: boolean | undefined): void {
    if (value) this.integer(field, 1)
  }

  double(field: number, value: number | undefined): void {
    if (!value) return
    this.reserve(20)
    this.at -= 8
    this.buffer.writeDoubleLE(value, this.at)
    this.varint(field * 8 + 1)
  }

  /** A nested message, written by `body`; several fields wrap it one in another, outermost first. */
  message(fields: number | number[], body: () => void): void {
    const end = this.length
    body()
    for (const field of [fields].flat().reverse()) {
      this.varint(this.length - end)
      this.varint(field * 8 + 2)
    }
  }

  finish(): Uint8Array {
    return this.buffer.subarray(this.at)
  }
}

const reversed = <T>(list: T[] | undefined): T[] => (list ?? []).toReversed()

// gnostic's Any holds YAML, and JSON is YAML.
function any(out: Writer, field: number, value: unknown): void {
  out.message(field, () => out.text(2, JSON.stringify(value)))
}

function named(out: Writer, field: number, name: string, value: () => void): void {
  out.message(field, () => {
    out.message(2, value)
    out.text(1, name)
  })
}

function extensions(out: Writer, field: number, source: any): void {
  for (const key of reversed(Object.keys(source)))
    if (key.startsWith('x-')) named(out, field, key, () => out.text(2, JSON.stringify(source[key])))
}

function texts(out: Writer, field: number, list: string[] | undefined): void {
  for (const item of reversed(list)) out.text(field, item)
}

function schema(out: Writer, source: any): void {
  extensions(out, 31, source)
  if (source.properties) out.message(25, () => namedSchemas(out, source.properties))
  if (source.items) out.message([23, 1], () => schema(out, source.items))
  if (source.type) out.message(22, () => out.text(1, source.type))
  if (source.additionalProperties === true) out.message(21, () => out.flag(2, true))
  else if (source.additionalProperties) out.message([21, 1], () => schema(out, source.additionalProperties))
  for (const value of reversed<unknown>(source.enum)) any(out, 20, value)
  texts(out, 19, source.required)
  out.integer(18, source.minProperties)
  out.integer(17, source.maxProperties)
  out.flag(16, source.uniqueItems)
  out.integer(15, source.minItems)
  out.integer(14, source.maxItems)
  out.text(13, source.pattern)
  out.integer(12, source.minLength)
  out.integer(11, source.maxLength)
  out.flag(10, source.exclusiveMinimum)
  out.double(9, source.minimum)
  out.flag(8, source.exclusiveMaximum)
  out.double(7, source.maximum)
  out.double(6, source.multipleOf)
  if (source.default !== undefined) any(out, 5, source.default)
  out.text(4, source.description)
  out.text(2, source.format)
  out.text(1, source.$ref)
}

function namedSchemas(out: Writer, record: Record<string, any>): void {
  for (const key of reversed(Object.keys(record))) named(out, 1, key, () => schema(out, record[key]))
}

function parameter(out: Writer, field: number, source: any): void {
  if (source.in === 'body') {
    out.message([field, 1, 1], () => {
      out.message(5, () => schema(out, source.schema))
      out.flag(4, source.required)
      out.text(3, source.in)
      out.text(2, source.name)
    })
    return
  }
  const query = source.in === 'query'
  out.message([field, 1, 2, query ? 3 : 4], () => {
    out.flag(query ? 20 : 19, source.uniqueItems)
    out.text(query ? 6 : 5, source.type)
    out.text(4, source.name)
    out.text(2, source.in)
    out.flag(1, source.required)
  })
}

function operation(out: Writer, source: any): void {
  extensions(out, 13, source)
  texts(out, 10, source.schemes)
  out.message(9, () => {
    for (const code of reversed(Object.keys(source.responses ?? {})))
      named(out, 1, code, () =>
        out.message(1, () => {
          const response = source.responses[code]
          if (response.schema) out.message([2, 1], () => schema(out, response.schema))
          out.text(1, response.description)
        }),
      )
  })
  for (const item of reversed<any>(source.parameters)) parameter(out, 8, item)
  texts(out, 7, source.consumes)
  texts(out, 6, source.produces)
  out.text(5, source.operationId)
  texts(out, 1, source.tags)
}

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']

function pathItem(out: Writer, source: any): void {
  for (const item of reversed<any>(source.parameters)) parameter(out, 9, item)
  for (const [i, method] of [...methods.entries()].reverse())
    if (source[method]) out.message(i + 2, () => operation(out, source[method]))
}

/**
 * A Swagger document as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`: the message openapi.v2.Document of
 * gnostic, which is the only form that older kubectls read. Covers what openapiV2 writes.
 */
export function openapiV2Protobuf(swagger: Record<string, any>): Uint8Array {
  const out = new Writer()
  out.message(9, () => namedSchemas(out, swagger.definitions))
  out.message(8, () => {
    for (const path of reversed(Object.keys(swagger.paths)))
      named(out, 2, path, () => pathItem(out, swagger.paths[path]))
  })
  out.message(2, () => {
    out.text(2, swagger.info.version)
    out.text(1, swagger.info.title)
  })
  out.text(1, swagger.swagger)
  return out.finish()
}
