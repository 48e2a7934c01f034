import type { Kube, KubeObject, ResourceType, WatchEvent } from '#kube'

/** The reading half of an API server, in memory: list and watch of a few kinds, and a switch to go away. */
export class MemoryKube {
  readonly #objects = new Map<string, Map<string, KubeObject>>()
  readonly #watchers = new Map<string, Set<(event: WatchEvent | undefined) => void>>()
  #revision = 1
  #away = false

  /** What the code under test gets. */
  get kube(): Kube {
    return this as unknown as Kube
  }

  set(type: ResourceType<any>, object: any): void {
    const objects = this.#of(type)
    const key = `${object.metadata.namespace}/${object.metadata.name}`
    const kind = { apiVersion: type.group ? `${type.group}/${type.version}` : type.version, kind: type.kind }
    const metadata = { uid: key, ...object.metadata, resourceVersion: String(++this.#revision) }
    const stored = { ...kind, ...object, metadata }
    const event = { type: objects.has(key) ? 'MODIFIED' : 'ADDED', object: stored } as WatchEvent
    objects.set(key, stored)
    this.#tell(type, event)
  }

  remove(type: ResourceType<any>, namespace: string, name: string): void {
    const objects = this.#of(type)
    const old = objects.get(`${namespace}/${name}`)
    if (!old) return
    objects.delete(`${namespace}/${name}`)
    const metadata = { ...old.metadata, resourceVersion: String(++this.#revision) }
    this.#tell(type, { type: 'DELETED', object: { ...old, metadata } })
  }

  goAway(): void {
    this.#away = true
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher(undefined)
  }

  async listAll(type: ResourceType<any>): Promise<object> {
    if (this.#away) throw new Error('connection refused')
    return { metadata: { resourceVersion: String(this.#revision) }, items: [...this.#of(type).values()] }
  }

  async *watch(type: ResourceType<any>, options: { signal?: AbortSignal }): AsyncGenerator<WatchEvent> {
    if (this.#away) throw new Error('connection refused')
    const queue: (WatchEvent | undefined)[] = []
    let wake = () => {}
    const watcher = (event: WatchEvent | undefined) => {
      queue.push(event)
      wake()
    }
    const watchers = this.#watchers.get(type.kind) ?? new Set()
    this.#watchers.set(type.kind, watchers.add(watcher))
    const stop = () => watcher(undefined)
    options.signal?.addEventListener('abort', stop)
    try {
      for (;;) {
        while (queue.length > 0) {
          const event = queue.shift()
          if (!event) return
          yield event
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      watchers.delete(watcher)
      options.signal?.removeEventListener('abort', stop)
    }
  }

  #of(type: ResourceType<any>): Map<string, KubeObject> {
    let objects = this.#objects.get(type.kind)
    if (!objects) this.#objects.set(type.kind, (objects = new Map()))
    return objects
  }

  #tell(type: ResourceType<any>, event: WatchEvent): void {
    for (const watcher of this.#watchers.get(type.kind) ?? []) watcher(event)
  }
}
