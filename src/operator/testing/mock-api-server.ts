import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubeObject, ResourceType } from '#kube'
import { clone, equal, isObject } from '#lib'

interface Target {
  /** `group/plural` */
  resource: string
  namespace?: string
  name?: string
  subresource?: string
}

interface OpenWatch {
  readonly target: Target
  readonly query: URLSearchParams
  readonly response: ServerResponse
}

interface Recorded {
  rv: number
  resource: string
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: KubeObject
}

/**
 * As much of a Kubernetes API server on a loopback socket as an operator needs, and a hand on every fault that a real one
 * has: `intercept` sees each request first and may answer it in any broken way.
 */
export class MockApiServer {
  readonly requests: { method: string; path: string; query: URLSearchParams; authorization: string | undefined }[] = []
  readonly watches = new Set<OpenWatch>()
  /** Returns true when it took the request over. */
  intercept: ((request: IncomingMessage, response: ServerResponse, url: URL) => boolean) | undefined
  #revision = 100
  #compacted = 0
  readonly #objects = new Map<string, KubeObject>()
  readonly #history: Recorded[] = []
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch((error) => {
      if (error instanceof Failure) status(response, error.code, error.reason, error.message)
      else status(response, 500, 'InternalError', String(error?.stack))
    })
  })

  static async start(t: { after(fn: () => unknown): void }): Promise<MockApiServer> {
    const server = new MockApiServer()
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  /** Writes as another client would. */
  put(type: ResourceType, object: Partial<KubeObject> & { metadata: KubeObject['metadata'] }): KubeObject {
    const apiVersion = type.group ? `${type.group}/${type.version}` : type.version
    return this.#store(resourceOf(type), { apiVersion, kind: type.kind, ...clone(object) })
  }

  get(type: ResourceType, name: string, namespace?: string): any {
    return this.#objects.get(keyOf({ resource: resourceOf(type), name, ...(namespace && { namespace }) }))
  }

  all(type: ResourceType): any[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${resourceOf(type)}|`)).map(([, object]) => object)
  }

  remove(type: ResourceType, name: string, namespace?: string): void {
    this.#remove({ resource: resourceOf(type), name, ...(namespace && { namespace }) })
  }

  /** Forgets history: older resourceVersions are answered with 410. */
  compact(): void {
    this.#compacted = this.#revision
    this.#history.length = 0
  }

  bookmark(): void {
    for (const { response } of this.watches)
      send(response, { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.#revision) } } })
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://mock')
    const { authorization } = request.headers
    this.requests.push({ method: request.method ?? '', path: url.pathname, query: url.searchParams, authorization })
    if (this.intercept?.(request, response, url)) return
    const target = parse(url.pathname)
    if (request.method === 'GET' && url.searchParams.get('watch')) return this.#watch(target, url, response)
    if (request.method === 'GET')
      return json(response, 200, target.name ? this.#find(target) : this.#list(target, url.searchParams))
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined
    if (request.method === 'POST') return json(response, 201, this.#create(target, body))
    if (request.method === 'DELETE') return json(response, 200, this.#delete(target, body))
    if (request.method === 'PUT')
      return json(
        response,
        200,
        this.#update(target, body, () => body),
      )
    const type = request.headers['content-type'] ?? ''
    if (type.includes('apply') && !this.#objects.has(keyOf(target)))
      return json(response, 201, this.#create(target, body))
    const patched = (old: KubeObject) => (type.includes('json-patch') ? jsonPatch(old, body) : merge(old, body))
    json(response, 200, this.#update(target, body, patched))
  }

  #list(target: Target, query: URLSearchParams): object {
    const limit = Number(query.get('limit') ?? 0)
    const [start = 0, rv = this.#revision] = query.get('continue')?.split('@').map(Number) ?? []
    if (rv < this.#compacted) throw new Failure(410, 'Expired', 'the continue token is too old')
    const all = [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${target.resource}|`) && inNamespace(object, target))
      .map(([, object]) => object)
    const items = limit > 0 ? all.slice(start, start + limit) : all
    const more = start + items.length < all.length
    const metadata = { resourceVersion: String(rv), ...(more && { continue: `${start + items.length}@${rv}` }) }
    return { kind: 'List', apiVersion: 'v1', metadata, items }
  }

  #watch(target: Target, url: URL, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const from = Number(url.searchParams.get('resourceVersion') ?? 0)
    if (from < this.#compacted) {
      send(response, { type: 'ERROR', object: failure(410, 'Expired', `too old resource version: ${from}`) })
      response.end()
      return
    }
    for (const event of this.#history)
      if (event.resource === target.resource && event.rv > from && inNamespace(event.object, target))
        send(response, { type: event.type, object: event.object })
    const watch = { target, query: url.searchParams, response }
    this.watches.add(watch)
    response.once('close', () => this.watches.delete(watch))
  }

  #create(target: Target, body: KubeObject): KubeObject {
    const name = body.metadata.name ?? `${body.metadata.generateName}${this.#revision}`
    const place = { ...target, name }
    if (this.#objects.has(keyOf(place))) throw new Failure(409, 'AlreadyExists', `${name} already exists`)
    return this.#store(target.resource, { ...body, metadata: { ...body.metadata, name } })
  }

  #update(target: Target, body: any, change: (old: KubeObject) => KubeObject): KubeObject {
    const old = this.#find(target)
    const { resourceVersion, uid } = body?.metadata ?? {}
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw new Failure(409, 'Conflict', 'the object has been modified')
    if (uid !== undefined && uid !== old.metadata.uid) throw new Failure(409, 'Conflict', 'the uid does not match')
    const changed = change(clone(old))
    const next =
      target.subresource === 'status'
        ? { ...old, status: changed['status'] }
        : { ...changed, ...(old['status'] !== undefined && { status: old['status'] }) }
    next.metadata = { ...next.metadata, ...{ uid: old.metadata.uid, resourceVersion: old.metadata.resourceVersion } }
    if (equal(next, old)) return old
    if (old.metadata.deletionTimestamp && !(next.metadata.finalizers?.length ?? 0)) {
      this.#remove(target)
      return next
    }
    return this.#store(target.resource, next)
  }

  #delete(target: Target, options: any): KubeObject {
    const old = this.#find(target)
    const { uid } = options?.preconditions ?? {}
    if (uid && uid !== old.metadata.uid)
      throw new Failure(409, 'Conflict', 'the UID in the precondition does not match')
    if (!old.metadata.finalizers?.length) {
      this.#remove(target)
      return old
    }
    if (old.metadata.deletionTimestamp) return old
    return this.#store(target.resource, {
      ...old,
      metadata: { ...old.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
    })
  }

  #find(target: Target): KubeObject {
    const object = this.#objects.get(keyOf(target))
    if (!object) throw new Failure(404, 'NotFound', `${target.resource} "${target.name}" not found`)
    return object
  }

  #store(resource: string, object: KubeObject): KubeObject {
    const key = keyOf({ resource, ...(object.metadata as { name: string; namespace?: string }) })
    const old = this.#objects.get(key)
    const rv = ++this.#revision
    const generation = (old?.metadata.generation ?? 0) + (old && equal(old['spec'], object['spec']) ? 0 : 1)
    const uid = object.metadata.uid ?? old?.metadata.uid ?? `uid-${rv}`
    const stored = { ...object, metadata: { ...object.metadata, uid, generation, resourceVersion: String(rv) } }
    this.#objects.set(key, stored)
    this.#publish({ rv, resource, type: old ? 'MODIFIED' : 'ADDED', object: stored })
    return stored
  }

  #remove(target: Target): void {
    const old = this.#find(target)
    this.#objects.delete(keyOf(target))
    const rv = ++this.#revision
    const object = { ...old, metadata: { ...old.metadata, resourceVersion: String(rv) } }
    this.#publish({ rv, resource: target.resource, type: 'DELETED', object })
  }

  #publish(event: Recorded): void {
    this.#history.push(event)
    for (const { target, response } of this.watches)
      if (target.resource === event.resource && inNamespace(event.object, target))
        send(response, { type: event.type, object: event.object })
  }
}

class Failure extends Error {
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string, message: string) {
    super(message)
    this.code = code
    this.reason = reason
  }
}

export function failure(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }
}

export function status(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  json(response, code, failure(code, reason, message), headers)
}

export function json(response: ServerResponse, code: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function send(response: ServerResponse, event: object): void {
  if (!response.writableEnded) response.write(`${JSON.stringify(event)}\n`)
}

const resourceOf = (type: ResourceType) => `${type.group}/${type.plural}`
const keyOf = ({ resource, namespace = '', name = '' }: Target) => `${resource}|${namespace}|${name}`
const inNamespace = (object: KubeObject, { namespace }: Target) =>
  namespace === undefined || object.metadata.namespace === namespace

function parse(path: string): Target {
  const parts = path.split('/').slice(1).map(decodeURIComponent)
  const group = parts.shift() === 'api' ? '' : parts.shift()!
  parts.shift()
  const namespaced = parts[0] === 'namespaces' && parts.length > 2
  const namespace = namespaced ? parts.splice(0, 2)[1] : undefined
  const [plural, name, subresource] = parts
  return {
    resource: `${group}/${plural}`,
    ...(namespace && { namespace }),
    ...(name && { name }),
    ...(subresource && { subresource }),
  }
}

function merge(old: any, patch: any): any {
  if (!isObject(patch)) return patch
  const next: Record<string, any> = isObject(old) ? { ...old } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete next[key]
    else next[key] = merge(next[key], value)
  }
  return next
}

function jsonPatch(old: any, operations: { op: string; path: string; value?: unknown }[]): any {
  for (const { op, path, value } of operations) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = keys.pop()!
    const parent = keys.reduce((at, key) => at?.[key], old)
    if (op === 'test' && !equal(parent?.[last], value)) throw new Failure(422, 'Invalid', 'the test failed')
    if (op === 'remove') Array.isArray(parent) ? parent.splice(Number(last), 1) : delete parent[last]
    if (op === 'add' || op === 'replace') parent[last] = value
  }
  return old
}
