import { isObject } from '#lib'
import { goSource, goText, goType } from '../go-text.ts'
import { maxDepth, TooDeep } from '../json.ts'
import { PatchError, type ResourceInfo, type Schema } from '../types.ts'
import { pathsOf } from './set.ts'
import { itemStep } from './typed.ts'

/**
 * Whether a configuration fits the schema: declared fields, kinds of values, list keys that are there and unique.
 * Throws PatchError 500 with the API server's text.
 */
export function checkType(info: ResourceInfo, applied: Record<string, any>): void {
  const errors: string[] = []
  check(info.schema, applied, '', errors, 0)
  if (errors.length === 0) return
  // The namespace of the address is not of the configuration.
  const where = `/${applied.metadata?.name ?? ''}; ${info.group}/${info.version}, Kind=${info.kind}`
  const text = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`
  throw new PatchError(500, `failed to create typed patch object (${where}): ${text}`)
}

function check(schema: Schema, value: any, path: string, errors: string[], depth: number): void {
  if (depth > maxDepth) throw new TooDeep()
  if (value === null || errors.length > 20) return
  if (schema.properties || schema.additional !== undefined) {
    if (!isObject(value)) {
      errors.push(`${path}: expected map, got ${got(value)}`)
      return
    }
    for (const key of Object.keys(value)) {
      const property = schema.properties?.[key] ?? schema.additional
      if (property === undefined) {
        if (!schema.preserveUnknown) errors.push(`${path}.${key}: field not declared in schema`)
      } else if (property !== true) check(property, value[key], `${path}.${key}`, errors, depth + 1)
    }
  } else if (schema.items) checkList(schema, value, path, errors, depth)
  else if (schema.type === 'string' && typeof value !== 'string')
    errors.push(`${path}: expected string, got ${gotSource(value)}`)
  else if (schema.type === 'boolean' && typeof value !== 'boolean')
    errors.push(`${path}: expected boolean, got ${got(value)}`)
  else if ((schema.type === 'integer' || schema.type === 'number') && typeof value !== 'number')
    errors.push(`${path}: expected numeric (int or float), got ${goType(value)}`)
}

function checkList(schema: Schema, value: any, path: string, errors: string[], depth: number): void {
  if (!Array.isArray(value)) {
    errors.push(`${path}: expected list, got ${got(value)}`)
    return
  }
  const keyed = schema.listType === 'map' || schema.listType === 'set'
  const seen = new Set<string>()
  for (const [i, item] of value.entries()) {
    const before = errors.length
    if (keyed) {
      let step: string
      try {
        step = itemStep(schema, item, () => `${path}: element ${i}`)
      } catch (error) {
        errors.push((error as Error).message)
        continue
      }
      if (seen.has(step)) {
        const text = pathsOf({ member: false, children: new Map([[step, { member: true }]]) })[0]
        errors.push(`${path}: duplicate entries for key ${text}`)
      }
      seen.add(step)
      check(
        schema.items!,
        item,
        `${path}${pathsOf({ member: false, children: new Map([[step, { member: true }]]) })[0]}`,
        errors,
        depth + 1,
      )
    } else check(schema.items!, item, `${path}[${i}]`, errors, depth + 1)
    if (errors.length > before + 5) return
  }
}

/** A value as structured-merge-diff prints its wrapper around it. */
function got(value: unknown): string {
  return `&{${goText(value)}}`
}

/** The same of a value where a string was expected, which is printed as Go writes it. */
function gotSource(value: unknown): string {
  return `&value.valueUnstructured{Value:${goSource(value)}}`
}
