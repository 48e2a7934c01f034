import type { KubeObject } from '#kube'
import { equal, isObject } from '#lib'
import { baseName, processLabel, releaseAnnotation } from './names.ts'
import { redactedValue } from './yaml.ts'

/** What becomes of one object. */
export interface ObjectDiff {
  kind: string
  /** The name after; without its hash where it has one. */
  name: string
  namespace?: string
  action: 'create' | 'update' | 'delete'
  /** Empty for create and delete. */
  changes: Change[]
  /** The process whose pods are replaced by this change. */
  restarts?: string
}

export interface Change {
  /** `spec.template.spec.containers[web].image` */
  path: string
  /** Absent when there was none. Values of Secrets are `(redacted)`. */
  before?: unknown
  after?: unknown
}

/**
 * What changes from one release's objects to the next. Objects named by content hash are one object in two versions;
 * the release number alone is no change; list items are matched by name. Unchanged objects are left out.
 */
export function diff(before: readonly KubeObject[], after: readonly KubeObject[]): ObjectDiff[] {
  const old = new Map(before.map((object) => [key(object), object]))
  const result: ObjectDiff[] = []
  for (const object of after) {
    const previous = old.get(key(object))
    old.delete(key(object))
    if (!previous) {
      result.push(describe(object, 'create', []))
      continue
    }
    const changes: Change[] = []
    compare(content(previous), content(object), '', object.kind === 'Secret', changes)
    if (changes.length === 0) continue
    const entry = describe(object, 'update', changes)
    const process = object.metadata.labels?.[processLabel]
    if (
      process !== undefined &&
      (object.kind === 'Deployment' || object.kind === 'StatefulSet') &&
      !equal(needsNewPods(previous), needsNewPods(object))
    ) {
      entry.restarts = process
    }
    result.push(entry)
  }
  for (const object of old.values()) result.push(describe(object, 'delete', []))
  return result
}

function key(object: KubeObject): string {
  return `${object.apiVersion}\n${object.kind}\n${object.metadata.namespace ?? ''}\n${baseName(object)}`
}

function describe(object: KubeObject, action: ObjectDiff['action'], changes: Change[]): ObjectDiff {
  const { namespace } = object.metadata
  return {
    kind: object.kind,
    name: baseName(object),
    ...(namespace === undefined ? {} : { namespace }),
    action,
    changes,
  }
}

/** A StatefulSet's pods live on when only their image changes, if its code can be loaded into them. */
function needsNewPods({ kind, spec }: KubeObject): unknown {
  return kind === 'StatefulSet' ? withoutImages(spec?.template) : spec?.template
}

/** A pod template without the images of its containers. */
export function withoutImages(template: Record<string, any> | undefined): unknown {
  const containers = template?.['spec']?.containers?.map(({ image: _, ...rest }: Record<string, unknown>) => rest)
  return { ...template, spec: { ...template?.['spec'], containers } }
}

/** The object without what changes with every release. */
function content(object: KubeObject): KubeObject {
  const { [releaseAnnotation]: _, ...annotations } = object.metadata.annotations ?? {}
  return { ...object, metadata: { ...object.metadata, name: baseName(object), annotations } }
}

function compare(before: unknown, after: unknown, path: string, secret: boolean, changes: Change[]): void {
  if (equal(before, after)) return
  if (isObject(before) && isObject(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const next = path === '' ? name : `${path}.${name}`
      compare(own(before, name), own(after, name), next, secret, changes)
    }
    return
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const names = itemNames(before, after)
    if (names) {
      for (const name of names) {
        const find = (list: unknown[]) => list.find((item) => isObject(item) && item.name === name)
        compare(find(before), find(after), `${path}[${name}]`, secret, changes)
      }
      if (changes.length > 0) return
    }
  }
  const hide = secret && /^(data|stringData)(\.|$)/.test(path)
  const change: Change = { path }
  if (before !== undefined) change.before = hide ? hidden(before) : before
  if (after !== undefined) change.after = hide ? hidden(after) : after
  changes.push(change)
}

function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function hidden(value: unknown): unknown {
  if (!isObject(value)) return redactedValue
  return Object.fromEntries(Object.keys(value).map((name) => [name, redactedValue]))
}

/** The names of the items of both lists, when every item has one. */
function itemNames(before: unknown[], after: unknown[]): Set<string> | undefined {
  const names = new Set<string>()
  for (const item of [...before, ...after]) {
    if (!isObject(item) || typeof item.name !== 'string') return undefined
    names.add(item.name)
  }
  return names
}
