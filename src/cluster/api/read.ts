import type { KubeObject } from '#kube'
import type { ResourceInfo } from '../machinery/index.ts'
import { CompactedError, type Stored } from '../store/index.ts'
import { fromStorage } from './convert.ts'
import { jsonError } from './json-error.ts'
import { bytesOf, type Format, negotiate, partial, pretty, render, renderObject, tableOf } from './negotiate.ts'
import { type ApiResponse, flag, idOf, type ResourceRequest } from './request.ts'
import { predicateOf } from './selectors.ts'
import { badRequest, invalid, invalidOptions, notFound, StatusError } from './status.ts'

/** GET of one object. */
export async function get(rr: ResourceRequest): Promise<ApiResponse> {
  const stored = await current(rr)
  return renderObject(rr.request, rr.info, 200, stored, rr.api.clock.now())
}

/** The committed object that the request names, or 404. */
export async function current(rr: ResourceRequest): Promise<Stored> {
  const version = resourceVersionOf(rr.request.query)
  if (version) await waitFor(rr, version)
  const stored = rr.api.store.get(rr.resource, idOf(rr.namespace, rr.name!))
  if (!stored) throw notFound(rr.info, rr.name!)
  return stored
}

/** The resourceVersion parameter; 0 when it is absent or `0`. Throws 400 for what is no unsigned integer, watches a bare 500. */
export function resourceVersionOf(query: URLSearchParams, watching = false): number {
  const text = query.get('resourceVersion')
  if (!text) return 0
  if (!/^\d{1,15}$/.test(text)) {
    const problem = `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`
    throw watching ? new StatusError(500, undefined, problem) : badRequest(`invalid resource version: ${problem}`)
  }
  return Number(text)
}

/** A revision from the future is waited for as long as kube-apiserver does (3 s), then answered with 504. */
export async function waitFor(rr: ResourceRequest, version: number): Promise<void> {
  const { store, clock } = rr.api
  for (let waited = 0; store.revision < version; waited += 50) {
    if (waited >= 3000) {
      throw new StatusError(
        504,
        'Timeout',
        `Timeout: Too large resource version: ${version}, current: ${store.revision}`,
        {
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
          retryAfterSeconds: 1,
        },
      )
    }
    await clock.sleep(50, rr.request.signal)
  }
}

const needsVersion = 'resourceVersionMatch is forbidden unless resourceVersion is provided'

/** Refuses combinations of resourceVersion, its match and sendInitialEvents as ValidateListOptions does. */
export function checkListOptions(query: URLSearchParams, watching: boolean): void {
  const match = query.get('resourceVersionMatch') ?? ''
  const version = query.get('resourceVersion') ?? ''
  const forbid = (field: string, text: string) =>
    invalidOptions('ListOptions', field, 'FieldValueForbidden', `Forbidden: ${text}`)
  const initial = query.get('sendInitialEvents')
  if (initial !== null) {
    const unversioned = match !== '' && version === ''
    if (!watching && unversioned) {
      const reason = 'FieldValueForbidden'
      throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
        { reason, message: `Forbidden: ${needsVersion}`, field: 'resourceVersionMatch' },
        { reason, message: 'Forbidden: sendInitialEvents is forbidden for list', field: 'sendInitialEvents' },
      ])
    }
    if (!watching) throw forbid('sendInitialEvents', 'sendInitialEvents is forbidden for list')
    if (match !== 'NotOlderThan') {
      const needed = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'
      if (match === '') throw forbid('resourceVersionMatch', needed)
      const field = 'resourceVersionMatch'
      const message = `Unsupported value: ${JSON.stringify(match)}: supported values: "NotOlderThan"`
      throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
        { reason: 'FieldValueForbidden', message: `Forbidden: ${needed}`, field },
        { reason: 'FieldValueNotSupported', message, field },
      ])
    }
    return
  }
  if (match === '') return
  if (watching)
    throw forbid(
      'resourceVersionMatch',
      'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    )
  if (version === '') throw forbid('resourceVersionMatch', needsVersion)
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    throw invalidOptions(
      'ListOptions',
      'resourceVersionMatch',
      'FieldValueNotSupported',
      `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`,
    )
  }
  if (match === 'Exact' && version === '0') {
    throw forbid('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
  }
}

interface Page {
  items: readonly Stored[]
  revision: number
  next: string
  remaining: number | undefined
}

/** GET of a collection. */
export async function list(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  checkListOptions(rr.request.query, false)
  const page = await select(rr)
  const metadata: Record<string, unknown> = { resourceVersion: String(page.revision) }
  if (page.next) metadata['continue'] = page.next
  if (page.remaining !== undefined) metadata['remainingItemCount'] = page.remaining
  if (format.as === 'object' && !format.yaml && !pretty(rr.request)) return encoded(rr, page, metadata)
  return render(rr.request, format, 200, shaped(rr, format, page, metadata))
}

/** The joined bytes of the items: nothing is parsed or serialised but the few words around them. */
function encoded(rr: ResourceRequest, page: Page, metadata: object): ApiResponse {
  const { info, api } = rr
  const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`
  const head = JSON.stringify({ kind: info.listKind, apiVersion, metadata })
  const opening = Buffer.from(`${head.slice(0, -1)},"items":[`)
  const items = api.lists.join(`${apiVersion} ${info.plural}`, page.items, (some, comma) => join(info, some, comma))
  return { status: 200, headers: { 'content-type': 'application/json' }, body: [opening, ...items, closing] }
}

const closing = Buffer.from(']}')

/** Items of a list with commas between them, and before the first if `comma`. */
function join(info: ResourceInfo, items: readonly Stored[], comma: boolean): Buffer {
  const said = saidOf(info)
  const parts = items.map((stored) => {
    const { bytes } = stored
    const says = bytes.length > said.length && bytes.compare(said, 0, said.length, 0, said.length) === 0
    if (info.custom) return { bytes: says ? bytes : bytesOf(info, stored), from: 0 }
    // Items of built-in kinds do not repeat what the list says; those of definitions do.
    if (says) return { bytes, from: said.length }
    return { bytes: Buffer.from(JSON.stringify(unnamed(info, fromStorage(info, stored.object)))), from: 0 }
  })
  const size = parts.reduce((sum, { bytes, from }) => sum + bytes.length - from + (from > 0 ? 2 : 1), 0)
  const joined = Buffer.allocUnsafeSlow(comma ? size : size - 1)
  let at = 0
  for (const [index, { bytes, from }] of parts.entries()) {
    if (comma || index > 0) joined[at++] = 0x2c
    if (from > 0) joined[at++] = 0x7b
    at += bytes.copy(joined, at, from)
  }
  return joined
}

const said = new WeakMap<ResourceInfo, Buffer>()

/** How the stored bytes of an object in this version begin. */
function saidOf(info: ResourceInfo): Buffer {
  let bytes = said.get(info)
  if (!bytes) {
    const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`
    bytes = Buffer.from(`${JSON.stringify({ apiVersion, kind: info.kind }).slice(0, -1)},`)
    said.set(info, bytes)
  }
  return bytes
}

/** An object as an item of a list: of built-in kinds without what the list says already. */
export function unnamed(info: ResourceInfo, object: KubeObject): object {
  if (info.custom) return object
  const { apiVersion: _, kind: __, ...rest } = object
  return rest
}

function shaped(rr: ResourceRequest, format: Format, page: Page, metadata: Record<string, unknown>): unknown {
  const { info, request, api } = rr
  const objects = page.items.map((stored) => fromStorage(info, stored.object))
  if (format.as === 'table') return tableOf(request, info, objects, format, api.clock.now(), metadata)
  if (format.as === 'partial') {
    return {
      kind: 'PartialObjectMetadataList',
      apiVersion: `meta.k8s.io/${format.version}`,
      metadata,
      items: objects.map((object) => partial(object, format)),
    }
  }
  const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`
  return { kind: info.listKind, apiVersion, metadata, items: objects.map((object) => unnamed(info, object)) }
}

/** The items of a list request: revision rules, selectors, limit and continue (embedded-kube facts §1.5). */
export async function select(rr: ResourceRequest): Promise<Page> {
  const { query } = rr.request
  checkInteger(query, 'timeoutSeconds')
  const limit = limitOf(query)
  const token = query.get('continue')
  const version = resourceVersionOf(query)
  if (token && query.get('resourceVersion')) {
    throw badRequest('specifying resource version is not allowed when using continue')
  }
  const { store } = rr.api
  const predicate = predicateOf(rr.info, query, rr.name)
  const exact = query.get('resourceVersionMatch') === 'Exact'
  if (version > 0) await waitFor(rr, version)
  // A revision that is not exact and a limit are served from the cache, which ignores the limit, for `0` only.
  const unlimited = query.get('resourceVersion') === '0'
  const start = token ? parseToken(token) : undefined
  const revision = start && start.rv > 0 ? start.rv : exact ? version : store.revision
  if (!predicate && revision >= store.revision) {
    const bound = limit === 0 || unlimited ? undefined : limit
    const { items, remaining } = store.page(rr.resource, rr.namespace, start?.start, bound)
    if (remaining === 0) return { items, revision, next: '', remaining: undefined }
    return { items, revision, next: makeToken(revision, items[items.length - 1].id), remaining }
  }
  let items = at(rr, revision, start)
  if (start) items = items.slice(firstAfter(items, start.start))
  if (predicate) items = items.filter((stored) => predicate(stored.object))
  if (limit === 0 || unlimited || items.length <= limit) return { items, revision, next: '', remaining: undefined }
  const page = items.slice(0, limit)
  return {
    items: page,
    revision,
    next: makeToken(revision, page[page.length - 1].id),
    remaining:
      predicate && (query.get('labelSelector') || query.get('fieldSelector')) ? undefined : items.length - limit,
  }
}

function at(rr: ResourceRequest, revision: number, start: { start: string } | undefined): readonly Stored[] {
  const { store } = rr.api
  if (revision >= store.revision) return store.list(rr.resource, rr.namespace)
  try {
    return store.snapshot(rr.resource, revision, rr.namespace)
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error
    if (!start) throw new StatusError(410, 'Expired', `The resourceVersion for the provided list is too old.`)
    throw new StatusError(
      410,
      'Expired',
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
      undefined,
      makeToken(-1, start.start),
    )
  }
}

function firstAfter(items: readonly Stored[], id: string): number {
  const index = items.findIndex((stored) => stored.id > id)
  return index < 0 ? items.length : index
}

function checkInteger(query: URLSearchParams, name: string): void {
  const text = query.get(name)
  if (text && !/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit')
  if (!text) return 0
  checkInteger(query, 'limit')
  return Math.max(0, Number(text))
}

function makeToken(rv: number, last: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start: `/${last}\0` })).toString('base64url')
}

function parseToken(token: string): { rv: number; start: string } {
  const bytes = Buffer.from(token, 'base64url')
  const refuse = (problem: string) => badRequest(`invalid continue token: continue key is not valid: ${problem}`)
  let parsed: any
  try {
    parsed = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw refuse(jsonError(bytes))
  }
  const { v, rv, start } = parsed ?? {}
  if (v !== 'meta.k8s.io/v1') throw refuse(`server does not recognize this encoded version ${JSON.stringify(v ?? '')}`)
  if (!Number.isSafeInteger(rv) || rv === 0)
    throw refuse('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (typeof start !== 'string' || start === '') throw refuse('encoded start key empty (version meta.k8s.io/v1)')
  return { rv, start: start.replace(/^\//, '').replace(/\0$/, '') }
}

/** True for GETs that are watches. */
export function watching(query: URLSearchParams): boolean {
  return flag(query, 'watch')
}
