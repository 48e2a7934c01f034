import { isObject } from '#lib'
import { copy, formatPath, maxDepth, put, TooDeep } from './json.ts'
import { canonicalQuantity, quantityError } from './quantity.ts'
import { canonicalMicroTime, canonicalTime } from './times.ts'
import type { Cause, Schema } from './types.ts'

/** What decoding an object into its built-in type found. */
export interface Shaped {
  object: Record<string, any>
  unknown: string[]
  causes: Cause[]
  malformed?: string
}

class Malformed extends Error {}

interface Walk {
  path: (string | number)[]
  unknown: string[]
  causes: Cause[]
  /** The innermost struct, for Go's wording of a decoding error. */
  struct: string
}

interface Plan {
  defaults: [string, Schema][]
  required: Set<string>
}
const plans = new WeakMap<object, Plan>()

function planOf(schema: Schema): Plan {
  const key = schema.properties!
  let plan = plans.get(key)
  if (!plan) {
    plan = {
      defaults: Object.entries(key).filter(([, property]) => property.default !== undefined),
      required: new Set(schema.required),
    }
    plans.set(key, plan)
  }
  return plan
}

/**
 * Decodes an object as the API server decodes JSON into a Go type and encodes it again: unknown fields and nulls are dropped,
 * static defaults and the zero values of fields without omitempty are filled in, quantities and times become canonical, values
 * of the wrong type and enums are reported. The result shares nothing with the input.
 */
export function shape(schema: Schema, object: Record<string, any>): Shaped {
  const walk: Walk = { path: [], unknown: [], causes: [], struct: '' }
  try {
    return { object: struct(schema, object, walk, 0), unknown: walk.unknown, causes: walk.causes }
  } catch (error) {
    if (!(error instanceof Malformed || error instanceof TooDeep)) throw error
    const cause: Cause = { reason: 'FieldValueTypeInvalid', message: error.message, field: formatPath(walk.path) }
    return { object, unknown: walk.unknown, causes: [cause], malformed: error.message }
  }
}

function struct(schema: Schema, value: Record<string, any>, walk: Walk, depth: number): Record<string, any> {
  if (depth > maxDepth) throw new TooDeep()
  const properties = schema.properties!
  const plan = planOf(schema)
  const outer = walk.struct
  walk.struct = schema.name ?? outer
  const out: Record<string, any> = {}
  for (const key in value) {
    const property = properties[key]
    const item = value[key]
    if (property === undefined) {
      if (item !== undefined) walk.unknown.push(formatPath([...walk.path, key]))
      continue
    }
    if (item === null || item === undefined) continue
    walk.path.push(key)
    const shaped = any(property, item, walk, depth)
    walk.path.pop()
    if (isEmpty(property, shaped) && !plan.required.has(key)) continue
    out[key] = shaped
  }
  for (const [key, property] of plan.defaults) {
    if (out[key] !== undefined) continue
    if (!property.properties) out[key] = copy(property.default)
    else {
      walk.path.push(key)
      out[key] = struct(property, {}, walk, depth + 1)
      walk.path.pop()
    }
  }
  walk.struct = outer
  return out
}

// Go's omitempty: an empty list or map (not a struct) is never written.
function isEmpty(schema: Schema, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (schema.additional === undefined || !isObject(value)) return false
  for (const _ in value) return false
  return true
}

function any(schema: Schema, value: unknown, walk: Walk, depth: number): unknown {
  if (schema.preserveUnknown) return copy(value, depth)
  if (schema.properties) {
    if (!isObject(value)) throw mismatch(schema, value, walk)
    return struct(schema, value, walk, depth + 1)
  }
  if (schema.items) {
    if (!Array.isArray(value)) throw mismatch(schema, value, walk)
    const { items } = schema
    if (items.type === 'string' && !items.format && !items.enum && value.every((item) => typeof item === 'string'))
      return value.slice()
    const last = walk.path.length
    const out: unknown[] = []
    walk.path.push(0)
    for (let i = 0; i < value.length; i++) {
      walk.path[last] = i
      out.push(
        value[i] === null || value[i] === undefined ? zero(items, walk, depth) : any(items, value[i], walk, depth),
      )
    }
    walk.path.pop()
    return out
  }
  if (schema.additional !== undefined) {
    if (!isObject(value)) throw mismatch(schema, value, walk)
    const out: Record<string, any> = {}
    for (const key in value) {
      walk.path.push(`[${key}]`)
      const item = value[key]
      const shaped =
        schema.additional === true
          ? copy(item, depth)
          : item === null
            ? zero(schema.additional, walk, depth)
            : any(schema.additional, item, walk, depth)
      put(out, key, shaped)
      walk.path.pop()
    }
    return out
  }
  return scalar(schema, value, walk)
}

function zero(schema: Schema, walk: Walk, depth: number): unknown {
  if (schema.properties) return struct(schema, {}, walk, depth + 1)
  if (schema.type === 'string') return ''
  if (schema.type === 'boolean') return false
  if (schema.type === 'integer' || schema.type === 'number') return 0
  return null
}

/** Values in the order in which Kubernetes names them, where that is none of the alphabet, or fewer than the schema says. */
const supportedValues: Record<string, readonly string[]> = {
  'core.v1.PodSpec.restartPolicy': ['Always', 'OnFailure', 'Never'],
  'core.v1.Toleration.operator': ['Equal', 'Exists'],
  'networking.v1.NetworkPolicySpec.policyTypes': ['Ingress', 'Egress'],
}
/** Fields that a rule of their own judges. */
const judged = new Set(['apps.v1.DeploymentStrategy.type', 'apps.v1.StatefulSetSpec.podManagementPolicy'])

function supportedBy(walk: Walk, values: readonly unknown[]): readonly unknown[] | undefined {
  const name = `${walk.struct}.${walk.path.findLast((part) => typeof part === 'string')}`
  return judged.has(name) ? undefined : (supportedValues[name] ?? values)
}

function scalar(schema: Schema, value: unknown, walk: Walk): unknown {
  switch (schema.type) {
    case 'string':
      if (typeof value !== 'string') throw mismatch(schema, value, walk)
      if (schema.format !== undefined) return formatted(schema.format, value)
      if (schema.enum !== undefined && value !== '' && walk.path[0] !== 'status') {
        const supported = supportedBy(walk, schema.enum)
        if (supported === undefined || supported.includes(value)) return value
        walk.causes.push({
          reason: 'FieldValueNotSupported',
          message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((item) => JSON.stringify(item)).join(', ')}`,
          field: formatPath(walk.path),
        })
      }
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(schema, value, walk)
      return value
    case 'integer': {
      const max = schema.format === 'int32' ? 2 ** 31 : 2 ** 63
      if (typeof value !== 'number' || !Number.isInteger(value) || value >= max || value < -max)
        throw mismatch(schema, value, walk)
      return value
    }
    case 'number':
      if (typeof value !== 'number') throw mismatch(schema, value, walk)
      return value
  }
  if (schema.format === 'int-or-string') {
    if (typeof value === 'string' || (Number.isInteger(value) && Math.abs(value as number) < 2 ** 31)) return value
    throw mismatch(schema, value, walk)
  }
  if (schema.format === 'quantity') {
    const canonical = canonicalQuantity(value)
    if (canonical === undefined) throw new Malformed(quantityError)
    return canonical
  }
  if (schema.type === 'object' && !isObject(value)) throw mismatch(schema, value, walk)
  return copy(value)
}

function formatted(format: string, value: string): string {
  if (format === 'byte') {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value.replace(/[\r\n]/g, '')) || value.replace(/[\r\n]/g, '').length % 4 !== 0)
      throw new Malformed(`illegal base64 data at input byte ${badBase64(value)}`)
    return value
  }
  if (format !== 'date-time' && format !== 'micro-time') return value
  const canonical = format === 'date-time' ? canonicalTime(value) : canonicalMicroTime(value)
  if (canonical !== undefined) return canonical
  const layout = format === 'date-time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00'
  const parsing = `parsing time ${JSON.stringify(value)} as ${JSON.stringify(layout)}`
  const zone = format === 'micro-time' ? /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-].*)$/.exec(value)?.[1] : undefined
  throw new Malformed(
    zone === undefined
      ? `${parsing}: cannot parse ${JSON.stringify(value)}`
      : `${parsing}: cannot parse ${JSON.stringify(zone)} as ".000000"`,
  )
}

function badBase64(value: string): number {
  const at = value.search(/[^A-Za-z0-9+/=\r\n]/)
  return at >= 0 ? at : value.length
}

function mismatch(schema: Schema, value: unknown, walk: Walk): Malformed {
  if (schema.format === 'int-or-string') return new Malformed('fromJSON: invalid value for int-or-string')
  const what = Array.isArray(value)
    ? 'array'
    : typeof value === 'boolean'
      ? 'bool'
      : typeof value === 'number' && schema.type === 'integer'
        ? `number ${value}`
        : typeof value
  const path = walk.path.filter((part) => typeof part === 'string' && !part.startsWith('[')).join('.')
  return new Malformed(
    `json: cannot unmarshal ${what} into Go struct field ${walk.struct.split('.').at(-1)}.${path} of type ${goType(schema)}`,
  )
}

function goType(schema: Schema): string {
  if (schema.items) return `[]${goType(schema.items)}`
  if (schema.name) return schema.name.split('.').slice(-2).join('.')
  if (schema.additional === true) return 'map[string]interface {}'
  if (schema.additional) return `map[string]${goType(schema.additional)}`
  if (schema.type === 'integer') return schema.format ?? 'int'
  return schema.type === 'boolean' ? 'bool' : schema.type === 'number' ? 'float64' : (schema.type ?? 'interface {}')
}
