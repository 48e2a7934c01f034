import type { KubeObject } from '#kube'

/** One version of one object: its bytes as they go to disk and to clients, and the same parsed, on first use. Never written to. */
export class Stored {
  /** `group/plural`, with `core` for the core group. */
  readonly resource: string
  /** `namespace/name`, or `name` for cluster-scoped kinds. */
  readonly id: string
  /** The revision that wrote it. */
  readonly rv: number
  /** The JSON of the object, UTF-8. */
  readonly bytes: Buffer
  #object: KubeObject | undefined

  constructor(resource: string, id: string, rv: number, bytes: Buffer, object?: KubeObject) {
    this.resource = resource
    this.id = id
    this.rv = rv
    this.bytes = bytes
    this.#object = object
  }

  get object(): KubeObject {
    return (this.#object ??= JSON.parse(this.bytes.toString('utf8')) as KubeObject)
  }

  get namespace(): string | undefined {
    const slash = this.id.indexOf('/')
    return slash < 0 ? undefined : this.id.slice(0, slash)
  }
}

/** Stamps the revision into a deep-owned object and serialises it, once. */
export function record(resource: string, id: string, rv: number, object: KubeObject): Stored {
  object.metadata.resourceVersion = String(rv)
  return new Stored(resource, id, rv, Buffer.from(JSON.stringify(object)), object)
}

/** The last state of an object, carrying the revision of its deletion as watchers must see it. */
export function tombstone(last: Stored, rv: number): Stored {
  const object = { ...last.object, metadata: { ...last.object.metadata, resourceVersion: String(rv) } }
  return new Stored(last.resource, last.id, rv, Buffer.from(JSON.stringify(object)), object)
}

/** A committed change. `after` of a deletion is the tombstone. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly rv: number
  readonly after: Stored
  readonly previous: Stored | undefined
}
