import type { ResourceInfo, Schema } from '../types.ts'
import { cap, decode, encode, idOf, isReset, type Manager, type Managers, stamp, untracked } from './managers.ts'
import { difference, type FieldSet, insert, intersection, isEmptySet, union, without } from './set.ts'
import { type Comparison, compare } from './typed.ts'

const status: FieldSet = { member: false }
insert(status, ['f:status'])
const spec: FieldSet = { member: false }
insert(spec, ['f:spec'])
const nothing: FieldSet = { member: false }

/** The fields that a write through this endpoint cannot set, so nobody owns them by it. */
export function ignoredFields(info: ResourceInfo, subresource: string | undefined): FieldSet {
  if (subresource === 'status') return spec
  return info.subresources.status && !subresource ? status : nothing
}

export function apiVersionOf(info: ResourceInfo): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`
}

/**
 * Takes from every other manager what a write has changed or removed.
 * Returns the conflicts that a write without force would have had (the owners as they were, with what they would lose).
 */
export function settle(managers: Managers, changes: Comparison, except: string | undefined): Manager[] {
  const conflicts: Manager[] = []
  const changed = union(changes.modified, changes.added)
  for (const [id, entry] of managers) {
    if (id === except) continue
    const lost = intersection(entry.set, changed)
    if (!isEmptySet(lost)) conflicts.push({ ...entry, set: lost })
    const set = difference(difference(entry.set, lost), changes.removed)
    if (isEmptySet(set)) managers.delete(id)
    else managers.set(id, { ...entry, set })
  }
  return conflicts
}

export function ignore(changes: Comparison, ignored: FieldSet): Comparison {
  if (isEmptySet(ignored)) return changes
  return {
    added: without(changes.added, ignored),
    modified: without(changes.modified, ignored),
    removed: without(changes.removed, ignored),
  }
}

const empties = new WeakMap<Schema, Record<string, any>>()

/**
 * What an object of the kind looks like before anything is in it. A Go struct is never absent, so `spec` itself is not
 * gained by creating; a list without omitempty is null.
 */
export function emptyObject(info: ResourceInfo): Record<string, any> {
  if (info.custom) return {}
  let empty = empties.get(info.schema)
  if (!empty) empties.set(info.schema, (empty = emptyStruct(info.schema)))
  return empty
}

function emptyStruct(schema: Schema): Record<string, any> {
  const out: Record<string, any> = {}
  for (const key in schema.properties) {
    const property = schema.properties[key]
    if (property.default !== undefined) {
      if (property.properties) out[key] = emptyStruct(property)
      else if (!property.default) out[key] = property.default
    } else if (schema.required?.includes(key) && (property.items || property.additional)) out[key] = null
  }
  return out
}

/** Records an Update: `before` and `after` are whole objects. Changes `managers`. */
export function recordUpdate(
  info: ResourceInfo,
  managers: Managers,
  before: Record<string, any>,
  after: Record<string, any>,
  writer: { manager: string; subresource?: string; time?: string },
): Managers {
  const changes = ignore(compare(info.schema, before, after), ignoredFields(info, writer.subresource))
  settle(managers, changes, undefined)
  const gained = difference(union(changes.modified, changes.added), untracked)
  if (!isEmptySet(gained)) {
    const entry = { manager: writer.manager, operation: 'Update' as const, apiVersion: apiVersionOf(info) }
    const id = idOf({ ...entry, subresource: writer.subresource })
    const known = managers.get(id)
    managers.set(id, {
      ...entry,
      ...(writer.subresource && { subresource: writer.subresource }),
      ...(writer.time && { time: writer.time }),
      set: known ? union(known.set, gained) : gained,
    })
  }
  return cap(managers)
}

/**
 * Brings metadata.managedFields of `after` up to date for a create (no `before`), PUT or patch, and returns the object with
 * them (`after` itself is left alone). Writes that change nothing leave the entries as they were, times included. An object
 * whose ownership was reset (`managedFields: [{}]`) stays untracked until it is applied. `now` is in milliseconds.
 */
export function trackManagedFields(options: {
  info: ResourceInfo
  before?: Record<string, any>
  after: Record<string, any>
  manager: string
  operation?: 'Update' | 'Apply'
  subresource?: string
  now: number
}): Record<string, any> {
  const { info, before, after, manager, subresource, now } = options
  const sent = after.metadata?.managedFields
  if (isReset(sent)) return withEntries(after, [])
  const live = before?.metadata?.managedFields
  let managers = Array.isArray(sent) && sent.length > 0 ? decode(sent) : undefined
  if (!managers || managers.size === 0) managers = decode(live) ?? new Map()
  if (before && managers.size === 0) return withEntries(after, [])
  managers = recordUpdate(info, managers, before ?? emptyObject(info), after, {
    manager,
    subresource,
    time: stamp(now),
  })
  return withEntries(after, encode(managers))
}

export function withEntries(object: Record<string, any>, entries: Record<string, any>[]): Record<string, any> {
  const { managedFields: _, ...metadata } = object.metadata ?? {}
  return { ...object, metadata: entries.length > 0 ? { ...metadata, managedFields: entries } : metadata }
}
