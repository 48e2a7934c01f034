import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import type { z } from 'zod'
import { isObject } from '#lib'
import { translate } from './issues.ts'
import { formatPath, type Problem, valueAt } from './problems.ts'

/** Longest file that is read. Specs are a screenful; what is longer is a mistake or an attack. */
const maxLength = 128 * 1024
const maxDepth = 40
/** Most problems that are told at once. */
const maxProblems = 100

/** A file after reading: its value where the schema took it, and where each field stands. */
export interface ReadFile<T> {
  file: string
  /** Plain JSON as it was written; `{}` for an empty file. */
  raw: unknown
  /** Set only when there is no problem. */
  value?: T
  problems: Problem[]
  /** Makes a problem at a path; `key` points at the key instead of its value. */
  problem(path: readonly PropertyKey[], message: string, options?: { hint?: string; key?: boolean }): Problem
}

/** Reads YAML (or JSON) against a schema and finds all problems at once, each with its line and column. Never throws. */
export function readDocument<S extends z.ZodType>(text: string, file: string, schema: S): ReadFile<z.output<S>> {
  const lines = new LineCounter()
  const at = (offset: number) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const failed = (offset: number, message: string): ReadFile<z.output<S>> => ({
    file,
    raw: {},
    problems: [{ message, path: '', ...at(offset) }],
    problem: (path, problem, options) => ({ message: problem, path: formatPath(path), ...at(0), ...options }),
  })
  if (text.length > maxLength) return failed(0, `file is longer than ${maxLength / 1024} KiB`)
  const deep = tooDeep(text)
  if (deep !== undefined) return failed(deep, `nested deeper than ${maxDepth} levels`)

  let document: Document.Parsed
  let raw: unknown
  const problems: Problem[] = []
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      resolveKnownTags: false,
    })
    keepText(document)
    if (document.errors.length > 0) {
      const errors = document.errors.slice(0, maxProblems)
      return {
        ...failed(0, ''),
        problems: errors.map((error) => ({ message: syntaxMessage(error), path: '', ...at(error.pos[0]) })),
      }
    }
    problems.push(...foreign(document, at))
    if (problems.length > 0 && problems.some(({ path }) => path === '')) return { ...failed(0, ''), problems }
    raw = document.toJS({ maxAliasCount: 50 }) ?? {}
  } catch (error) {
    const message = error instanceof RangeError ? 'nested too deeply' : String((error as Error).message)
    return failed(0, /alias/i.test(message) ? 'aliases (*name) are repeated too often' : `cannot be read: ${message}`)
  }

  const problem: ReadFile<unknown>['problem'] = (path, message, options = {}) => ({
    message,
    path: formatPath(path),
    ...at(offsetOf(document, path, options.key ?? false)),
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  })
  const result = schema.safeParse(raw)
  if (!result.success) {
    const found = translate(result.error.issues, (path) => valueAt(raw, path))
    for (const one of found.slice(0, maxProblems)) {
      problems.push(problem(one.path, one.message, one))
    }
  }
  return { file, raw, problems, problem, ...(result.success && problems.length === 0 ? { value: result.data } : {}) }
}

/** Sorted by place, equal ones once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const seen = new Map(
    problems.map((problem) => [`${problem.file}:${problem.line}:${problem.column}:${problem.message}`, problem]),
  )
  return [...seen.values()].sort((a, b) => a.line - b.line || a.column - b.column)
}

/** What YAML allows and a spec does not: keys twice, keys that are no text, tags, older YAML. */
function foreign(
  document: Document.Parsed,
  at: (offset: number) => Pick<Problem, 'file' | 'line' | 'column'>,
): Problem[] {
  const problems: Problem[] = []
  const add = (node: { range?: readonly number[] | null }, message: string, path = '') => {
    if (problems.length < maxProblems) problems.push({ message, path, ...at(node.range?.[0] ?? 0) })
  }
  const { explicit, version } = document.directives.yaml
  if (explicit && version !== '1.2') add({}, `YAML ${version} is not read; remove the %YAML line`)
  visit(document, {
    Node(_, node) {
      if ('tag' in node && node.tag !== undefined) add(node, `tag ${String(node.tag).slice(0, 60)} is not read`)
    },
    Map(_, map) {
      const seen = new Set<string>()
      for (const { key } of map.items) {
        if (!isScalar(key)) {
          add(key as Node, 'a key must be text')
          continue
        }
        const name = String(key.value)
        if (name === '__proto__') add(key, 'key __proto__ is not allowed', name)
        else if (seen.has(name)) add(key, `key ${name.slice(0, 60)} appears twice`, name)
        seen.add(name)
      }
    },
  })
  return problems
}

/** Offset of the first bracket or indentation that is nested too deeply; parsers recurse, so this is looked at before. */
function tooDeep(text: string): number | undefined {
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (char === '[' || char === '{') depth++
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1)
    if (depth > maxDepth) return index
  }
  const match = /^ {200}|(?:^|\n) *(?:[-?] ){40}/m.exec(text)
  return match ? match.index : undefined
}

/** In maps named env, `0123`, `1e3` and `1.10` are text: a variable holds what was written, not a number's idea of it. */
function keepText(document: Document.Parsed): void {
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key) || pair.key.value !== 'env' || !isMap(pair.value)) return
      for (const item of pair.value.items) {
        const inner = isMap(item.value)
          ? item.value.items.find((entry) => isScalar(entry.key) && entry.key.value === 'value')?.value
          : item.value
        if (isScalar(inner) && typeof inner.value === 'number' && inner.source !== undefined) inner.value = inner.source
      }
    },
  })
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], key: boolean): number {
  let node: unknown = document.contents
  let offset = document.contents?.range?.[0] ?? 0
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && String(isScalar(item.key) ? item.key.value : item.key) === String(step),
      )
      if (!pair) return offset
      const keyOffset = (pair.key as Node).range?.[0] ?? offset
      const last = index === path.length - 1
      const value = pair.value as Node | null
      const empty = value === null || (isScalar(value) && value.value === null)
      offset = (last && key) || empty ? keyOffset : (value.range?.[0] ?? keyOffset)
      node = value
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    } else return offset
  }
  return offset
}

function syntaxMessage(error: { message: string }): string {
  const [first] = error.message.split('\n')
  return first.charAt(0).toLowerCase() + first.slice(1)
}

/** The keys of a map, whatever else it may be. */
export function keysOf(value: unknown): string[] {
  return isObject(value) ? Object.keys(value) : []
}
