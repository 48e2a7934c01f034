import { isObject, rfc3339 } from '#lib'
import { type FieldSet, fromFields, insert, isEmptySet, toFields, union } from './set.ts'

/** One owner of fields: an entry of metadata.managedFields, decoded. */
export interface Manager {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  subresource?: string
  time?: string
  set: FieldSet
}

/** Owners by identity: name, operation, subresource and (for Update) version. */
export type Managers = Map<string, Manager>

const maxUpdateManagers = 10

/** What nobody owns: it identifies the object or is the server's own. */
export const untracked: FieldSet = { member: false }
insert(untracked, ['f:apiVersion'])
insert(untracked, ['f:kind'])
insert(untracked, ['f:metadata'])
for (const field of [
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion',
])
  insert(untracked, ['f:metadata', `f:${field}`])

/** As Kubernetes writes it, for conflicts are told in its order. */
export function idOf(entry: Pick<Manager, 'manager' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const text = JSON.stringify
  const version = entry.operation === 'Apply' ? '' : `"apiVersion":${text(entry.apiVersion)},`
  const part = entry.subresource ? `,"subresource":${text(entry.subresource)}` : ''
  return `{${version}"manager":${text(entry.manager)},"operation":${text(entry.operation)}${part}}`
}

/** `[{}]`: the client asks for all ownership to be forgotten. */
export function isReset(entries: unknown): boolean {
  return Array.isArray(entries) && entries.length === 1 && isObject(entries[0]) && !Object.keys(entries[0]).length
}

/** Decodes metadata.managedFields; undefined when an entry is malformed. */
export function decode(entries: unknown): Managers | undefined {
  const managers: Managers = new Map()
  if (!Array.isArray(entries)) return managers
  for (const entry of entries) {
    if (!isObject(entry) || (entry.operation !== 'Apply' && entry.operation !== 'Update')) return undefined
    if (entry.fieldsType !== undefined && entry.fieldsType !== 'FieldsV1') return undefined
    try {
      const decoded: Manager = {
        manager: String(entry.manager ?? ''),
        operation: entry.operation,
        apiVersion: String(entry.apiVersion ?? ''),
        ...(entry.subresource && { subresource: String(entry.subresource) }),
        ...(entry.time && { time: String(entry.time) }),
        set: fromFields(entry.fieldsV1 ?? {}),
      }
      managers.set(idOf(decoded), decoded)
    } catch {
      return undefined
    }
  }
  return managers
}

/** Encodes owners in the API server's order: Apply before Update, then by time, name, version, subresource. */
export function encode(managers: Managers): Record<string, any>[] {
  const text = (value: string | undefined) => value ?? ''
  const list = [...managers.values()].filter((entry) => !isEmptySet(entry.set))
  list.sort(
    (a, b) =>
      order(a.operation, b.operation) ||
      order(text(a.time), text(b.time)) ||
      order(a.manager, b.manager) ||
      order(a.apiVersion, b.apiVersion) ||
      order(text(a.subresource), text(b.subresource)),
  )
  return list.map((entry) => ({
    manager: entry.manager,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    ...(entry.time && { time: entry.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: toFields(entry.set),
    ...(entry.subresource && { subresource: entry.subresource }),
  }))
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Keeps at most ten Update entries: the oldest of each version become one, owned by `ancient-changes`. */
export function cap(managers: Managers): Managers {
  const updates = [...managers.entries()].filter(([, entry]) => entry.operation === 'Update')
  if (updates.length <= maxUpdateManagers) return managers
  updates.sort(([, a], [, b]) => order(a.time ?? '', b.time ?? ''))
  const out: Managers = new Map(managers)
  for (const [id, entry] of updates) {
    if (countUpdates(out) <= maxUpdateManagers) break
    const bucket = { manager: 'ancient-changes', operation: 'Update' as const, apiVersion: entry.apiVersion }
    const bucketId = idOf(bucket)
    if (bucketId === id) continue
    const known = out.get(bucketId)
    out.delete(id)
    out.set(bucketId, {
      ...bucket,
      time: entry.time,
      set: known ? union(known.set, entry.set) : entry.set,
    })
  }
  return out
}

function countUpdates(managers: Managers): number {
  let count = 0
  for (const entry of managers.values()) if (entry.operation === 'Update') count++
  return count
}

/** The time of an entry written at `now` (milliseconds). */
export function stamp(now: number): string {
  return rfc3339(now)
}
