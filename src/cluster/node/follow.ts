import { ApiError, type Kube, type KubeObject, type ResourceType } from '#kube'
import { type Clock, errorMessage, type Logger, loop } from '#lib'

/** A watch that was silent for so long is dead: servers send bookmarks each minute. ms. */
const silenceMs = 75_000

export interface Follower<T extends KubeObject> {
  /** Everything there is, after a list. */
  replace(items: T[]): void
  changed(object: T): void
  removed(object: T): void
}

/** Lists, then watches from there, for ever: what a kubelet does with the pods of its nodes. Resolves when the signal aborts. */
export async function follow<T extends KubeObject>(
  options: { kube: Kube; type: ResourceType<T>; clock: Clock; log: Logger; signal: AbortSignal },
  follower: Follower<T>,
): Promise<void> {
  const { kube, type, clock, log, signal } = options
  let from: string | undefined
  await loop(
    async () => {
      if (from === undefined) {
        const list = await kube.listAll(type, { signal })
        follower.replace(list.items)
        from = list.metadata.resourceVersion ?? ''
      }
      const silent = new AbortController()
      let cancel = clock.after(silenceMs, () => silent.abort())
      const started = clock.monotonic()
      try {
        const events = kube.watch(type, {
          resourceVersion: from,
          allowWatchBookmarks: true,
          signal: AbortSignal.any([signal, silent.signal]),
        })
        for await (const event of events) {
          cancel()
          cancel = clock.after(silenceMs, () => silent.abort())
          if (event.type === 'ERROR')
            throw new ApiError(event.object.code, { message: event.object.message ?? 'watch ended' })
          if (event.type === 'DELETED') follower.removed(event.object)
          else if (event.type !== 'BOOKMARK') follower.changed(event.object)
          from = event.object.metadata.resourceVersion ?? from
        }
      } catch (error) {
        if (error instanceof ApiError && error.code === 410) {
          from = undefined
          return 0
        }
        if (!silent.signal.aborted) throw error
      } finally {
        cancel()
      }
      // A server that hangs up at once is about to go; give it a moment.
      return clock.monotonic() - started < 1000 ? 100 : 0
    },
    {
      clock,
      signal,
      backoff: { initial: 50, max: 1000 },
      onError: (error) => log.debug({}, `watching ${type.plural}: ${errorMessage(error)}`),
    },
  )
}
