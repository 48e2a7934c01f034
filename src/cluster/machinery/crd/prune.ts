import { isObject } from '#lib'
import { copy, formatPath, maxDepth, put, TooDeep } from '../json.ts'
import type { Schema } from '../types.ts'

type Path = (string | number)[]

/**
 * A copy of the value with only what the schema names, defaults filled in. Paths of dropped fields go to `unknown`. A null
 * where the schema does not allow one counts as absent.
 */
export function pruneAndDefault(schema: Schema, value: any, unknown: string[], path: Path = []): any {
  if (path.length > maxDepth) throw new TooDeep()
  if (isObject(value)) return pruneObject(schema, value, unknown, path)
  if (Array.isArray(value)) {
    if (!schema.items)
      return schema.preserveUnknown || schema.type !== 'array' ? copy(value, path.length) : value.map(() => ({}))
    const at = path.length
    path.push(0)
    const out = value.map((item, i) => {
      path[at] = i
      return pruneAndDefault(schema.items!, item, unknown, path)
    })
    path.pop()
    return out
  }
  return value
}

function pruneObject(schema: Schema, value: Record<string, any>, unknown: string[], path: Path): Record<string, any> {
  const { properties, additional } = schema
  if (!properties && additional === undefined)
    return schema.preserveUnknown || schema.type !== 'object' ? copy(value, path.length) : {}
  const out: Record<string, any> = {}
  for (const key of Object.keys(value)) {
    const item = value[key]
    const property = properties?.[key] ?? additional
    if (property === undefined) {
      if (schema.preserveUnknown) put(out, key, copy(item, path.length))
      else if (item !== undefined) unknown.push(formatPath([...path, key]))
      continue
    }
    if (item === undefined || (item === null && property !== true && !property.nullable)) continue
    path.push(key)
    put(out, key, property === true ? copy(item, path.length) : pruneAndDefault(property, item, unknown, path))
    path.pop()
  }
  for (const key in properties) {
    const property = properties[key]
    if (property.default === undefined || property.name !== undefined || Object.hasOwn(out, key)) continue
    put(out, key, pruneAndDefault(property, copy(property.default), [], [...path, key]))
  }
  return out
}
