import { equal, isObject } from '#lib'
import { maxDepth, put, TooDeep } from '../json.ts'
import { PatchError, type ResourceInfo, type Schema } from '../types.ts'
import { checkType } from './check.ts'
import { cap, decode, encode, idOf, type Manager, type Managers, stamp, untracked } from './managers.ts'
import { apiVersionOf, emptyObject, ignore, ignoredFields, recordUpdate, settle, withEntries } from './ownership.ts'
import { difference, type FieldSet, intersection, isEmptySet, pathsOf, union, without, withParents } from './set.ts'
import { compare, fieldSet, merge, remove } from './typed.ts'

/** Fields that another manager owns with another value. */
export interface ApplyConflict {
  manager: string
  /** Only of managers that got the fields by an Update. */
  apiVersion?: string
  subresource?: string
  fields: string[]
}

/**
 * Server-side apply: lays `applied` over `live` (none: the object is created), takes away what this manager applied before
 * and has now left out (unless others own it), and records who owns what. Returns the new object before defaulting, or the
 * conflicts. Throws PatchError for what does not fit the type (500, as the API server does) and for managedFields in the
 * configuration (400). `now` is in milliseconds. Source: KEP-555, sigs.k8s.io/structured-merge-diff.
 */
export function applyServerSide(options: {
  info: ResourceInfo
  live?: Record<string, any>
  applied: Record<string, any>
  manager: string
  force?: boolean
  subresource?: string
  now: number
}): { object: Record<string, any>; conflicts?: undefined } | { conflicts: ApplyConflict[]; object?: undefined } {
  const { info, live, manager, force = false, subresource, now } = options
  const { schema } = info
  const applied = info.custom ? options.applied : withoutNulls(options.applied)
  if (applied.metadata?.managedFields?.length) throw new PatchError(400, 'metadata.managedFields must be nil')
  checkType(info, applied)
  const time = stamp(now)
  const base = live ? withEntries(live, []) : emptyObject(info)
  let managers: Managers = decode(live?.metadata?.managedFields) ?? new Map()
  if (managers.size === 0 && live)
    managers = recordUpdate(info, managers, emptyObject(info), base, { manager: 'before-first-apply' })

  const self: Manager = {
    manager,
    operation: 'Apply',
    apiVersion: apiVersionOf(info),
    ...(subresource && { subresource }),
    time,
    set: difference(without(fieldSet(schema, applied), ignoredFields(info, subresource)), untracked),
  }
  const id = idOf(self)
  const last = managers.get(id)
  managers.set(id, self)
  const merged = merge(schema, live ? base : {}, applied)
  // A map that pruning emptied is gone, but stays when the configuration has it, empty.
  const object = last ? merge(schema, prune(schema, merged, managers, last.set), applied) : merged
  const changes = ignore(compare(schema, base, object), ignoredFields(info, subresource))
  const conflicts = settle(managers, changes, id)
  if (conflicts.length > 0 && !force) return { conflicts: conflicts.sort(byId).map(describe) }
  // Whoever changes nothing of the object keeps its time, or has none.
  if (live && equal(base, object)) managers.set(id, { ...self, time: last?.time })
  return { object: withEntries(object, encode(cap(managers))) }
}

function byId(a: Manager, b: Manager): number {
  return idOf(a) < idOf(b) ? -1 : 1
}

function describe(entry: Manager): ApplyConflict {
  return {
    manager: entry.manager,
    ...(entry.operation === 'Update' && { apiVersion: entry.apiVersion }),
    ...(entry.subresource && { subresource: entry.subresource }),
    fields: pathsOf(entry.set),
  }
}

// What was applied before goes, except where any manager (this one included) still owns it, and except list items and fields
// that came from elsewhere below what is kept.
function prune(schema: Schema, merged: any, managers: Managers, last: FieldSet): any {
  if (isEmptySet(last)) return merged
  const lastNamed = withParents(last, schema)
  const pruned = remove(schema, merged, lastNamed) ?? {}
  let owned: FieldSet = { member: false }
  for (const entry of managers.values()) owned = union(owned, entry.set)
  const all = withParents(fieldSet(schema, merged), schema)
  const left = withParents(fieldSet(schema, pruned), schema)
  const withOwned = remove(schema, merged, difference(all, union(left, withParents(owned, schema)))) ?? {}
  const kept = withParents(fieldSet(schema, withOwned), schema)
  return remove(schema, merged, intersection(difference(all, kept), lastNamed)) ?? {}
}

function withoutNulls(value: any, depth = 0): any {
  if (depth > maxDepth) throw new TooDeep()
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, depth + 1))
  if (!isObject(value)) return value
  const out: Record<string, any> = {}
  for (const key of Object.keys(value)) if (value[key] !== null) put(out, key, withoutNulls(value[key], depth + 1))
  return out
}
