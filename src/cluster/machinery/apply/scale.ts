import { decode, encode, type Manager, type Managers } from './managers.ts'
import { difference, type FieldSet, insert, isEmptySet } from './set.ts'

const inScale: FieldSet = { member: false }
insert(inScale, ['f:spec', 'f:replicas'])

const scaleVersion = 'autoscaling/v1'

/** Who owns the replicas of an object (at `path`, `.spec.replicas`), as the managedFields of its Scale. */
export function scaleEntries(entries: unknown, path: string): Record<string, any>[] {
  const owners: Managers = new Map()
  for (const [id, entry] of decode(entries) ?? []) {
    if (has(entry.set, steps(path))) owners.set(id, { ...entry, apiVersion: scaleVersion, set: inScale })
  }
  return encode(owners)
}

/**
 * The managedFields of an object after its Scale was written: who no longer owns the replicas of the Scale has lost them, who
 * owns them there owns them here (apimachinery managedfields.ScaleHandler). `apiVersion` is the object's.
 */
export function parentEntries(
  entries: unknown,
  ofScale: unknown,
  path: string,
  apiVersion: string,
): Record<string, any>[] {
  const replicas: FieldSet = { member: false }
  insert(replicas, steps(path))
  const owners = new Map([...(decode(ofScale) ?? new Map<string, Manager>()).values()].map((one) => [key(one), one]))
  const managers: Managers = new Map()
  for (const [id, entry] of decode(entries) ?? []) {
    const kept = !has(entry.set, steps(path)) || owners.delete(key(entry))
    const set = kept ? entry.set : difference(entry.set, replicas)
    if (!isEmptySet(set)) managers.set(id, { ...entry, set })
  }
  // Who is new here has no time: kube-apiserver looks it up among the owners of before.
  for (const [id, owner] of owners) managers.set(id, { ...owner, apiVersion, time: undefined, set: replicas })
  return encode(managers)
}

/** An owner whatever the version is called. */
const key = ({ manager, operation, subresource }: Manager) => JSON.stringify([manager, operation, subresource ?? ''])

function steps(path: string): string[] {
  return path
    .split('.')
    .filter(Boolean)
    .map((field) => `f:${field}`)
}

function has(set: FieldSet, path: readonly string[]): boolean {
  let node: FieldSet | undefined = set
  for (const step of path) node = node?.children?.get(step)
  return node?.member === true
}
