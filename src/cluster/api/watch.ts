import { randomInt } from 'node:crypto'
import type { JsonObject } from '#lib'
import { CompactedError, type Stored, type StoreEvent } from '../store/index.ts'
import { fromStorage } from './convert.ts'
import { bytesOf, type Format, negotiate, shape } from './negotiate.ts'
import { checkListOptions, resourceVersionOf, waitFor } from './read.ts'
import { type ApiResponse, flag, type ResourceRequest, type Sink } from './request.ts'
import { type Predicate, predicateOf } from './selectors.ts'
import { badRequest, StatusError } from './status.ts'

/** A watcher that leaves this many bytes unread is cut off: writers never wait, and the client lists again. */
const slowLimit = 16 * 1024 * 1024
const bookmarkEvery = 60_000
const newline = Buffer.from('}\n')

/** GET with `watch`: a stream of events (facts §1.5). */
export async function watch(rr: ResourceRequest): Promise<ApiResponse> {
  const { query } = rr.request
  const format = negotiate(rr.request)
  checkListOptions(query, true)
  const version = resourceVersionOf(query, true)
  const predicate = predicateOf(rr.info, query, rr.name)
  const initial = query.get('sendInitialEvents')
  if (initial !== null && flag(query, 'sendInitialEvents') && version > 0) await waitFor(rr, version)
  const seconds = timeoutOf(query)
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: (sink) => new Watcher(rr, format, predicate, sink).run(version, seconds * 1000),
  }
}

function timeoutOf(query: URLSearchParams): number {
  const text = query.get('timeoutSeconds')
  if (!text) return randomInt(1800, 3600)
  if (!/^\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text) || randomInt(1800, 3600)
}

type EventType = StoreEvent['type']

/** The line that was made last: watchers of a resource are served one after the other, so one is enough to share the work. */
let shared: { key: string; stored: Stored; type: EventType; line: Buffer } | undefined

class Watcher {
  readonly #rr: ResourceRequest
  readonly #format: Format
  readonly #predicate: Predicate | undefined
  readonly #sink: Sink
  #bookmarked = 0
  #seen = 0
  #told = false

  constructor(rr: ResourceRequest, format: Format, predicate: Predicate | undefined, sink: Sink) {
    this.#rr = rr
    this.#format = format
    this.#predicate = predicate
    this.#sink = sink
  }

  run(version: number, timeoutMs: number): void {
    const { api, resource, request } = this.#rr
    const initial = request.query.get('sendInitialEvents')
    const bookmarks = flag(request.query, 'allowWatchBookmarks')
    const prefix = initial === null ? version === 0 : flag(request.query, 'sendInitialEvents')
    try {
      // Without a revision a watch that takes bookmarks is one with initial events (SetListOptionsDefaults).
      if (prefix) this.#initial(bookmarks)
      else if (version > 0) for (const event of api.store.since(resource, version)) this.#event(event)
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error
      const expired = new StatusError(410, 'Expired', error.message)
      this.#sink.write(Buffer.from(`{"type":"ERROR","object":${JSON.stringify(expired.status)}}\n`))
      this.#sink.end()
      return
    }
    // Nothing of this turn can be missed: replay and subscription happen without a pause between them.
    this.#seen = Math.max(version, prefix || version === 0 ? api.store.revision : 0)
    const unsubscribe = api.store.subscribe(resource, (event) => this.#live(event))
    api.counters.watches++
    let cancelBookmark = () => {}
    const tick = () => {
      this.#bookmark()
      cancelBookmark = api.clock.after(bookmarkEvery, tick)
    }
    if (bookmarks) cancelBookmark = api.clock.after(bookmarkEvery, tick)
    const cancelTimeout = api.clock.after(timeoutMs, () => {
      if (bookmarks) this.#bookmark()
      stop()
      this.#sink.end()
    })
    const stop = () => {
      unsubscribe()
      cancelBookmark()
      cancelTimeout()
      if (stopped) return
      stopped = true
      api.counters.watches--
    }
    let stopped = false
    if (this.#sink.signal.aborted) stop()
    else this.#sink.signal.addEventListener('abort', stop, { once: true })
  }

  #initial(endWithBookmark: boolean): void {
    const { api, resource, namespace } = this.#rr
    for (const stored of api.store.list(resource, namespace)) {
      if (!this.#predicate || this.#predicate(stored.object)) this.#send('ADDED', stored)
    }
    if (endWithBookmark) this.#bookmark({ annotations: { 'k8s.io/initial-events-end': 'true' } })
  }

  #live(event: StoreEvent): void {
    // A revision from the future was asked for: what comes before it is not wanted.
    if (event.rv <= this.#seen) return
    this.#event(event)
    if (this.#sink.buffered > slowLimit) {
      this.#rr.api.log.warn({ resource: this.#rr.resource, buffered: this.#sink.buffered }, 'cut off a slow watcher')
      this.#sink.destroy()
    }
  }

  /** Sends an event as this watcher's selector sees it: entering is ADDED, leaving is DELETED with the object as it was. */
  #event({ type, rv, after, previous }: StoreEvent): void {
    const { namespace } = this.#rr
    if (namespace !== undefined && after.namespace !== namespace) return
    const matches = this.#predicate
    if (!matches) {
      this.#send(type, after)
      return
    }
    const was = previous !== undefined && matches(previous.object)
    if (type === 'DELETED') {
      if (was) this.#send('DELETED', after)
      return
    }
    const is = matches(after.object)
    if (is) this.#send(was ? 'MODIFIED' : 'ADDED', after)
    else if (was) {
      const object = fromStorage(this.#rr.info, previous.object)
      this.#write('DELETED', this.#body({ ...object, metadata: { ...object.metadata, resourceVersion: String(rv) } }))
    }
  }

  #send(type: EventType, stored: Stored): void {
    if (this.#format.as !== 'object') {
      this.#write(type, this.#body(fromStorage(this.#rr.info, stored.object)))
      return
    }
    const { info } = this.#rr
    const key = info.version
    if (shared?.stored !== stored || shared.type !== type || shared.key !== key) {
      const line = Buffer.concat([Buffer.from(`{"type":"${type}","object":`), bytesOf(info, stored), newline])
      shared = { key, stored, type, line }
    }
    this.#sink.write(shared.line)
  }

  #body(object: any): string {
    const { request, info, api } = this.#rr
    const version = object.metadata.resourceVersion
    const body = shape(request, info, [object], this.#format, api.clock.now(), version) as JsonObject
    if (this.#format.as !== 'table') return JSON.stringify(body)
    // The columns are told once.
    if (this.#told) body['columnDefinitions'] = null
    this.#told = true
    return JSON.stringify(body)
  }

  #write(type: EventType, body: string): void {
    this.#sink.write(Buffer.from(`{"type":"${type}","object":${body}}\n`))
  }

  /** Tells the watcher how far it is, unless it knows. */
  #bookmark(extra?: object): void {
    const { info, api } = this.#rr
    const revision = api.store.revision
    if (!extra && revision === this.#bookmarked) return
    this.#bookmarked = revision
    const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`
    const metadata = { resourceVersion: String(revision), ...extra }
    const object =
      this.#format.as === 'table'
        ? {
            kind: 'Table',
            apiVersion: `meta.k8s.io/${this.#format.version}`,
            metadata,
            columnDefinitions: [],
            rows: [],
          }
        : { kind: info.kind, apiVersion, metadata }
    this.#sink.write(Buffer.from(`{"type":"BOOKMARK","object":${JSON.stringify(object)}}\n`))
  }
}
