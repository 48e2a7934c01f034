import { equal, isObject, stableStringify } from '#lib'
import { maxDepth, put, TooDeep } from '../json.ts'
import { PatchError, type Schema } from '../types.ts'
import { type FieldSet, insert } from './set.ts'

/** How structured merge sees a value: by its schema, or deduced from the value where there is none. */
type Kind = 'leaf' | 'map' | 'list'

function kindOf(schema: Schema | undefined, value: unknown): Kind {
  if (schema && !schema.preserveUnknown) {
    if (schema.properties || schema.additional !== undefined) return schema.mapType === 'atomic' ? 'leaf' : 'map'
    if (schema.items || schema.type === 'array')
      return schema.listType === 'map' || schema.listType === 'set' ? 'list' : 'leaf'
    if (schema.type !== undefined && schema.type !== 'object') return 'leaf'
    if (schema.format !== undefined) return 'leaf'
  } else if (schema?.properties) return schema.mapType === 'atomic' ? 'leaf' : 'map'
  return isObject(value) && schema?.mapType !== 'atomic' ? 'map' : 'leaf'
}

function fieldSchema(schema: Schema | undefined, key: string): Schema | undefined {
  return schema?.properties?.[key] ?? (schema?.additional === true ? undefined : schema?.additional)
}

/**
 * The step of a list's item: its keys (defaults filled in, names sorted) or its value.
 * Throws PatchError when a key is missing.
 */
export function itemStep(list: Schema, item: any, path: () => string): string {
  if (list.listType === 'set') return `v:${stableStringify(item)}`
  if (!isObject(item)) throw new PatchError(500, `${path()}: associative list with keys may not have non-map elements`)
  const key: Record<string, unknown> = {}
  for (const name of [...list.listKeys!].sort()) {
    const value = (Object.hasOwn(item, name) ? item[name] : undefined) ?? list.items?.properties?.[name]?.default
    if (value === undefined || value === null)
      throw new PatchError(
        500,
        `${path()}: associative list with keys has an element that omits key field ${JSON.stringify(name)} (and doesn't have default value)`,
      )
    key[name] = value
  }
  return `k:${JSON.stringify(key)}`
}

const noPath = () => ''

function indexItems(list: Schema, items: any[]): Map<string, any> {
  const index = new Map<string, any>()
  for (const item of items) {
    const step = itemStep(list, item, noPath)
    // Equal keys twice can only be stored by old data: the group is then compared and owned as one.
    index.set(step, index.has(step) ? new Duplicates(index.get(step), item) : item)
  }
  return index
}

class Duplicates {
  readonly items: any[]
  constructor(before: any, item: any) {
    this.items = before instanceof Duplicates ? [...before.items, item] : [before, item]
  }
}

/** The paths that a value sets: what an applier owns. */
export function fieldSet(schema: Schema, value: any): FieldSet {
  const set: FieldSet = { member: false }
  collect(schema, value, set, [])
  return set
}

function collect(schema: Schema | undefined, value: any, set: FieldSet, path: string[]): void {
  if (path.length > maxDepth) throw new TooDeep()
  const kind = kindOf(schema, value)
  if (kind === 'leaf' && value !== null) insert(set, path)
  else if (kind === 'map' && isObject(value)) {
    for (const key of Object.keys(value)) {
      const item = value[key]
      path.push(`f:${key}`)
      collect(fieldSchema(schema, key), item, set, path)
      if (item === null || (isObject(item) && isEmptyObject(item)) || !schema?.properties?.[key]) insert(set, path)
      path.pop()
    }
  } else if (kind === 'list' && Array.isArray(value)) {
    for (const [step, item] of indexItems(schema!, value)) {
      path.push(step)
      if (!(item instanceof Duplicates)) collect(schema!.items, item, set, path)
      insert(set, path)
      path.pop()
    }
  }
}

function isEmptyObject(value: object): boolean {
  for (const _ in value) return false
  return true
}

/** What differs between two values of one type. */
export interface Comparison {
  added: FieldSet
  removed: FieldSet
  modified: FieldSet
}

export function compare(schema: Schema, before: any, after: any): Comparison {
  const out: Comparison = { added: { member: false }, removed: { member: false }, modified: { member: false } }
  walk(schema, before, after, out, [])
  return out
}

function walk(schema: Schema | undefined, before: any, after: any, out: Comparison, path: string[]): void {
  if (before === after) return
  if (path.length > maxDepth) throw new TooDeep()
  const kind = kindOf(schema, after ?? before)
  const other = after === undefined || before === undefined ? kind : kindOf(schema, before ?? after)
  const duplicates = before instanceof Duplicates || after instanceof Duplicates
  if (kind === 'leaf' || other !== kind || duplicates || (isBare(before) && isBare(after))) {
    if (before === undefined) insert(out.added, path)
    else if (after === undefined) insert(out.removed, path)
    else if (!equal(before, after)) insert(out.modified, path)
    return
  }
  if (kind === 'map') {
    const left = isObject(before) ? before : undefined
    const right = isObject(after) ? after : undefined
    for (const key in left) descend(fieldSchema(schema, key), left[key], ownValue(right, key), out, path, `f:${key}`)
    for (const key in right)
      if (ownValue(left, key) === undefined)
        descend(fieldSchema(schema, key), undefined, right[key], out, path, `f:${key}`)
  } else {
    const left = indexItems(schema!, Array.isArray(before) ? before : [])
    const right = indexItems(schema!, Array.isArray(after) ? after : [])
    for (const [step, item] of left) descend(schema!.items, item, right.get(step), out, path, step)
    for (const [step, item] of right) if (!left.has(step)) descend(schema!.items, undefined, item, out, path, step)
  }
  if (before === undefined) insert(out.added, path)
  else if (after === undefined) insert(out.removed, path)
}

function descend(schema: Schema | undefined, a: any, b: any, out: Comparison, path: string[], step: string): void {
  if (a === b) return
  path.push(step)
  walk(schema, a, b, out, path)
  path.pop()
}

function ownValue(target: any, key: string): any {
  return target !== undefined && Object.hasOwn(target, key) ? target[key] : undefined
}

// Absent, null or empty.
function isBare(value: any): boolean {
  if (value === undefined || value === null) return true
  if (value instanceof Duplicates) return false
  return Array.isArray(value) ? value.length === 0 : typeof value === 'object' && isEmptyObject(value)
}

/** Lays a configuration over the live value: its leaves win, the items of its keyed lists and sets are merged in. */
export function merge(schema: Schema | undefined, live: any, config: any, depth = 0): any {
  if (depth > maxDepth) throw new TooDeep()
  if (config === undefined) return live
  if (live === undefined || live === null) return config
  const kind = kindOf(schema, config)
  if (kind === 'leaf' || kind !== kindOf(schema, live)) return config
  if (kind === 'list')
    return Array.isArray(config) && Array.isArray(live) ? mergeItems(schema!, live, config, depth) : config
  if (!isObject(config)) return live
  const out: Record<string, any> = {}
  for (const key in live) put(out, key, merge(fieldSchema(schema, key), live[key], ownValue(config, key), depth + 1))
  for (const key in config) if (ownValue(live, key) === undefined) put(out, key, config[key])
  return out
}

// The configuration gives the order of its items; items that only the live list has keep their place after the item before them.
function mergeItems(schema: Schema, live: any[], config: any[], depth: number): any[] {
  const wanted = indexItems(schema, config)
  const present = indexItems(schema, live)
  const shared = [...wanted.keys()].filter((step) => present.has(step))
  const merged = (step: string) => {
    const item = wanted.get(step)
    if (item instanceof Duplicates) return item.items
    const old = present.get(step)
    return [merge(schema.items, old instanceof Duplicates ? undefined : old, item, depth + 1)]
  }
  const out: any[] = []
  const done = new Set<string>()
  const queue = [...wanted.keys()]
  let next = 0
  // Emits the wanted items up to and including `until`.
  const emit = (until: string) => {
    while (next < queue.length) {
      const step = queue[next++]
      if (!done.has(step)) {
        done.add(step)
        out.push(...merged(step))
      }
      if (step === until) return
    }
  }
  let at = 0
  for (const item of live) {
    const step = itemStep(schema, item, noPath)
    if (!wanted.has(step)) out.push(item)
    else if (step === shared[at]) emit(shared[at++])
  }
  emit('')
  return out
}

/** The value without the paths of the set; a map or list that loses its last entry goes with it. */
export function remove(schema: Schema | undefined, value: any, set: FieldSet): any {
  if (!set.children) return value
  const kind = kindOf(schema, value)
  if (kind === 'map' && isObject(value)) {
    const out: Record<string, any> = {}
    let left = 0
    let had = 0
    for (const key in value) {
      had++
      const child = set.children.get(`f:${key}`)
      if (child?.member) continue
      const item = child ? remove(fieldSchema(schema, key), value[key], child) : value[key]
      if (item === undefined) continue
      put(out, key, item)
      left++
    }
    return left === 0 && had > 0 ? undefined : out
  }
  if (kind === 'list' && Array.isArray(value)) {
    const out: any[] = []
    for (const item of value) {
      const child = set.children.get(itemStep(schema!, item, noPath))
      if (child?.member) continue
      const rest = child ? remove(schema!.items, item, child) : item
      if (rest !== undefined) out.push(rest)
    }
    return out.length === 0 && value.length > 0 ? undefined : out
  }
  return value
}
