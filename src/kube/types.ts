import type { Duplex } from 'node:stream'
import type { ObjectMeta } from './generated/types.ts'

/** Any Kubernetes object: plain JSON, unknown fields survive. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  [field: string]: any
}

/** Where a kind is served. `T` is the object's TypeScript type and exists at compile time only. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** API group, `''` for core. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  readonly __object?: T
}

export interface ListMeta {
  resourceVersion?: string
  continue?: string
  remainingItemCount?: number
}

export interface KubeList<T extends KubeObject = KubeObject> {
  apiVersion: string
  kind: string
  metadata: ListMeta
  items: T[]
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: T }
  | { type: 'ERROR'; object: { code: number; reason?: string; message?: string } & Record<string, any> }

export interface ListOptions {
  /** Undefined = all namespaces (or a cluster-scoped kind). */
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  limit?: number
  continue?: string
  resourceVersion?: string
  resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  signal?: AbortSignal
}

export interface ListAllOptions<T extends KubeObject> extends ListOptions {
  /** Applied to each item before the next is parsed, so that what is dropped of a long list is never held at once. Items come without managedFields then. */
  map?: (item: T) => T
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  timeoutSeconds?: number
  allowWatchBookmarks?: boolean
  sendInitialEvents?: boolean
}

export interface WriteOptions {
  fieldManager?: string
  dryRun?: boolean
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict'
  subresource?: string
  signal?: AbortSignal
}

export interface ApplyOptions extends WriteOptions {
  fieldManager: string
  /** Take fields over that another manager owns. @default true, as for controllers */
  force?: boolean
}

export interface DeleteOptions {
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  gracePeriodSeconds?: number
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: boolean
  signal?: AbortSignal
}

export interface LogOptions {
  container?: string
  follow?: boolean
  previous?: boolean
  tailLines?: number
  sinceSeconds?: number
  limitBytes?: number
  timestamps?: boolean
  signal?: AbortSignal
}

/** What of a running container is joined to the caller. */
export interface AttachOptions {
  container?: string
  /** Sent to standard input; its end is the input's end. */
  stdin?: AsyncIterable<Uint8Array>
  /** Takes the output; what it returns is waited for before more is read. */
  stdout?: (chunk: Uint8Array) => void | Promise<void>
  /** Not with `tty`: there is one output. */
  stderr?: (chunk: Uint8Array) => void | Promise<void>
  /** The other end is a terminal. */
  tty?: boolean
  /** The streams are up. */
  onOpen?: (handle: StreamHandle) => void
  /** Cuts the streams. */
  signal?: AbortSignal
}

export interface ExecOptions extends AttachOptions {
  command: readonly string[]
}

export interface StreamHandle {
  /** The size of the caller's terminal. */
  resize(columns: number, rows: number): void
}

/** One HTTP exchange with an API server; the seam between the client and how it gets there. */
export interface Transport {
  request(request: TransportRequest): Promise<TransportResponse>
  /** A request with an `Upgrade` header; `socket` is there when it was granted (101), and belongs to the caller. */
  upgrade?(request: TransportRequest): Promise<TransportResponse & { socket?: Duplex }>
  close(): void
}

export interface TransportRequest {
  method: string
  /** Path and query, as on the request line. */
  path: string
  headers: Record<string, string>
  body?: string | Uint8Array
  signal?: AbortSignal
}

export interface TransportResponse {
  status: number
  /** Lower-case names. */
  headers: Record<string, string | string[] | undefined>
  /** The body, chunk by chunk. Must be consumed, or the request aborted. */
  body: AsyncIterable<Uint8Array>
}

/** The Kubernetes API as the rest of Cuddle sees it. Failures are ApiError with the server's Status. */
export interface Kube {
  /** Throws ApiError 404 when it is not there. */
  get<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    namespace?: string,
    options?: { signal?: AbortSignal },
  ): Promise<T>
  /** Undefined when it is not there. */
  find<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    namespace?: string,
    options?: { signal?: AbortSignal },
  ): Promise<T | undefined>
  /** One page, exactly as asked. */
  list<T extends KubeObject>(type: ResourceType<T>, options?: ListOptions): Promise<KubeList<T>>
  /** All pages (limit 500 each), restarted when a continue token expires. */
  listAll<T extends KubeObject>(type: ResourceType<T>, options?: ListAllOptions<T>): Promise<KubeList<T>>
  /** POST. Namespace and name (or generateName) from the object's metadata. */
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>
  /** PUT. */
  replace<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    ref: { name: string; namespace?: string },
    patch: object,
    options?: WriteOptions & { type?: 'merge' | 'json' | 'strategic' },
  ): Promise<T>
  /** Server-side apply. Name and namespace from the object's metadata. */
  apply<T extends KubeObject>(type: ResourceType<T>, object: KubeObject, options: ApplyOptions): Promise<T>
  delete<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    namespace?: string,
    options?: DeleteOptions,
  ): Promise<void>
  deleteCollection<T extends KubeObject>(type: ResourceType<T>, options: ListOptions & DeleteOptions): Promise<void>
  /** One watch request; ends when the server ends it. The reflector is what reconnects. */
  watch<T extends KubeObject>(type: ResourceType<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>
  /** Lines of a container's log; with `follow`, until it ends or the signal aborts. */
  logs(name: string, namespace: string, options?: LogOptions): AsyncIterable<string>
  /**
   * Runs a command in a container, beside its main process; resolves with its exit code. ApiError when it cannot be run.
   * Over the WebSocket subprotocol v5.channel.k8s.io, on older servers v4, where the end of stdin cannot be told.
   */
  exec(name: string, namespace: string, options: ExecOptions): Promise<number>
  /** Joins the main process of a container, until that ends. */
  attach(name: string, namespace: string, options: AttachOptions): Promise<void>
  /** A port of a pod as a stream of bytes, through the API server: for whoever cannot reach pods. ApiError when it refuses. */
  openPort(name: string, namespace: string, options: { port: number; signal?: AbortSignal }): Promise<Duplex>
  /** POST policy/v1 Eviction; ApiError 429 when a budget forbids it. */
  evict(name: string, namespace: string, options?: DeleteOptions): Promise<void>
  /** Finds how a kind is served, from discovery (cached); undefined when it is not. */
  resolve(apiVersion: string, kind: string): Promise<ResourceType | undefined>
  /** Anything else: JSON in, JSON out. */
  request<R = any>(
    method: string,
    path: string,
    options?: { body?: unknown; contentType?: string; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<R>
  /** The transport below, for streams. */
  readonly transport: Transport
  close(): void
}

export type { Condition, LabelSelector, ObjectMeta, OwnerReference } from './generated/types.ts'
