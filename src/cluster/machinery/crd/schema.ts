import { isObject } from '#lib'
import { maxDepth, TooDeep } from '../json.ts'
import { definition } from '../schemas.ts'
import type { Schema } from '../types.ts'

const copied = [
  'nullable',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'required',
  'enum',
  'default',
  'format',
  'type',
] as const

/** A structural openAPIV3Schema (JSONSchemaProps) as a Schema. Throws TooDeep. */
export function fromOpenApi(source: any, depth = 0): Schema {
  if (depth > maxDepth) throw new TooDeep()
  const out: Schema = {}
  if (!isObject(source)) return { preserveUnknown: true }
  for (const key of copied) if (source[key] !== undefined && source[key] !== null) (out as any)[key] = source[key]
  if (source['x-kubernetes-int-or-string']) {
    out.format = 'int-or-string'
    delete out.type
  }
  if (source['x-kubernetes-preserve-unknown-fields']) out.preserveUnknown = true
  if (source['x-kubernetes-embedded-resource']) out.embedded = true
  if (source['x-kubernetes-list-type']) out.listType = source['x-kubernetes-list-type']
  if (source['x-kubernetes-list-map-keys']) out.listKeys = source['x-kubernetes-list-map-keys']
  if (source['x-kubernetes-map-type']) out.mapType = source['x-kubernetes-map-type']
  if (source['x-kubernetes-validations']) out.rules = source['x-kubernetes-validations']
  if (isObject(source.properties)) {
    out.properties = Object.create(null) as Record<string, Schema>
    for (const key of Object.keys(source.properties))
      out.properties[key] = fromOpenApi(source.properties[key], depth + 1)
  } else if (out.type === 'object' && !isObject(source.additionalProperties) && source.additionalProperties !== true)
    out.properties = Object.create(null) as Record<string, Schema>
  if (isObject(source.additionalProperties)) out.additional = fromOpenApi(source.additionalProperties, depth + 1)
  else if (source.additionalProperties === true) out.additional = true
  if (isObject(source.items)) out.items = fromOpenApi(source.items, depth + 1)
  for (const key of ['allOf', 'anyOf', 'oneOf'] as const)
    if (Array.isArray(source[key])) out[key] = source[key].map((part: any) => fromOpenApi(part, depth + 1))
  if (isObject(source.not)) out.not = fromOpenApi(source.not, depth + 1)
  if (out.embedded) addObjectFields(out)
  return out
}

/** Adds apiVersion, kind and metadata, which every whole object has whatever its schema says. */
export function addObjectFields(schema: Schema): void {
  schema.properties ??= Object.create(null) as Record<string, Schema>
  schema.properties.apiVersion = { type: 'string' }
  schema.properties.kind = { type: 'string' }
  schema.properties.metadata = definition('meta.v1.ObjectMeta')
}
