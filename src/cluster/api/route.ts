import { proxyPath } from './proxy-path.ts'
import { resourceKey } from './registry.ts'
import type { Api, ApiRequest, ResourceRequest } from './request.ts'
import { flag } from './request.ts'
import { badRequest } from './status.ts'

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

export interface Route {
  verb: Verb | undefined
  rr: ResourceRequest
}

export const namespaceSubresources = new Set(['status', 'finalize'])

/**
 * Reads `/api/v1/…` and `/apis/GROUP/VERSION/…` (apiserver's RequestInfo rules, the legacy `watch` prefix included).
 * Undefined when nothing is served there. Throws 400 for what is not percent-encoded UTF-8 or has an impossible part.
 */
export function route(api: Api, request: ApiRequest): Route | undefined {
  const proxied = request.path.includes('/proxy') ? proxyPath(request.path) : undefined
  const parts = segments(proxied ?? request.path)
  const group = parts[0] === 'api' ? '' : parts[1]
  let rest = parts[0] === 'api' ? parts.slice(2) : parts.slice(3)
  const version = parts[0] === 'api' ? parts[1] : parts[2]
  const legacyWatch = rest[0] === 'watch'
  if (legacyWatch) rest = rest.slice(1)
  let namespace: string | undefined
  if (rest[0] === 'namespaces' && rest.length > 2 && !(namespaceSubresources.has(rest[2]) && rest.length === 3)) {
    namespace = rest[1]
    rest = rest.slice(2)
  }
  const [plural, name, subresource, ...tail] = rest
  if (plural === undefined) return undefined
  const info = api.registry.lookup(group, version, plural)
  if (!info) return undefined
  if (namespace !== undefined && !info.namespaced) return undefined
  if (namespace === undefined && info.namespaced && name !== undefined && !legacyWatch) return undefined
  const rr: ResourceRequest = {
    api,
    request,
    info,
    resource: resourceKey(group, plural),
    namespace,
    name,
    subresource,
    rest: tail.join('/'),
    warnings: [],
  }
  return { verb: verbOf(request, rr, legacyWatch), rr }
}

/** The parts of a path, decoded. Throws 400 for what is not percent-encoded UTF-8 or has an impossible part. */
export function segments(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map((part) => {
      let text = part
      try {
        if (part.includes('%')) text = decodeURIComponent(part)
      } catch {
        throw badRequest(`invalid path segment ${JSON.stringify(part)}`)
      }
      if (text === '.' || text === '..' || text.includes('/') || text.includes('\0') || text.length > 253) {
        throw badRequest(`invalid path segment ${JSON.stringify(text.slice(0, 300))}`)
      }
      return text
    })
}

export function verbOf(
  request: ApiRequest,
  rr: Pick<ResourceRequest, 'name' | 'subresource'>,
  legacyWatch: boolean,
): Verb | undefined {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      if (legacyWatch || (flag(request.query, 'watch') && rr.subresource === undefined)) return 'watch'
      return rr.name === undefined ? 'list' : 'get'
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return rr.name === undefined ? 'deletecollection' : 'delete'
    default:
      return undefined
  }
}
