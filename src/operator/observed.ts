import { isNotFound, type Kube, type KubeObject, keyOf, type ResourceType, type WriteOptions } from '#kube'
import { type Clock, clone, rfc3339 } from '#lib'
import type { Cache } from './cache.ts'

/**
 * A Kube whose writes are in the caches as soon as they are answered, on behalf of one pass; everyone who listens is
 * told at once, except `author` of what it wrote itself. Writes carry the controller's name as field manager.
 */
export function observedKube(options: {
  kube: Kube
  cacheOf: (type: ResourceType<any>) => Cache | undefined
  /** Undefined: whoever writes wants to hear of it like everyone else. */
  author: object | undefined
  onWritten: (object: KubeObject) => void
  fieldManager: string
  clock: Clock
  signal: AbortSignal
}): Kube {
  const { kube, cacheOf, author, onWritten, fieldManager, clock, signal } = options

  async function written<T extends KubeObject>(
    type: ResourceType<T>,
    ref: { name?: string | undefined; namespace?: string | undefined },
    intent: unknown,
    options: WriteOptions,
    write: () => Promise<T>,
  ): Promise<T> {
    const cache = cacheOf(type)
    if (!cache || options.dryRun) return write()
    const done = ref.name ? cache.writing(keyOf({ name: ref.name, namespace: ref.namespace })) : undefined
    try {
      const object = await write()
      // a subresource may answer with another kind; and the caches trim and share what they take in
      if (object?.kind === type.kind && object.metadata?.resourceVersion) {
        cache.wrote(clone(object), intent, author)
        onWritten(object)
      }
      return object
    } finally {
      done?.()
    }
  }
  const own = <O extends WriteOptions>(write: O): O => ({
    fieldManager,
    signal,
    ...write,
  })

  return Object.assign(Object.create(kube) as Kube, {
    create: (type, object, write = {}) =>
      written(type, object.metadata, object, write, () => kube.create(type, object, own(write))),
    replace: (type, object, write = {}) =>
      written(type, object.metadata, object, write, () => kube.replace(type, object, own(write))),
    apply: (type, object, write) =>
      written(type, object.metadata, object, write, () => kube.apply(type, object, own(write)) as Promise<any>),
    patch(type, ref, patch, write = {}) {
      // a JSON patch does not say what the object will look like, so its answer always counts as news
      const intent = write.type === 'json' ? undefined : patch
      return written(type, ref, intent, write, () => kube.patch(type, ref, patch, own(write)))
    },
    async delete(type, name, namespace, deletion = {}) {
      const gone = () => {
        if (!deletion.dryRun)
          cacheOf(type)?.deleting(name, namespace, deletion.preconditions?.uid, rfc3339(clock.now()))
      }
      try {
        await kube.delete(type, name, namespace, { signal, ...deletion })
      } catch (error) {
        if (isNotFound(error)) gone()
        throw error
      }
      gone()
    },
  } satisfies Partial<Kube>)
}
