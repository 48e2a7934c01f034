import { isObject } from '#lib'
import { PatchError } from './types.ts'

/** Deeper JSON than this is refused, as Go's decoder refuses depth 10000; ours recurses, so the bound is lower. */
export const maxDepth = 500

/** The text Go's decoder gives for JSON nested too deeply. */
export class TooDeep extends PatchError {
  constructor() {
    super(400, 'exceeded max depth')
    this.name = 'TooDeep'
  }
}

/** Sets a key that may be `__proto__`. */
export function put(target: Record<string, any>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

/** A key of the object itself, never of its prototype. */
export function own(target: unknown, key: string): any {
  return isObject(target) && Object.hasOwn(target, key) ? target[key] : undefined
}

/** A deep copy with undefined dropped. Throws TooDeep. */
export function copy<T>(value: T, depth = 0): T {
  if (typeof value !== 'object' || value === null) return value
  if (depth > maxDepth) throw new TooDeep()
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1)) as T
  const out: Record<string, any> = {}
  for (const key in value) {
    const item = (value as Record<string, any>)[key]
    if (item !== undefined) put(out, key, copy(item, depth + 1))
  }
  return out as T
}

/** A field's path as Kubernetes writes it: `spec.containers[0].image`, `metadata.labels[a/b]` for keys of maps. */
export function formatPath(path: (string | number)[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (part.startsWith('[')) text += part
    else text += text === '' ? part : `.${part}`
  }
  return text
}
