import { randomUUID } from 'node:crypto'
import { errorMessage } from '#lib'
import { CompactedError, StoreWriteError } from '../store/index.ts'
import { authorizePath, authorizeResource, superuser } from './authorization.ts'
import { remove, removeCollection } from './delete.ts'
import { discovery } from './discovery.ts'
import { health } from './health.ts'
import { impersonated, impersonates } from './impersonation.ts'
import { metrics } from './metrics.ts'
import { metricsGroup, metricsVersion } from './metrics-resources.ts'
import { checkAcceptable, pretty } from './negotiate.ts'
import { get, list } from './read.ts'
import { crdResource } from './registry.ts'
import type { Api, ApiRequest, ApiResponse, ResourceRequest } from './request.ts'
import { isReview, review } from './reviews.ts'
import { type Route, route } from './route.ts'
import {
  badRequest,
  internal,
  methodNotAllowed,
  notAllowedHere,
  notFound,
  qualified,
  StatusError,
  unserved,
} from './status.ts'
import { bind } from './subresources/binding.ts'
import { evict } from './subresources/eviction.ts'
import { finalize } from './subresources/finalize.ts'
import { log } from './subresources/log.ts'
import { scale } from './subresources/scale.ts'
import { stream } from './subresources/stream.ts'
import { createToken } from './subresources/token.ts'
import { create, patch, update } from './verbs.ts'
import { watch } from './watch.ts'

/** Answers a request. Never rejects: whatever goes wrong is a Status. */
export async function handle(api: Api, request: ApiRequest): Promise<ApiResponse> {
  let response: ApiResponse
  let rr: ResourceRequest | undefined
  try {
    if (impersonates(request)) request = { ...request, user: await impersonated(api, request) }
    const given = await api.aggregation.current?.answer(request)
    const found = !given && isApiPath(request.path) ? route(api, request) : undefined
    rr = found?.rr
    response = given ?? (found ? await serve(found) : ((await usage(api, request)) ?? (await other(api, request))))
  } catch (error) {
    response = failure(api, request, error)
  }
  const headers: ApiResponse['headers'] = {
    'audit-id': randomUUID(),
    'cache-control': 'no-cache, private',
    ...response.headers,
  }
  if (rr && rr.warnings.length > 0) headers['warning'] = rr.warnings.map(warning)
  count(api, request.method, response.status)
  return { ...response, headers }
}

/** A Warning header (RFC 7234 5.5) whose text is UTF-8: what is no character of a header is escaped or left out. */
function warning(text: string): string {
  const quoted = JSON.stringify(text.toWellFormed().replaceAll('\x7f', ''))
  return `299 - ${Buffer.from(quoted, 'utf8').toString('latin1')}`
}

/** The documents are made by a module of its own, loaded when somebody asks. */
async function openapi(api: Api, request: ApiRequest): Promise<ApiResponse | undefined> {
  if (!request.path.startsWith('/openapi/')) return undefined
  return (await import('./openapi/index.ts')).openapi(api, request)
}

async function usage(api: Api, request: ApiRequest): Promise<ApiResponse | undefined> {
  if (!request.path.startsWith(`/apis/${metricsGroup}/${metricsVersion}/`)) return undefined
  return (await import('./resource-metrics.ts')).resourceMetrics(api, request)
}

function isApiPath(path: string): boolean {
  return path.startsWith('/api/') || path.startsWith('/apis/')
}

function count(api: Api, method: string, status: number): void {
  const key = `${method} ${status}`
  api.counters.requests.set(key, (api.counters.requests.get(key) ?? 0) + 1)
}

/** Everything that is no resource. */
async function other(api: Api, request: ApiRequest): Promise<ApiResponse> {
  const { path } = request
  await authorizePath(api, request.user, request.method.toLowerCase(), path)
  if (request.method === 'HEAD' && /^\/(version|apis?)(\/|$)/.test(path)) throw notAllowedHere()
  const found =
    health(api, request) ?? metrics(api, request) ?? discovery(api, request) ?? (await openapi(api, request))
  if (found) return found
  if (path !== '/') {
    // The groups that are compiled in answer for all that lies below them; nobody answers for the rest.
    if (isApiPath(path) && (path.startsWith('/api/') || builtIn(api, path.split('/')[2]))) throw unserved()
    return {
      status: 404,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
      body: Buffer.from('404 page not found\n'),
    }
  }
  const groups = [...new Set(api.registry.all().map((info) => info.group))].filter((name) => name !== '').sort()
  const paths = [
    '/api',
    '/api/v1',
    '/apis',
    ...groups.map((name) => `/apis/${name}`),
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/readyz',
    '/version',
  ]
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ paths }, null, 2)),
  }
}

function builtIn(api: Api, group: string): boolean {
  return api.registry.all().some((info) => !info.custom && info.group === group)
}

/** Loaded with the first request that is passed on. */
const proxy = async (rr: ResourceRequest) => (await import('./subresources/proxy.ts')).proxy(rr)
const proxies = ['pods', 'services', 'nodes'].flatMap((plural) =>
  ['get', 'create', 'update', 'patch', 'delete'].map((verb) => [`core/${plural}/proxy ${verb}`, proxy]),
)

const subresources: Record<string, (rr: ResourceRequest) => Promise<ApiResponse>> = {
  ...Object.fromEntries(proxies),
  'core/pods/binding create': bind,
  'core/pods/eviction create': evict,
  'core/pods/log get': log,
  'core/pods/exec get': stream,
  'core/pods/exec create': stream,
  'core/pods/attach get': stream,
  'core/pods/attach create': stream,
  'core/pods/portforward get': stream,
  'core/pods/portforward create': stream,
  'core/serviceaccounts/token create': createToken,
  'core/namespaces/finalize update': finalize,
}

const deprecatedEndpoints = 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'

/** Subresources that are the object itself, of which only a part may change. */
const views = new Set(['status', 'ephemeralcontainers', 'resize', 'approval'])

const verbs = { get, list, watch, create, update, patch, delete: remove, deletecollection: removeCollection }

async function serve({ verb, rr }: Route): Promise<ApiResponse> {
  const { info, subresource } = rr
  const { group, plural } = info
  if (!verb) throw methodNotAllowed(info, '')
  if (rr.request.method === 'HEAD' && !info.custom && subresource !== 'proxy') throw notAllowedHere()
  const { user } = rr.request
  if (!superuser(user)) {
    const name = rr.name ?? namedByField(rr, verb)
    await authorizeResource(rr.api, user, verb, { group, plural, name, namespace: rr.namespace, subresource })
  }
  if (rr.resource === 'core/endpoints') rr.warnings.push(deprecatedEndpoints)
  if (subresource !== undefined) return serveSubresource(verb, rr)
  if (isReview(rr) && verb === 'create') return review(rr)
  if (rr.resource === 'core/bindings' && verb === 'create') return bind(rr)
  if (!info.verbs.includes(verb)) throw methodNotAllowed(info, verb)
  await ready(rr, verb)
  if (!info.custom) checkAcceptable(rr.request, rr.name === undefined && rr.request.method === 'GET')
  if (verb === 'create' && rr.name !== undefined) throw methodNotAllowed(info, 'create')
  if (verb === 'create' && info.namespaced && rr.namespace === undefined) {
    throw badRequest('an empty namespace may not be set during creation')
  }
  if (verb === 'create' && info.custom && terminating(rr)) {
    throw new StatusError(
      405,
      'MethodNotAllowed',
      'create not allowed while custom resource definition is terminating',
      { group, kind: plural },
    )
  }
  return verbs[verb](rr)
}

/**
 * Loads what heeds a resource before the first request for it: roles are not made for nobody, nor limits kept. Controllers
 * that follow every kind there is are nobody.
 */
async function ready({ api, info, resource, request }: ResourceRequest, verb: string): Promise<void> {
  const reads = verb === 'get' || verb === 'list' || verb === 'watch'
  if (reads && request.user.name === 'system:kube-controller-manager') return
  if (info.group === 'rbac.authorization.k8s.io' && !api.rbac.current) await api.rbac.load()
  if ((resource === 'core/limitranges' || resource === 'core/resourcequotas') && !api.limits.current)
    await api.limits.load()
}

/** Lists and watches of one object by its name count as requests for it. */
function namedByField({ request }: ResourceRequest, verb: string): string | undefined {
  if (verb !== 'list' && verb !== 'watch' && verb !== 'deletecollection') return undefined
  return /^metadata\.name==?([^,=!]+)$/.exec(request.query.get('fieldSelector') ?? '')?.[1]
}

function terminating({ api, info }: ResourceRequest): boolean {
  return api.store.get(crdResource, qualified(info))?.object.metadata.deletionTimestamp !== undefined
}

async function serveSubresource(verb: NonNullable<Route['verb']>, rr: ResourceRequest): Promise<ApiResponse> {
  const { info, subresource } = rr
  const special = subresources[`${rr.resource}/${subresource} ${verb}`]
  if (special) return special(rr)
  const change = verb === 'update' || verb === 'patch' || verb === 'get'
  if (subresource === 'scale' && info.subresources.scale) {
    if (change) return scale(rr)
    throw methodNotAllowed(info, verb)
  }
  // An address that is there, but not for this.
  if (Object.keys(subresources).some((key) => key.startsWith(`${rr.resource}/${subresource} `))) throw notAllowedHere()
  const viewed =
    subresource === 'status'
      ? info.subresources.status
      : views.has(subresource!) && info.otherSubresources?.[subresource!]
  if (!viewed) throw info.custom ? notFound(info, rr.name!) : unserved()
  if (!change) throw methodNotAllowed(info, verb)
  if (!info.custom) checkAcceptable(rr.request, false)
  return verbs[verb](rr)
}

function failure(api: Api, request: ApiRequest, error: unknown): ApiResponse {
  const status = asStatus(error)
  if (status.code >= 500 && status.code !== 504) {
    api.log.error(
      { method: request.method, path: request.path, error: errorMessage(error), stack: (error as Error)?.stack },
      'request failed',
    )
  }
  const retry = status.details?.retryAfterSeconds
  return {
    status: status.code,
    headers: { 'content-type': 'application/json', ...(retry && { 'retry-after': String(retry) }) },
    body: Buffer.from(JSON.stringify(status.status, null, pretty(request) ? 2 : undefined)),
  }
}

function asStatus(error: unknown): StatusError {
  if (error instanceof StatusError) return error
  if (error instanceof StoreWriteError) return new StatusError(error.full ? 507 : 500, 'InternalError', error.message)
  if (error instanceof CompactedError) return new StatusError(410, 'Expired', error.message)
  // Documents nested beyond reason end recursions; everything else is a bug of ours.
  if (error instanceof RangeError && /call stack/.test(error.message))
    return badRequest('the object is nested too deeply')
  return internal(errorMessage(error))
}
