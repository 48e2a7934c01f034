import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { equal, isObject } from '#lib'
import { shown } from '../causes.ts'
import type { Cause, Schema, ValidationRule } from '../types.ts'
import { compilePattern } from './regexp.ts'

type Program = (context: Record<string, unknown>) => unknown

const ruled = new WeakMap<Schema, boolean>()

/** Whether the schema has CEL rules anywhere. */
export function hasRules(schema: Schema): boolean {
  const known = ruled.get(schema)
  if (known !== undefined) return known
  ruled.set(schema, false)
  const parts = [...Object.values(schema.properties ?? {}), schema.items, schema.additional]
  const found =
    Boolean(schema.rules?.length) ||
    parts.some((part) => part && part !== true && part.name === undefined && hasRules(part))
  ruled.set(schema, found)
  return found
}

let environment: any
const programs = new Map<string, Program | Error>()

// The CEL library is only loaded when a definition has rules; require() keeps that synchronous.
function env(): any {
  if (!environment) {
    // find and findAll stay with RegExp: this takes it out of most patterns that would not end.
    setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
    const { Environment } = createRequire(import.meta.url)('@marcbachmann/cel-js')
    environment = new Environment({
      unlistedVariablesAreDyn: true,
      enableOptionalTypes: true,
      homogeneousAggregateLiterals: false,
    })
    extend(environment)
  }
  return environment
}

const ascending = (a: any, b: any) => (a < b ? -1 : a > b ? 1 : 0)

function extend(target: any): void {
  const define = (signature: string, handler: (...args: any[]) => unknown) => {
    try {
      target.registerFunction(signature, handler)
    } catch {
      // The library has it already.
    }
  }
  define('list.sum(): dyn', (list: any[]) => list.reduce((a, b) => a + b, 0n))
  define('list.min(): dyn', (list: any[]) => list.toSorted(ascending)[0])
  define('list.max(): dyn', (list: any[]) => list.toSorted(ascending).at(-1))
  define('list.isSorted(): bool', (list: any[]) => list.every((item, i) => i === 0 || list[i - 1] <= item))
  define('list.indexOf(dyn): int', (list: any[], item: any) => BigInt(list.findIndex((other) => equal(other, item))))
  define('list.lastIndexOf(dyn): int', (list: any[], item: any) =>
    BigInt(list.findLastIndex((other) => equal(other, item))),
  )
  define('string.find(string): string', (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? '')
  define('string.findAll(string): list', (text: string, pattern: string) => text.match(new RegExp(pattern, 'g')) ?? [])
  define('string.matchesLinearly(string): bool', (text: string, pattern: string) => compilePattern(pattern).test(text))
  define('isURL(string): bool', (text: string) => URL.canParse(text))
}

/** A call of matches(), or a literal that may look like one: the library's own would backtrack. */
const matchesCall = /("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\.\s*matches\s*\(/g

/** Compiles a rule; what is wrong with it comes back as an Error. */
export function compileRule(rule: string): Program | Error {
  let program = programs.get(rule)
  if (program === undefined) {
    try {
      program = env().parse(
        rule.replace(matchesCall, (text, literal) => literal ?? text.replace('matches', 'matchesLinearly')),
      ) as Program
    } catch (error) {
      program = error instanceof Error ? error : new Error(String(error))
    }
    if (programs.size > 2000) programs.clear()
    programs.set(rule, program)
  }
  return program
}

// CEL's int is 64 bits wide: BigInt to the library. By the schema, so that a double stays one.
function toCel(schema: Schema | undefined, value: any): any {
  if (typeof value === 'number') return schema?.type === 'number' || !Number.isInteger(value) ? value : BigInt(value)
  if (Array.isArray(value)) return value.map((item) => toCel(schema?.items, item))
  if (!isObject(value)) return value
  const out: Record<string, any> = Object.create(null)
  for (const key of Object.keys(value)) {
    const additional = schema?.additional === true ? undefined : schema?.additional
    out[escapeName(key, schema)] = toCel(schema?.properties?.[key] ?? additional, value[key])
  }
  return { ...out }
}

const reserved = new Set([
  'true',
  'false',
  'null',
  'in',
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'function',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'namespace',
  'return',
  'var',
  'void',
  'while',
])

// Property names that are no CEL identifiers are escaped (KEP-2876); keys of maps are data and stay.
function escapeName(name: string, schema: Schema | undefined): string {
  if (!schema?.properties?.[name]) return name
  if (reserved.has(name)) return `__${name}__`
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__')
}

/** Runs every rule of the schema on a valid object. Transition rules (oldSelf) only run where there was a value before. */
export function validateRules(schema: Schema, object: any, old: any): Cause[] {
  const causes: Cause[] = []
  walk(schema, object, old, '', causes)
  return causes
}

function walk(schema: Schema, value: any, old: any, path: string, causes: Cause[]): void {
  if (value === undefined || value === null || !hasRules(schema)) return
  for (const rule of schema.rules ?? []) {
    const cause = run(schema, rule, value, old, path)
    if (cause) causes.push(cause)
  }
  if (Array.isArray(value) && schema.items) {
    const keys = schema.listType === 'map' ? schema.listKeys : undefined
    for (const [i, item] of value.entries()) {
      // Only items of keyed lists can be told to be the same as before.
      const before =
        keys && Array.isArray(old) ? old.find((other) => keys.every((key) => other?.[key] === item?.[key])) : undefined
      walk(schema.items, item, before, `${path}[${i}]`, causes)
    }
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      const property = schema.properties?.[key]
      const part = property ?? (schema.additional === true ? undefined : schema.additional)
      if (!part || part.name !== undefined) continue
      const at = property ? (path === '' ? key : `${path}.${key}`) : `${path}[${key}]`
      walk(part, value[key], isObject(old) && Object.hasOwn(old, key) ? old[key] : undefined, at, causes)
    }
  }
}

function run(schema: Schema, rule: ValidationRule, value: any, old: any, path: string): Cause | undefined {
  const transition = /\boldSelf\b/.test(rule.rule)
  if (transition && old === undefined && !rule.optionalOldSelf) return undefined
  if (!transition && old !== undefined && equal(value, old)) return undefined
  const program = compileRule(rule.rule)
  const fail = (detail: string): Cause => ({
    reason: (rule.reason as Cause['reason']) ?? 'FieldValueInvalid',
    message: messageOf(rule, schema, detail, value),
    field: (rule.fieldPath ? `${path}${rule.fieldPath}`.replace(/^\./, '') : path) || '<nil>',
  })
  if (program instanceof Error) return fail(`rule compile error: ${program.message.split('\n')[0]}`)
  const context = { self: toCel(schema, value), oldSelf: old === undefined ? undefined : toCel(schema, old) }
  try {
    if (program(context) === true) return undefined
  } catch (error) {
    return fail(`rule evaluation error: ${(error as Error).message.split('\n')[0]}`)
  }
  return fail(explain(rule, context))
}

function explain(rule: ValidationRule, context: Record<string, unknown>): string {
  if (rule.messageExpression) {
    const program = compileRule(rule.messageExpression)
    try {
      const text = program instanceof Error ? undefined : program(context)
      if (typeof text === 'string' && text.trim() !== '') return text
    } catch {
      // The message falls back to the static one, as in Kubernetes.
    }
  }
  return rule.message ?? `failed rule: ${rule.rule.trim()}`
}

function messageOf(rule: ValidationRule, schema: Schema, detail: string, value: unknown): string {
  if (rule.reason === 'FieldValueForbidden') return `Forbidden: ${detail}`
  if (rule.reason === 'FieldValueRequired') return `Required value: ${detail}`
  if (rule.reason === 'FieldValueDuplicate') return `Duplicate value: "${schema.type}"`
  // Scalars are shown, what is larger is not.
  const scalar = value === null || typeof value !== 'object'
  return scalar ? `Invalid value: ${shown(value)}: ${detail}` : `Invalid value: ${detail}`
}
