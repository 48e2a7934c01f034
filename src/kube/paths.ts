import { CuddleError } from '#lib'
import type { ListOptions, ResourceType, WatchOptions } from './types.ts'

/** The collection's or object's path: `/api/v1/…` for core, `/apis/GROUP/VERSION/…` otherwise. */
export function pathOf(
  type: ResourceType,
  { namespace, name, subresource }: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  let path = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  if (namespace && type.namespaced) path += `/namespaces/${segment(namespace)}`
  path += `/${type.plural}`
  if (name !== undefined) {
    if (type.namespaced && !namespace)
      throw new CuddleError('no-namespace', `${type.kind} ${name}: a namespaced object needs a namespace`)
    path += `/${segment(name)}`
  }
  return subresource ? `${path}/${subresource.split('/').map(segment).join('/')}` : path
}

/** One path segment; `.` and `..` would climb on servers that normalise, and no object may be named so. */
export function segment(text: string): string {
  if (text === '' || text === '.' || text === '..')
    throw new CuddleError('invalid-name', `"${text}" cannot be a name in a path of the Kubernetes API`)
  return encodeURIComponent(text)
}

/** `?a=1&b=2`, or nothing; undefined values are left out. */
export function query(parameters: Record<string, string | number | boolean | undefined>): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) search.set(key, String(value))
  return search.size > 0 ? `?${search}` : ''
}

export function listQuery(options: ListOptions): Record<string, string | number | undefined> {
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch } = options
  // a continue token carries its own resourceVersion; sending one beside it is refused with 400
  const version = options.continue ? {} : { resourceVersion, resourceVersionMatch }
  return { labelSelector, fieldSelector, limit, continue: options.continue, ...version }
}

export function watchQuery(options: WatchOptions): Record<string, string | number | boolean | undefined> {
  const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, timeoutSeconds, sendInitialEvents } =
    options
  return {
    watch: true,
    labelSelector,
    fieldSelector,
    resourceVersion,
    resourceVersionMatch: sendInitialEvents ? 'NotOlderThan' : resourceVersionMatch,
    sendInitialEvents,
    timeoutSeconds,
    allowWatchBookmarks: options.allowWatchBookmarks,
  }
}
