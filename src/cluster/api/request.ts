import { type Clock, type Logger, rfc3339 } from '#lib'
import type { ResourceInfo } from '../machinery/index.ts'
import type { Pki } from '../pki/index.ts'
import type { Store } from '../store/index.ts'
import type { Plugin } from './admission/plugin.ts'
import type { Aggregation } from './aggregation/index.ts'
import type { Limits } from './limits/index.ts'
import type { ListCache } from './list-cache.ts'
import type { Rbac } from './rbac/index.ts'
import type { Registry } from './registry.ts'

export interface User {
  name: string
  uid?: string
  groups: readonly string[]
  extra?: Record<string, string[]>
}

/** One request, whatever carried it: HTTP/1.1, h2 or a call in the same process. */
export interface ApiRequest {
  method: string
  /** Path without the query, still percent-encoded. */
  path: string
  query: URLSearchParams
  /** Lower-case names. */
  headers: Record<string, string | undefined>
  user: User
  /** The whole body. Rejects with StatusError 413 beyond `limit` bytes. */
  body(limit: number): Promise<Buffer>
  /** Aborts when the client has gone. */
  signal: AbortSignal
  /** The client asks for the connection itself, to carry streams (`Upgrade:`). */
  upgrade?: boolean
}

export interface ApiResponse {
  status: number
  headers: Record<string, string | string[]>
  /** Bytes to send, or a function that writes for as long as it likes. */
  body: Buffer | readonly Buffer[] | ((sink: Sink) => void)
  /** Of an upgrade that is granted: where the connection leads. */
  upstream?: Upstream
}

export interface Upstream {
  host: string
  port: number
  path: string
  /** Of a proxied request: what is asked beside the upgrade itself. Without them it is the kubelet API. */
  headers?: Record<string, string | string[]>
  /** Of a proxied request: options of TLS, where there is any. */
  tls?: object
}

/** Where a stream is written to. */
export interface Sink {
  write(chunk: Uint8Array): void
  end(): void
  /** Cuts the stream off without a proper end. */
  destroy(): void
  /** Calls `fn` whenever the client has taken what was buffered, where the carrier can tell. */
  onDrain?(fn: () => void): void
  /** Bytes that the client has not taken yet. */
  readonly buffered: number
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal
}

/** What the handlers share. */
export interface Api {
  readonly store: Store
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly pki: Pki
  readonly counters: Counters
  readonly lists: ListCache
  readonly admission: readonly Plugin[]
  /** Role-based access control: loaded for the first user who is no administrator, or who looks at roles. */
  readonly rbac: Lazy<Rbac>
  /** LimitRanges and ResourceQuotas: loaded for the first request for either. */
  readonly limits: Lazy<Limits>
  /** Groups that APIServices give to other servers: loaded with the first such APIService. */
  readonly aggregation: Lazy<Aggregation>
}

/** A part of the server that is loaded when it is first needed. */
export interface Lazy<T extends { close(): void }> {
  /** Undefined before it was ever asked for. */
  current: T | undefined
  load(): Promise<T>
}

export interface Counters {
  requests: Map<string, number>
  watches: number
}

/** A request for a resource, its parts resolved. */
export interface ResourceRequest {
  readonly api: Api
  readonly request: ApiRequest
  readonly info: ResourceInfo
  /** The store's name of the resource. */
  readonly resource: string
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
  /** What follows the subresource in the path. */
  readonly rest: string
  /** Texts for Warning headers. */
  readonly warnings: string[]
}

/** Kubernetes' reading of a boolean query parameter: present and neither `false` nor `0`. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  return value !== null && value !== 'false' && value !== '0'
}

/** The store's id of an object. */
export function idOf(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}

/** metav1.Time of now. */
export function nowOf(api: Api): string {
  return rfc3339(api.clock.now())
}
