import { isObject, type JsonObject } from '#lib'
import { invalid, type StatusError } from './status.ts'

/** How a patch shows itself where what it leaves is refused. */
export interface Patched {
  /** The patched object (JSON and merge patches), or the patch (strategic ones), as Go prints it. */
  shown: string
  /** Decoded by Go's converter of maps, which words its errors in its own way, instead of its JSON decoder. */
  strategic: boolean
}

/** 422 for a patch that leaves nonsense (apiserver patch.go). */
export function badPatch(patched: Patched, problem: string): StatusError {
  const text = patched.strategic ? converted(problem) : problem
  const message = `Invalid value: ${JSON.stringify(patched.shown)}: ${text}`
  return invalid({ group: '', kind: '' }, '', [{ reason: 'FieldValueInvalid', message, field: 'patch' }])
}

const kinds: Record<string, string> = { array: 'slice', object: 'map', number: 'int64' }

/** A problem of Go's JSON decoder as its converter has it. */
function converted(problem: string): string {
  const match = /^json: cannot unmarshal (\w+)(?: \S+)? into Go struct field \S+ of type (.+)$/.exec(problem)
  if (!match) return problem
  const from = kinds[match[1]] ?? match[1]
  const to = match[2]
  if (to.startsWith('[]')) return `cannot restore slice from ${from}`
  if (to.startsWith('map[')) return `cannot restore map from ${from}`
  if (to.includes('.')) return `cannot restore struct from: ${from}`
  return from === 'slice' || from === 'map' ? `unrecognized type: ${to}` : `cannot convert ${from} to ${to}`
}

const metadataOrder = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
]

/** The JSON of a patched object: keys that a patch has gone through are sorted, everything else is in the order of Go's types. */
export function patchedText(object: JsonObject): string {
  const sorted = Object.keys(object).sort()
  return JSON.stringify(
    Object.fromEntries(
      sorted.map((key) => [key, key === 'metadata' && isObject(object[key]) ? inOrder(object[key]) : object[key]]),
    ),
  )
}

function inOrder(metadata: JsonObject): JsonObject {
  const rank = (key: string) => metadataOrder.indexOf(key)
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => rank(a) - rank(b)))
}
