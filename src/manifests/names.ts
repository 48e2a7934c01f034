import { shortHash } from '#lib'
import type { ObjectInput } from './types.ts'

/** Label of everything that belongs to an app; with `processLabel` the only keys of selectors, which never change. */
export const appLabel = 'cuddle.dev/app'
export const processLabel = 'cuddle.dev/process'
/** Annotation with the number of the release that an object was last compiled for. */
export const releaseAnnotation = 'cuddle.dev/release'
/** Annotation of objects that outlive the release that no longer names them: whoever prunes leaves them alone. */
export const keepAnnotation = 'cuddle.dev/keep'

export function objectName(app: string, process: string): string {
  return `${app}-${process}`
}

export function labels(app: string, process?: string): Record<string, string> {
  if (process === undefined) {
    return { 'app.kubernetes.io/name': app, 'app.kubernetes.io/managed-by': 'cuddle', [appLabel]: app }
  }
  return {
    'app.kubernetes.io/name': app,
    'app.kubernetes.io/component': process,
    'app.kubernetes.io/managed-by': 'cuddle',
    [appLabel]: app,
    [processLabel]: process,
  }
}

export function selector(app: string, process: string): Record<string, string> {
  return { [appLabel]: app, [processLabel]: process }
}

export function metadata(input: ObjectInput, name: string, process?: string) {
  return {
    name,
    namespace: input.namespace,
    labels: labels(input.app, process),
    annotations: { [releaseAnnotation]: String(input.release) },
  }
}

/** The hash at the end of the names of immutable objects, as shortHash makes it. */
const hashEnd = /-[bcdfghjklmnpqrstvwxz2456789]{10}$/

/** `shop-env-x4…` → `shop-env`: what an immutable object is called in all its versions. */
export function baseName(object: { metadata: { name?: string }; immutable?: boolean }): string {
  const name = object.metadata.name ?? ''
  return object.immutable === true ? name.replace(hashEnd, '') : name
}

/** `/var/data` → `var-data`; a path that this would blur gets a hash. A DNS label of at most 40 characters. */
export function pathName(path: string): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  const slug = trimmed
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  if (trimmed === slug.replaceAll('-', '/') && slug.length <= 29) return slug
  return `${slug.slice(0, 29).replace(/-$/, '') || 'volume'}-${shortHash(path, 8)}`
}
