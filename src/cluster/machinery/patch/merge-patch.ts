import { isObject } from '#lib'
import { copy, maxDepth, own, put, TooDeep } from '../json.ts'

/** Applies an RFC 7386 merge patch and returns the new document; `doc` is left alone. */
export function mergePatch(doc: any, patch: unknown): any {
  return merge(doc, patch, 0)
}

function merge(doc: any, patch: unknown, depth: number): any {
  if (depth > maxDepth) throw new TooDeep()
  if (!isObject(patch)) return copy(patch, depth)
  const out: Record<string, any> = {}
  if (isObject(doc))
    for (const key in doc) if (patch[key] === undefined || !Object.hasOwn(patch, key)) put(out, key, doc[key])
  for (const key of Object.keys(patch)) {
    if (patch[key] !== null) put(out, key, merge(own(doc, key), patch[key], depth + 1))
  }
  return depth === 0 ? copy(out) : out
}
