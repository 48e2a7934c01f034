import { createHash } from 'node:crypto'
import { constants, gunzipSync, gzipSync } from 'node:zlib'
import { version } from '../health.ts'
import { notAcceptable } from '../negotiate.ts'
import type { Api, ApiRequest, ApiResponse } from '../request.ts'
import { Definitions, definitionName, type Json } from './definitions.ts'
import { pathsOf } from './paths.ts'
import { prose } from './prose.ts'
import { encodeDocument } from './protobuf.ts'

interface Document {
  /** Compressed: most clients take it so, and documents of everything are large. */
  packed: Buffer
  etag: string
}

const caches = new WeakMap<Api, { generation: number; documents: Map<string, Document> }>()

/** Makes a document once per state of the registry. */
function document(api: Api, key: string, make: () => Buffer): Document {
  let cache = caches.get(api)
  if (cache?.generation !== api.registry.generation) {
    cache = { generation: api.registry.generation, documents: new Map() }
    caches.set(api, cache)
  }
  let found = cache.documents.get(key)
  if (!found) {
    const body = make()
    const etag = createHash('sha512').update(body).digest('hex').toUpperCase()
    found = { packed: gzipSync(body, { level: constants.Z_BEST_SPEED }), etag }
    cache.documents.set(key, found)
  }
  return found
}

function answer(request: ApiRequest, { packed, etag }: Document, headers: Record<string, string>): ApiResponse {
  headers = { ...headers, vary: 'Accept', etag: `"${etag}"` }
  if (request.headers['if-none-match'] === `"${etag}"`) return { status: 304, headers, body: Buffer.alloc(0) }
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? ''))
    return { status: 200, headers, body: gunzipSync(packed) }
  headers = { ...headers, vary: 'Accept, Accept-Encoding', 'content-encoding': 'gzip' }
  return { status: 200, headers, body: packed }
}

const title = { title: 'Kubernetes', version: version.gitVersion }
/** What is answered: the asked form, with an @, is no valid media type for Go's parser. */
const protobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** `/openapi/v2` and `/openapi/v3…`; undefined for other paths. */
export function openapi(api: Api, request: ApiRequest): ApiResponse | undefined {
  const { path } = request
  if (path === '/openapi/v2') return v2(api, request)
  if (path === '/openapi/v3' || path === '/openapi/v3/') return v3Index(api)
  return path.startsWith('/openapi/v3/') ? v3(api, request, path.slice('/openapi/v3/'.length)) : undefined
}

function v2Document(api: Api): Json {
  const definitions = new Definitions(false, prose())
  const paths: Json = {}
  for (const info of api.registry.all()) {
    definitions.add(info)
    Object.assign(paths, pathsOf(info, definitionName(info), false))
  }
  return { swagger: '2.0', info: title, paths, definitions: definitions.collected }
}

function v2(api: Api, request: ApiRequest): ApiResponse {
  const accept = request.headers['accept'] ?? '*/*'
  // Old clients write the media type without the @.
  const binary = accept.includes('proto-openapi.spec.v2')
  if (!binary && !/json|\*\/\*/.test(accept)) throw notAcceptable()
  const made = binary
    ? document(api, 'v2.pb', () => encodeDocument(v2Document(api)))
    : document(api, 'v2.json', () => Buffer.from(JSON.stringify(v2Document(api))))
  return answer(request, made, { 'content-type': binary ? protobuf : 'application/json' })
}

function groupVersions(api: Api): string[] {
  const all = api.registry.all().map(({ group, version: v }) => (group === '' ? `api/${v}` : `apis/${group}/${v}`))
  return [...new Set(all)]
}

function v3Document(api: Api, groupVersion: string): Document {
  return document(api, groupVersion, () => {
    const definitions = new Definitions(true, prose())
    const paths: Json = {}
    for (const info of api.registry.all()) {
      const own = info.group === '' ? `api/${info.version}` : `apis/${info.group}/${info.version}`
      if (own !== groupVersion) continue
      definitions.add(info)
      Object.assign(paths, pathsOf(info, definitionName(info), true))
    }
    return Buffer.from(
      JSON.stringify({ openapi: '3.0.0', info: title, paths, components: { schemas: definitions.collected } }),
    )
  })
}

/** Grows with what the documents say of one and the same registry: clients keep them for ever. */
const form = '2'

/** The registry's state names the content well enough, so that the index needs no document to be made. */
function hashOf(api: Api): string {
  return createHash('sha256').update(form).update(api.registry.fingerprint).digest('hex').toUpperCase()
}

function v3Index(api: Api): ApiResponse {
  const hash = hashOf(api)
  const paths = Object.fromEntries(
    groupVersions(api).map((name) => [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }]),
  )
  return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify({ paths })) }
}

function v3(api: Api, request: ApiRequest, groupVersion: string): ApiResponse | undefined {
  if (!groupVersions(api).includes(groupVersion)) return undefined
  const asked = request.query.get('hash')
  if (asked && asked !== hashOf(api)) {
    // Whoever remembers an older index is led to what is served now, and caches nothing wrong for ever.
    const location = `/openapi/v3/${groupVersion}?hash=${hashOf(api)}`
    return { status: 301, headers: { location, 'content-type': 'text/html; charset=utf-8' }, body: Buffer.alloc(0) }
  }
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (asked) headers['cache-control'] = 'public, immutable'
  return answer(request, v3Document(api, groupVersion), headers)
}
