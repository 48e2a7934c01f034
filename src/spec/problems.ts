import type { JsonObject } from '#lib'

/** One thing that is wrong (or doubtful) in what a developer wrote. */
export interface Problem {
  /** Lower case, names the field and what it should be. */
  message: string
  /** Dotted path of the field, e.g. `scale.web`; empty for the whole document. */
  path: string
  /** File name as it was given; empty when the value did not come from a file. */
  file: string
  /** 1-based; 0 when the value did not come from a file. */
  line: number
  column: number
  /** What to do, or what was probably meant. */
  hint?: string
}

/** `cuddle.yaml:3:9: scale.web: … (hint)`: the form editors and terminals turn into a link. */
export function formatProblem(problem: Problem): string {
  const place = problem.file === '' ? '' : `${problem.file}:${problem.line}:${problem.column}: `
  return `${place}${problem.message}${problem.hint ? ` (${problem.hint})` : ''}`
}

/** What a check of one value finds; where it is comes from the reader. */
export interface Finding {
  message: string
  hint?: string
}

/** The kind of a JSON value in words a developer uses. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'number':
      return 'a number'
    case 'boolean':
      return String(value)
    default:
      return 'a map'
  }
}

/** The value at a path, or undefined; reads own properties only. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as JsonObject)[step as string]
  }
  return value
}

/** `processes.web.size`, `patches[0].target`: a path as a developer would say it. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${String(step)}`
  return text
}
