import { equal, isObject } from '#lib'

/** The RFC 7386 merge patch that turns `before` into `after`; undefined when they are equal. */
export function mergeDiff(
  before: Record<string, any>,
  after: Record<string, any>,
): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {}
  for (const key of Object.keys(before)) if (after[key] === undefined && before[key] !== undefined) patch[key] = null
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined || equal(before[key], value)) continue
    patch[key] = isObject(before[key]) && isObject(value) ? mergeDiff(before[key], value) : value
  }
  return Object.keys(patch).length > 0 ? patch : undefined
}
