import { isNotFound, type Kube, type KubeObject, type ResourceType, type WriteOptions } from '#kube'
import { type Clock, clone, rfc3339 } from '#lib'
import type { Cache } from './cache.ts'

/**
 * A Kube whose writes are in the caches as soon as they are answered, on behalf of one pass: `author` is not told of
 * what it wrote itself, everyone else is at once. Writes carry the controller's name as field manager.
 */
export function observedKube(options: {
  kube: Kube
  cacheOf: (type: ResourceType<any>) => Cache | undefined
  author: object
  fieldManager: string
  clock: Clock
  signal: AbortSignal
}): Kube {
  const { kube, cacheOf, author, fieldManager, clock, signal } = options

  async function written<T extends KubeObject>(
    type: ResourceType<T>,
    intent: unknown,
    write: WriteOptions,
    answer: Promise<T>,
  ): Promise<T> {
    const object = await answer
    const whole = !write.dryRun && object?.kind === type.kind && object.metadata?.resourceVersion
    // the caches trim and share what they take in; the caller's copy stays as it came
    if (whole) cacheOf(type)?.wrote(clone(object), intent, author)
    return object
  }
  const own = <O extends WriteOptions>(write: O | undefined): O & WriteOptions => ({
    fieldManager,
    signal,
    ...(write as O),
  })

  return Object.assign(Object.create(kube) as Kube, {
    create: (type, object, write) => written(type, object, write ?? {}, kube.create(type, object, own(write))),
    replace: (type, object, write) => written(type, object, write ?? {}, kube.replace(type, object, own(write))),
    apply: (type, object, write) => written(type, object, write, kube.apply(type, object, own(write))),
    patch(type, ref, patch, write) {
      // a JSON patch does not say what the object will look like, so its answer always counts as news
      const intent = write?.type === 'json' ? undefined : patch
      return written(type, intent, write ?? {}, kube.patch(type, ref, patch, { ...own(write) }))
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
