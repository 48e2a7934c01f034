import { Event, isAlreadyExists, isNotFound, type Kube, type KubeObject } from '#kube'
import { type Clock, errorMessage, type Logger, rfc3339, shortHash } from '#lib'
import type { StepEvent } from './types.ts'

interface Known {
  name: string
  count: number
  /** How often it happened since the last write; 0 = nothing to write. */
  pending: number
  event: StepEvent
  component: string
}

/** client-go's EventSourceObjectSpamFilter: 25 at once per object, then one each five minutes. */
const burst = 25
const refillMs = 5 * 60_000
const maxKnown = 1024

/**
 * Writes Kubernetes Events (core/v1, which events.k8s.io serves as well) behind the controllers' backs: equal ones are
 * counted on one object, a chatty object is throttled, and nothing here ever fails or delays a pass.
 */
export class EventRecorder {
  readonly #kube: Kube
  readonly #clock: Clock
  readonly #log: Logger
  readonly #known = new Map<string, Known>()
  readonly #tokens = new Map<string, { left: number; at: number }>()
  readonly #dirty = new Set<Known>()
  #writing: Promise<void> | undefined
  #named = 0

  constructor(options: { kube: Kube; clock: Clock; log: Logger }) {
    this.#kube = options.kube
    this.#clock = options.clock
    this.#log = options.log
  }

  record(component: string, event: StepEvent): void {
    const { about, type, reason, message } = event
    const subject = about.metadata.uid ?? `${about.kind}/${about.metadata.namespace}/${about.metadata.name}`
    if (!this.#take(`${component}/${subject}`)) return
    const key = JSON.stringify([component, subject, type, reason, message])
    let known = this.#known.get(key)
    if (known) this.#known.delete(key)
    else known = { name: this.#name(event, key), count: 0, pending: 0, event, component }
    known.pending++
    // set anew, so that the first of the map is the one unused for longest
    this.#known.set(key, known)
    this.#dirty.add(known)
    evictOldest(this.#known, maxKnown)
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when everything recorded so far is written or given up. */
  async flush(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    for (const known of this.#dirty) {
      this.#dirty.delete(known)
      const pending = known.pending
      known.pending = 0
      known.count += pending
      try {
        await this.#put(known, known.count > pending)
      } catch (error) {
        this.#log.debug({ reason: known.event.reason }, `event not recorded: ${errorMessage(error)}`)
      }
    }
  }

  async #put(known: Known, exists: boolean): Promise<void> {
    const namespace = known.event.about.metadata.namespace || 'default'
    const now = rfc3339(this.#clock.now())
    if (exists) {
      try {
        await this.#kube.patch(Event, { name: known.name, namespace }, { count: known.count, lastTimestamp: now })
        return
      } catch (error) {
        // events live for an hour; one that comes again later starts anew
        if (!isNotFound(error)) throw error
        known.count = 1
      }
    }
    await this.#kube.create(Event, eventObject(known, namespace, now)).catch((error) => {
      if (!isAlreadyExists(error)) throw error
    })
  }

  /** In the order of the events, like those of client-go: describe shows what happened within a second in the order of names. */
  #name({ about }: StepEvent, key: string): string {
    const { name = '' } = about.metadata
    const time = Math.floor(this.#clock.now()).toString(16).padStart(12, '0')
    const count = (this.#named++ % 0x10000).toString(16).padStart(4, '0')
    return `${name.slice(0, 230)}.${time}${count}${shortHash(key, 4)}`
  }

  #take(source: string): boolean {
    const now = this.#clock.monotonic()
    const bucket = this.#tokens.get(source) ?? { left: burst, at: now }
    const refilled = Math.floor((now - bucket.at) / refillMs)
    if (refilled > 0) {
      bucket.left = Math.min(burst, bucket.left + refilled)
      bucket.at += refilled * refillMs
    }
    this.#tokens.delete(source)
    this.#tokens.set(source, bucket)
    evictOldest(this.#tokens, maxKnown)
    if (bucket.left === 0) return false
    bucket.left--
    return true
  }
}

function eventObject({ name, event, component, count }: Known, namespace: string, now: string): any {
  const { about, type, reason, message } = event
  const { uid, resourceVersion } = about.metadata
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: objectReference(about, { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }),
    type,
    reason,
    // the API server refuses more than 1 kB
    message: message.slice(0, 1000),
    count,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component },
    reportingComponent: component,
    reportingInstance: '',
  }
}

function objectReference({ apiVersion, kind, metadata }: KubeObject, more: object): object {
  const { name, namespace } = metadata
  return { apiVersion, kind, name, ...(namespace && { namespace }), ...more }
}

function evictOldest(map: Map<string, unknown>, limit: number): void {
  while (map.size > limit) map.delete(map.keys().next().value!)
}
