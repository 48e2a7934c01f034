import { equal, isObject, stableStringify } from '#lib'
import { duplicate, invalid, notSupported, required, shown, tooLong, tooMany, wrongType } from '../causes.ts'
import { maxDepth, TooDeep } from '../json.ts'
import type { Cause, Schema } from '../types.ts'
import { formats } from './formats.ts'
import { compilePattern, type Matcher, PatternError } from './regexp.ts'

const manyCauses = 100
const matchers = new Map<string, Matcher | undefined>()

/** The matcher of a pattern, compiled once; undefined when it is none, and then nothing is refused for it. */
function matcherOf(pattern: string): Matcher | undefined {
  if (!matchers.has(pattern)) {
    if (matchers.size > 1000) matchers.clear()
    let matcher: Matcher | undefined
    try {
      matcher = compilePattern(pattern)
    } catch (error) {
      if (!(error instanceof PatternError)) throw error
    }
    matchers.set(pattern, matcher)
  }
  return matchers.get(pattern)
}

/**
 * Validates a pruned and defaulted value against a structural schema. With `old`, a subtree that has not changed is not
 * refused (ratcheting, KEP-4008). At most a hundred causes.
 */
export function validateValue(schema: Schema, value: any, path: string, causes: Cause[], old?: any, depth = 0): void {
  if (depth > maxDepth) throw new TooDeep()
  if (causes.length >= manyCauses || (old !== undefined && equal(value, old))) return
  if (value === null) {
    if (!schema.nullable && (schema.type !== undefined || schema.format === 'int-or-string'))
      causes.push(wrongType(path, 'null', `${path} in body must be of type ${schema.type ?? 'integer,string'}: "null"`))
    return
  }
  if (!checkType(schema, value, path, causes)) return
  if (schema.enum && !schema.enum.some((item) => equal(item, value)))
    causes.push(notSupported(path, value, schema.enum))
  if (typeof value === 'string') validateString(schema, value, path, causes)
  else if (typeof value === 'number') validateNumber(schema, value, path, causes)
  else if (Array.isArray(value)) validateArray(schema, value, path, causes, old, depth)
  else if (isObject(value)) validateObject(schema, value, path, causes, old, depth)
  validateJunctors(schema, value, path, causes, depth)
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function checkType(schema: Schema, value: unknown, path: string, causes: Cause[]): boolean {
  const actual = typeOf(value)
  if (schema.format === 'int-or-string') {
    if (actual === 'integer' || actual === 'string') return true
    causes.push(wrongType(path, actual, `${path} in body must be of type integer,string: ${shown(actual)}`))
    return false
  }
  const { type } = schema
  if (type === undefined || type === actual || (type === 'number' && actual === 'integer')) return true
  causes.push(wrongType(path, actual, `${path} in body must be of type ${type}: ${shown(actual)}`))
  if (type === 'integer' && typeof value === 'number') {
    // A number is judged as one all the same.
    validateNumber(schema, value, path, causes)
    causes.push(invalid('<nil>', '', `Checked value must be of type integer (default format) in ${path}`))
  }
  return false
}

function validateString(schema: Schema, value: string, path: string, causes: Cause[]): void {
  const length = schema.maxLength === undefined && schema.minLength === undefined ? 0 : [...value].length
  if (schema.maxLength !== undefined && length > schema.maxLength) causes.push(tooLong(path, schema.maxLength))
  if (schema.minLength !== undefined && length < schema.minLength)
    causes.push(invalid(path, value, `${path} in body should be at least ${schema.minLength} chars long`))
  if (schema.pattern !== undefined && matcherOf(schema.pattern)?.test(value) === false)
    causes.push(invalid(path, value, `${path} in body should match '${schema.pattern}'`))
  if (schema.format !== undefined && Object.hasOwn(formats, schema.format) && !formats[schema.format](value))
    causes.push(wrongType(path, value, `${path} in body must be of type ${schema.format}: ${shown(value)}`))
}

function validateNumber(schema: Schema, value: number, path: string, causes: Cause[]): void {
  const { minimum, maximum, multipleOf } = schema
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum))
    causes.push(
      invalid(
        path,
        value,
        `${path} in body should be less than ${schema.exclusiveMaximum ? '' : 'or equal to '}${maximum}`,
      ),
    )
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum))
    causes.push(
      invalid(
        path,
        value,
        `${path} in body should be greater than ${schema.exclusiveMinimum ? '' : 'or equal to '}${minimum}`,
      ),
    )
  if (multipleOf && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9)
    causes.push(invalid(path, value, `${path} in body should be a multiple of ${multipleOf}`))
  const limit = schema.format === 'int32' ? 2 ** 31 : schema.format === 'int64' ? 2 ** 63 : undefined
  if (limit !== undefined && (value >= limit || value < -limit))
    causes.push(invalid(path, value, `${path} in body must be of type ${schema.format}: ${shown(value)}`))
}

function validateArray(schema: Schema, value: any[], path: string, causes: Cause[], old: any, depth: number): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    causes.push(tooMany(path, value.length, schema.maxItems))
  if (schema.minItems !== undefined && value.length < schema.minItems)
    causes.push(invalid(path, value.length, `${path} in body should have at least ${schema.minItems} items`))
  const keyOf = itemKey(schema)
  const before = keyOf && Array.isArray(old) ? new Map(old.map((item) => [keyOf(item), item])) : undefined
  const seen = new Set<string>()
  for (let i = 0; i < value.length; i++) {
    const at = `${path}[${i}]`
    const key = keyOf?.(value[i])
    if (key !== undefined) {
      if (seen.has(key)) causes.push(duplicate(at, schema.listType === 'map' ? JSON.parse(key) : value[i]))
      seen.add(key)
    }
    if (schema.items)
      validateValue(schema.items, value[i], at, causes, key === undefined ? old?.[i] : before?.get(key), depth + 1)
    if (causes.length >= manyCauses) return
  }
}

function itemKey(schema: Schema): ((item: any) => string) | undefined {
  if (schema.listType === 'set' || schema.uniqueItems) return (item) => stableStringify(item)
  if (schema.listType !== 'map' || !schema.listKeys) return undefined
  const keys = schema.listKeys
  return (item) =>
    stableStringify(Object.fromEntries(keys.map((name) => [name, isObject(item) ? item[name] : undefined])))
}

function validateObject(
  schema: Schema,
  value: Record<string, any>,
  path: string,
  causes: Cause[],
  old: any,
  depth: number,
): void {
  const prefix = path === '' ? '' : `${path}.`
  for (const name of schema.required ?? []) if (value[name] === undefined) causes.push(required(`${prefix}${name}`))
  const count = Object.keys(value).length
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    causes.push(tooMany(path, count, schema.maxProperties))
  if (schema.minProperties !== undefined && count < schema.minProperties)
    causes.push(invalid(path, count, `${path} in body should have at least ${schema.minProperties} properties`))
  if (schema.embedded)
    for (const field of ['apiVersion', 'kind']) if (!value[field]) causes.push(required(`${prefix}${field}`))
  for (const key of Object.keys(value)) {
    const property = schema.properties?.[key] ?? schema.additional
    if (property === undefined || property === true || property.name !== undefined) continue
    const before = isObject(old) && Object.hasOwn(old, key) ? old[key] : undefined
    validateValue(property, value[key], prefix + key, causes, before, depth + 1)
  }
}

function validateJunctors(schema: Schema, value: any, path: string, causes: Cause[], depth: number): void {
  const problems = (part: Schema) => {
    const found: Cause[] = []
    validateValue(part, value, path, found, undefined, depth + 1)
    return found
  }
  const passes = (part: Schema) => problems(part).length === 0
  // Of alternatives that all fail, the one that came nearest tells why.
  const nearest = (parts: readonly Schema[]) =>
    parts.map(problems).reduce((best, found) => (found.length < best.length ? found : best))
  const quoted = JSON.stringify(path)
  if (schema.allOf) for (const part of schema.allOf) validateValue(part, value, path, causes, undefined, depth + 1)
  if (schema.anyOf?.length && !schema.anyOf.some(passes))
    causes.push(...nearest(schema.anyOf), invalid('<nil>', '', `${quoted} must validate at least one schema (anyOf)`))
  if (schema.oneOf) {
    const matched = schema.oneOf.filter(passes).length
    if (matched !== 1)
      causes.push(
        invalid(
          '<nil>',
          '',
          `${quoted} must validate one and only one schema (oneOf). Found ${matched === 0 ? 'none valid' : `${matched} valid alternatives`}`,
        ),
      )
    if (matched === 0 && schema.oneOf.length > 0) causes.push(...nearest(schema.oneOf))
  }
  if (schema.not && passes(schema.not))
    causes.push(invalid('<nil>', '', `${quoted} must not validate the schema (not)`))
}
