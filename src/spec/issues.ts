import type { z } from 'zod'
import { suggest } from '#lib'
import { allowedKeys } from './fields.ts'
import { describeType, formatPath } from './problems.ts'

type Issue = z.core.$ZodIssue

/** An issue in our words, with its path; `key` means that the key is wrong, not its value. */
export interface Translated {
  path: PropertyKey[]
  message: string
  hint?: string
  key?: boolean
}

/** Turns zod's issues into sentences that name the field, what it should be and what was probably meant. */
export function translate(
  issues: readonly Issue[],
  lookup: (path: PropertyKey[]) => unknown,
  base: PropertyKey[] = [],
): Translated[] {
  return issues.flatMap((issue) => one(issue, lookup, [...base, ...issue.path]))
}

function one(issue: Issue, lookup: (path: PropertyKey[]) => unknown, path: PropertyKey[]): Translated[] {
  const field = formatPath(path)
  const named = (message: string) => (field === '' ? message : `${field}: ${message}`)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const allowed = issue.message.slice(allowedKeys.length).split(',')
      return issue.keys.slice(0, 30).map((key) => {
        const meant = suggest(key.slice(0, 60), allowed)
        const hint = meant ? `did you mean ${meant}?` : `known here: ${allowed.join(', ')}`
        return { path: [...path, key], message: `unknown key ${formatPath([...path, key])}`, hint, key: true }
      })
    }
    case 'invalid_type':
      return [typeProblem([issue.expected], path, lookup, exampleOf(issue))]
    case 'invalid_key':
      return translate(issue.issues as Issue[], lookup, path).map((found) => ({ ...found, key: true }))
    case 'invalid_union': {
      const branches = issue.errors.filter((branch) => !branch.some((inner) => isShape(inner, lookup(path))))
      if (branches.length > 0) {
        const nearest = branches.reduce((best, branch) => (weight(branch) < weight(best) ? branch : best))
        return translate(nearest, lookup, path)
      }
      return [typeProblem(issue.errors.flatMap(expectations), path, lookup)]
    }
    case 'invalid_value': {
      const values = issue.values.map(String)
      const given = lookup(path)
      const meant = typeof given === 'string' ? suggest(given, values) : undefined
      const what = values.length === 1 ? `must be ${values[0]}` : `must be one of ${values.join(', ')}`
      return [{ path, message: named(what), ...(meant ? { hint: `did you mean ${meant}?` } : {}) }]
    }
    case 'too_small':
    case 'too_big': {
      const limit = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`
      if (issue.origin === 'array' && issue.code === 'too_small') return [{ path, message: named('must not be empty') }]
      const unit = issue.origin === 'array' ? ' items' : issue.origin === 'string' ? ' characters' : ''
      return [{ path, message: named(`must be ${limit}${unit}`) }]
    }
    case 'custom': {
      const hint = issue.params?.hint as string | undefined
      return [{ path, message: named(issue.message), ...(hint ? { hint } : {}) }]
    }
    default:
      return [{ path, message: named(issue.message) }]
  }
}

/** The value is of another type than this branch takes at all. */
function isShape(issue: Issue, value: unknown): boolean {
  if (issue.path.length > 0) return false
  if (issue.code === 'invalid_type') return true
  if (issue.code === 'invalid_value') return typeof value === 'object'
  return issue.code === 'invalid_union' && issue.errors.every((branch) => branch.some((inner) => isShape(inner, value)))
}

/** An unknown or a missing key weighs more than a wrong value: the branch whose keys fit is the one that was meant. */
function weight(branch: readonly Issue[]): number {
  return branch.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 10 * issue.keys.length : 1), 0)
}

function expectations(branch: readonly Issue[]): string[] {
  return branch.flatMap((issue) => {
    if (issue.code === 'invalid_type' && issue.path.length === 0) return [issue.expected]
    return issue.code === 'invalid_union' ? issue.errors.flatMap(expectations) : []
  })
}

const words: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
}

/** A field's own idea of how to write it, given as the schema's error. */
function exampleOf(issue: Issue): string | undefined {
  return issue.message.startsWith('write ') ? issue.message : undefined
}

function typeProblem(
  expected: string[],
  path: PropertyKey[],
  lookup: (path: PropertyKey[]) => unknown,
  example?: string,
): Translated {
  const value = lookup(path)
  const field = formatPath(path)
  const wanted = [...new Set(expected.map((type) => words[type] ?? type))]
  const list = wanted.length > 1 ? `${wanted.slice(0, -1).join(', ')} or ${wanted.at(-1)}` : wanted[0]
  if (value === undefined && path.length > 0)
    return { path: path.slice(0, -1), message: `${field} is missing`, key: true }
  if (value === null) {
    return { path, message: `${field} is empty`, hint: `give it ${list}, or remove the line`, key: true }
  }
  const given = typeof value === 'number' ? `the number ${value}` : describeType(value)
  const message = `${field === '' ? 'the file' : field} must be ${list}, not ${given}`
  const wantsText = typeof value !== 'object' && expected.includes('string')
  const hint = example ?? (wantsText ? `write it as text: "${value}"` : undefined)
  return { path, message, ...(hint === undefined ? {} : { hint }) }
}
