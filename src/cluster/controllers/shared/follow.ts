import { ApiError, type Kube, type KubeObject, type ResourceType } from '#kube'
import { type Clock, errorMessage, type Logger, loop } from '#lib'

export interface Follower<T extends KubeObject> {
  /** The whole state, at the start and after a gap: what is not in it is gone. */
  list(objects: T[]): void
  set(object: T): void
  remove(object: T): void
}

/** Lists a kind and watches it from there, until the signal aborts: for kinds that are known only at run time. */
export function follow<T extends KubeObject>(
  kube: Kube,
  type: ResourceType<T>,
  follower: Follower<T>,
  { signal, clock, log }: { signal: AbortSignal; clock: Clock; log: Logger },
): Promise<void> {
  let resourceVersion: string | undefined
  const step = async () => {
    if (resourceVersion === undefined) {
      const list = await kube.listAll(type, { limit: 500, signal })
      resourceVersion = list.metadata.resourceVersion ?? '0'
      follower.list(list.items)
    }
    const started = clock.monotonic()
    try {
      for await (const { type: event, object } of kube.watch(type, {
        resourceVersion,
        allowWatchBookmarks: true,
        timeoutSeconds: 540,
        signal,
      })) {
        if (event === 'ERROR') {
          const { code, message = 'the watch ended with an error' } = object as { code: number; message?: string }
          throw new ApiError(code, { message })
        }
        if (event === 'DELETED') follower.remove(object as T)
        else if (event !== 'BOOKMARK') follower.set(object as T)
        resourceVersion = (object as T).metadata.resourceVersion ?? resourceVersion
      }
    } catch (error) {
      if (error instanceof ApiError && [404, 410].includes(error.code)) resourceVersion = undefined
      throw error
    }
    // A server that closes at once, again and again, is not to be hammered.
    return clock.monotonic() - started < 1000 ? 500 : 0
  }
  const onError = (error: unknown) => log.debug({ kind: type.kind }, `watching failed: ${errorMessage(error)}`)
  return loop(step, { clock, signal, onError, backoff: { initial: 100, max: 30_000 } })
}
