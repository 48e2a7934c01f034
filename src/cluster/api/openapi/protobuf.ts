import type { Json } from './definitions.ts'

/**
 * Writes an OpenAPI v2 document as gnostic's protobuf message openapi.v2.Document (googleapis/gnostic openapiv2/OpenAPIv2.proto),
 * the only form in which kubectl before 1.27 reads it.
 */
export function encodeDocument(document: Json): Buffer {
  return message([
    text(1, document['swagger']),
    nested(2, message([text(1, document['info'].title), text(2, document['info'].version)])),
    nested(
      8,
      message(Object.entries(document['paths'] as Json).map(([name, item]) => nested(2, named(name, pathItem(item))))),
    ),
    nested(
      9,
      message(
        Object.entries(document['definitions'] as Json).map(([name, one]) => nested(1, named(name, schema(one)))),
      ),
    ),
  ])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  while (left > 0x7f) {
    bytes.push((left & 0x7f) | 0x80)
    left = Math.floor(left / 128)
  }
  bytes.push(left)
  return Buffer.from(bytes)
}

const none = Buffer.alloc(0)
const message = (parts: readonly Buffer[]) => Buffer.concat(parts)

function nested(field: number, body: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body])
}

function text(field: number, value: unknown): Buffer {
  return value === undefined || value === '' ? none : nested(field, Buffer.from(String(value)))
}

function bool(field: number, value: unknown): Buffer {
  return value === true ? Buffer.concat([varint(field * 8), Buffer.of(1)]) : none
}

function integer(field: number, value: unknown): Buffer {
  return typeof value === 'number' && value > 0 ? Buffer.concat([varint(field * 8), varint(value)]) : none
}

function double(field: number, value: unknown): Buffer {
  if (typeof value !== 'number') return none
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([varint(field * 8 + 1), bytes])
}

/** Named… messages: name = 1, value = 2. */
const named = (name: string, value: Buffer) => message([text(1, name), nested(2, value)])

/** openapi.v2.Any carries YAML, of which JSON is a part. */
const any = (value: unknown) => text(2, JSON.stringify(value))

function extensions(field: number, value: Json): Buffer {
  const names = Object.keys(value).filter((name) => name.startsWith('x-'))
  return message(names.map((name) => nested(field, named(name, any(value[name])))))
}

function schema(value: Json): Buffer {
  const { type, items, additionalProperties: additional, properties, enum: choices } = value
  const parts = [
    text(1, value['$ref']),
    text(2, value['format']),
    text(4, value['description']),
    value['default'] === undefined ? none : nested(5, any(value['default'])),
    double(7, value['maximum']),
    double(9, value['minimum']),
    integer(11, value['maxLength']),
    integer(12, value['minLength']),
    text(13, value['pattern']),
    integer(14, value['maxItems']),
    integer(15, value['minItems']),
    message((value['required'] ?? []).map((name: string) => text(19, name))),
    message((choices ?? []).map((choice: unknown) => nested(20, any(choice)))),
  ]
  if (typeof additional === 'object') parts.push(nested(21, nested(1, schema(additional))))
  else if (additional !== undefined) parts.push(nested(21, bool(2, additional)))
  if (type) parts.push(nested(22, text(1, type)))
  if (items) parts.push(nested(23, nested(1, schema(items))))
  if (properties) {
    const fields = Object.keys(properties).map((name) => nested(1, named(name, schema(properties[name]))))
    parts.push(nested(25, message(fields)))
  }
  parts.push(extensions(31, value))
  return message(parts)
}

const methods: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 }

function pathItem(item: Json): Buffer {
  const operations = Object.keys(methods).filter((method) => item[method])
  return message([
    ...operations.map((method) => nested(methods[method], operation(item[method]))),
    ...(item['parameters'] ?? []).map((one: Json) => nested(9, parameter(one))),
  ])
}

function operation(value: Json): Buffer {
  const { schema: answer, description } = value['responses']['200']
  const response = message([text(1, description), nested(2, nested(1, schema(answer)))])
  return message([
    text(5, value['operationId']),
    ...value['parameters'].map((one: Json) => nested(8, parameter(one))),
    nested(9, nested(1, named('200', nested(1, response)))),
    extensions(13, value),
  ])
}

/** ParametersItem.parameter.non_body_parameter, a query or a path parameter. */
function parameter(value: Json): Buffer {
  const fields =
    value['in'] === 'path'
      ? nested(4, message([bool(1, true), text(2, 'path'), text(4, value['name']), text(5, value['type'])]))
      : nested(
          3,
          message([text(2, 'query'), text(4, value['name']), text(6, value['type']), bool(18, value['uniqueItems'])]),
        )
  return nested(1, nested(2, fields))
}
