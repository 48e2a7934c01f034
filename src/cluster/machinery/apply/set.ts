import type { Schema } from '../types.ts'

/**
 * A set of field paths as a tree, the shape of FieldsV1. The key of a step is FieldsV1's own text: `f:NAME`, `k:{…}`, `v:…`.
 * Sets are values: no function here changes its arguments.
 */
export interface FieldSet {
  /** The path up to here is in the set (`.`, or `{}` without children). */
  member: boolean
  children?: Map<string, FieldSet>
}

export const emptySet: FieldSet = { member: false }

export function isEmptySet(set: FieldSet): boolean {
  return !set.member && (set.children === undefined || set.children.size === 0)
}

/** Adds a path, changing `set`: only for sets that are being built. */
export function insert(set: FieldSet, path: string[]): void {
  let node = set
  for (const step of path) {
    node.children ??= new Map()
    let next = node.children.get(step)
    if (!next) node.children.set(step, (next = { member: false }))
    node = next
  }
  node.member = true
}

type Combine = (a: boolean, b: boolean) => boolean

function combine(a: FieldSet | undefined, b: FieldSet | undefined, op: Combine): FieldSet {
  const out: FieldSet = { member: op(a?.member ?? false, b?.member ?? false) }
  for (const step of a?.children?.keys() ?? [])
    addChild(out, step, combine(a!.children!.get(step), b?.children?.get(step), op))
  if (op(false, true))
    for (const [step, child] of b?.children ?? []) if (!a?.children?.has(step)) addChild(out, step, child)
  return out
}

function addChild(out: FieldSet, step: string, child: FieldSet): void {
  if (isEmptySet(child)) return
  out.children ??= new Map()
  out.children.set(step, child)
}

export const union = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (x, y) => x || y)
export const intersection = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (x, y) => x && y)
/** Exactly the paths of `b` are taken away; what lies below them stays. */
export const difference = (a: FieldSet, b: FieldSet): FieldSet => (isEmptySet(b) ? a : combine(a, b, (x, y) => x && !y))

/** The paths of `b` and everything below them are taken away. */
export function without(a: FieldSet, b: FieldSet): FieldSet {
  const out: FieldSet = { member: a.member && !b.member }
  for (const [step, child] of a.children ?? []) {
    const cut = b.children?.get(step)
    if (cut?.member) continue
    addChild(out, step, cut ? without(child, cut) : child)
  }
  return out
}

/** The set, and every struct field that has something of the set below it. */
export function withParents(set: FieldSet, schema: Schema | undefined): FieldSet {
  if (!set.children) return set
  const out: FieldSet = { member: set.member, children: new Map() }
  for (const [step, child] of set.children) {
    const named = step.startsWith('f:') ? schema?.properties?.[step.slice(2)] : undefined
    const next = withParents(child, named ?? below(schema))
    out.children!.set(step, named && !next.member ? { ...next, member: true } : next)
  }
  return out
}

function below(schema: Schema | undefined): Schema | undefined {
  return schema?.items ?? (schema?.additional === true ? undefined : schema?.additional)
}

export function sameSet(a: FieldSet, b: FieldSet): boolean {
  if (a.member !== b.member || (a.children?.size ?? 0) !== (b.children?.size ?? 0)) return false
  for (const [step, child] of a.children ?? []) {
    const other = b.children?.get(step)
    if (!other || !sameSet(child, other)) return false
  }
  return true
}

/** Reads FieldsV1. Throws on what is none, and on absurd depth. */
export function fromFields(fields: any, depth = 0): FieldSet {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || depth > 200)
    throw new Error('fieldsV1 is malformed')
  const set: FieldSet = { member: false }
  for (const step of Object.keys(fields)) {
    if (step === '.') set.member = true
    else if (!/^[fkvi]:/.test(step)) throw new Error(`fieldsV1 has an unknown path element ${JSON.stringify(step)}`)
    else {
      const child = fromFields(fields[step], depth + 1)
      if (!child.children) child.member = true
      set.children ??= new Map()
      set.children.set(step, child)
    }
  }
  return set
}

/** Writes FieldsV1: steps sorted, `.` first. */
export function toFields(set: FieldSet): Record<string, any> {
  const out: Record<string, any> = {}
  if (set.member && set.children?.size) out['.'] = {}
  for (const step of [...(set.children?.keys() ?? [])].sort()) out[step] = toFields(set.children!.get(step)!)
  return out
}

/** Every path of the set as Kubernetes prints it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  const out: string[] = []
  for (const step of [...(set.children?.keys() ?? [])].sort()) {
    const child = set.children!.get(step)!
    const path = prefix + stepText(step)
    if (child.member) out.push(path)
    out.push(...pathsOf(child, path))
  }
  return out
}

function stepText(step: string): string {
  const rest = step.slice(2)
  if (step.startsWith('f:')) return `.${rest}`
  if (step.startsWith('v:')) return `[=${rest}]`
  if (step.startsWith('i:')) return `[${rest}]`
  const key = JSON.parse(rest)
  return `[${Object.keys(key)
    .map((name) => `${name}=${JSON.stringify(key[name])}`)
    .join(',')}]`
}
