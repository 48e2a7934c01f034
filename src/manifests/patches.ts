import type { KubeObject } from '#kube'
import { clone, isObject, type JsonObject } from '#lib'
import type { Patch } from '#spec'
import { processLabel } from './names.ts'

/** The objects after the spec's patches, in their order. Untouched objects are the same ones. */
export function patched(objects: KubeObject[], patches: readonly Patch[]): KubeObject[] {
  if (patches.length === 0) return objects
  return objects.map((object) => {
    let result = object
    for (const { target, patch } of patches) if (matches(object, target)) result = merge(result, patch) as KubeObject
    return result
  })
}

function matches(object: KubeObject, { kind, name }: Patch['target']): boolean {
  if (object.kind !== kind) return false
  return name === undefined || object.metadata.name === name || object.metadata.labels?.[processLabel] === name
}

/**
 * JSON merge patch (RFC 7386), but lists whose items all have a name (containers, env, ports, volumes) are merged by name,
 * as Kubernetes' strategic merge does: an RFC 7386 patch would have to repeat the whole container. Changes neither argument.
 */
export function merge(target: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) {
    return Array.isArray(target) && named(target) && named(patch) ? mergeNamed(target, patch) : clone(patch)
  }
  if (!isObject(patch)) return patch
  const result: JsonObject = isObject(target) ? { ...target } : {}
  for (const key of Object.keys(patch)) {
    if (key === '__proto__') continue
    if (patch[key] === null) delete result[key]
    else result[key] = merge(Object.hasOwn(result, key) ? result[key] : undefined, patch[key])
  }
  return result
}

type Named = JsonObject & { name: string }

function named(list: unknown[]): list is Named[] {
  return list.length > 0 && list.every((item) => isObject(item) && typeof item.name === 'string')
}

function mergeNamed(target: Named[], patch: Named[]): unknown[] {
  const result: unknown[] = [...target]
  for (const item of patch) {
    const index = target.findIndex(({ name }) => name === item.name)
    if (index === -1) result.push(merge(undefined, item))
    else result[index] = merge(target[index], item)
  }
  return result
}
