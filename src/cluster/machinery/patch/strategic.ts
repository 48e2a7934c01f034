import { equal, isObject } from '#lib'
import { goText } from '../go-text.ts'
import { copy, maxDepth, own, put, TooDeep } from '../json.ts'
import { PatchError, type Schema } from '../types.ts'

const order = '$setElementOrder/'
const deleteFrom = '$deleteFromPrimitiveList/'

/**
 * Applies a strategic merge patch by the schema's merge keys and strategies and returns the new document; `doc` is left alone.
 * Directives: `$patch` (delete, replace, merge), `$retainKeys`, `$setElementOrder/FIELD`, `$deleteFromPrimitiveList/FIELD`.
 * Throws PatchError. Source: k8s.io/apimachinery/pkg/util/strategicpatch.
 */
export function strategicMergePatch(doc: any, patch: unknown, schema: Schema): any {
  if (!isObject(patch)) throw new PatchError(400, 'a strategic merge patch must be an object')
  return mergeMap(copy(doc), copy(patch), schema, 0)
}

function mergeMap(doc: any, patch: Record<string, any>, schema: Schema | undefined, depth: number): any {
  if (depth > maxDepth) throw new TooDeep()
  const directive = own(patch, '$patch')
  if (directive === 'replace') return strip(patch, depth)
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge')
    throw new PatchError(500, `unknown patch type: ${String(directive)} in map: ${goText(patch)}`)
  const out: Record<string, any> = isObject(doc) ? doc : {}
  const retain = own(patch, '$retainKeys')
  if (Array.isArray(retain)) for (const key of Object.keys(out)) if (!retain.includes(key)) delete out[key]
  for (const key of Object.keys(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key.startsWith(order)) continue
    const value = patch[key]
    if (key.startsWith(deleteFrom)) {
      removePrimitives(out, key.slice(deleteFrom.length), value)
      continue
    }
    if (value === null) {
      delete out[key]
      continue
    }
    const property = fieldOf(schema, key)
    const current = own(out, key)
    const strategies = property?.strategy?.split(',') ?? []
    if (isObject(value))
      put(
        out,
        key,
        strategies.includes('replace') ? strip(value, depth) : mergeMap(current, value, property, depth + 1),
      )
    else if (Array.isArray(value) && strategies.includes('merge'))
      put(out, key, mergeList(Array.isArray(current) ? current : [], value, property!, own(patch, order + key), depth))
    else put(out, key, value)
  }
  for (const key of Object.keys(patch)) {
    const field = key.startsWith(order) ? key.slice(order.length) : ''
    if (field && !Object.hasOwn(patch, field) && Array.isArray(own(out, field)))
      put(out, field, sortBy(out[field], patch[key], fieldOf(schema, field)?.mergeKey))
  }
  return out
}

function fieldOf(schema: Schema | undefined, key: string): Schema | undefined {
  if (!schema) return undefined
  if (schema.properties) return schema.properties[key]
  return schema.additional === true ? undefined : schema.additional
}

// What a new value looks like once its directives are gone.
function strip(value: any, depth: number): any {
  if (depth > maxDepth) throw new TooDeep()
  if (Array.isArray(value))
    return value.filter((item) => own(item, '$patch') === undefined).map((item) => strip(item, depth + 1))
  if (!isObject(value)) return value
  const out: Record<string, any> = {}
  for (const key of Object.keys(value)) {
    if (key.startsWith('$') && (key === '$patch' || key === '$retainKeys' || key.includes('/'))) continue
    if (value[key] !== null) put(out, key, strip(value[key], depth + 1))
  }
  return out
}

function mergeList(current: any[], patch: any[], schema: Schema, wanted: unknown, depth: number): any[] {
  const { mergeKey } = schema
  if (patch.some((item) => own(item, '$patch') === 'replace'))
    return patch.filter((item) => own(item, '$patch') === undefined).map((item) => strip(item, depth))
  if (mergeKey === undefined) {
    const kept = current.filter((item) => !patch.some((other) => equal(other, item)))
    const given = patch.filter((item, at) => patch.findIndex((other) => equal(other, item)) === at)
    return sortBy(interleave(kept, given, current, equal), wanted, undefined)
  }
  const out = [...current]
  const given: any[] = []
  for (const item of patch) {
    const key = own(item, mergeKey)
    if (key === undefined || key === null) {
      if (own(item, '$patch') !== undefined)
        throw new PatchError(400, `delete patch type with no merge key defined for ${mergeKey}`)
      throw new PatchError(500, `map: ${goText(item)} does not contain declared merge key: ${mergeKey}`)
    }
    const same = (other: any) => own(other, mergeKey) === key
    if (item.$patch === 'delete') {
      for (let i = out.length - 1; i >= 0; i--) if (same(out[i])) out.splice(i, 1)
      continue
    }
    const at = out.findIndex(same)
    if (at >= 0) given.push(mergeMap(out.splice(at, 1)[0], item, schema.items, depth + 1))
    else given.push(mergeMap({}, item, schema.items, depth + 1))
  }
  const sameKey = (a: any, b: any) => own(a, mergeKey) === own(b, mergeKey)
  return sortBy(interleave(out, given, current, sameKey), wanted, mergeKey)
}

/**
 * Lays the items of a patch among those that only the server has: two that the server had keep their order, and an item that
 * is new goes before whatever of the server's is still to come (strategicpatch's mergeSortedSlice).
 */
function interleave(kept: any[], given: any[], before: any[], same: (a: any, b: any) => boolean): any[] {
  const rank = (item: any) => before.findIndex((other) => same(other, item))
  const out: any[] = []
  let at = 0
  for (const item of given) {
    const place = rank(item)
    while (at < kept.length && place >= 0 && rank(kept[at]) < place) out.push(kept[at++])
    out.push(item)
  }
  return [...out, ...kept.slice(at)]
}

// Items the client named come in its order; the others keep their place relative to the item they followed.
function sortBy(list: any[], wanted: unknown, mergeKey: string | undefined): any[] {
  if (!Array.isArray(wanted)) return list
  const keyOf = (item: any) => JSON.stringify(mergeKey === undefined ? item : own(item, mergeKey))
  const rank = new Map(wanted.map((item, i) => [keyOf(item), i]))
  const named = list.filter((item) => rank.has(keyOf(item)))
  named.sort((a, b) => rank.get(keyOf(a))! - rank.get(keyOf(b))!)
  const out: any[] = []
  let next = 0
  for (const item of list) out.push(rank.has(keyOf(item)) ? named[next++] : item)
  return out
}

function removePrimitives(out: Record<string, any>, field: string, values: unknown): void {
  const current = own(out, field)
  if (!Array.isArray(current) || !Array.isArray(values)) return
  const left = current.filter((item) => !values.includes(item))
  if (left.length > 0) put(out, field, left)
  else delete out[field]
}
