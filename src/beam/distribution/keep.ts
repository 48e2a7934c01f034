import { type BackoffOptions, backoffDelay, type CuddleError, type Logger, silentLogger, systemClock } from '#lib'
import { type ConnectOptions, connect } from './connect.ts'
import { randomCreation } from './identity.ts'
import type { BeamNode } from './node.ts'

export interface KeepOptions extends Omit<ConnectOptions, 'signal'> {
  /** Ends it, and disconnects. */
  signal: AbortSignal
  /** Between attempts. @default 100 ms doubling up to 5 s, with jitter */
  backoff?: BackoffOptions
  /** Connected, for the first time or again. `restarted`: the node is another one than last time, its state is gone. */
  onUp?: (node: BeamNode, info: { restarted: boolean }) => void
  /** The connection is lost; another attempt follows. */
  onDown?: (reason: CuddleError) => void
  /** An attempt failed; another follows. */
  onError?: (error: unknown) => void
}

export interface KeptConnection {
  /** The connection as it is now, or undefined while there is none. */
  readonly node: BeamNode | undefined
  /** The next connection, or the present one. Rejects when `signal` (of either) aborts first. */
  connected(signal?: AbortSignal): Promise<BeamNode>
  /** Resolves when it has ended after the abort. */
  readonly done: Promise<void>
}

/**
 * Stays connected to a node until the signal aborts: reconnects whenever the connection ends, under one name and one
 * creation of ours, so that an old connection that the node still believes in is taken over and no atom is wasted.
 */
export function keepConnected(options: KeepOptions): KeptConnection {
  const { signal, clock = systemClock, log = silentLogger, backoff = { initial: 100, max: 5000 } } = options
  const creation = options.creation ?? randomCreation()
  let node: BeamNode | undefined
  let up = Promise.withResolvers<BeamNode>()
  up.promise.catch(() => {})

  const done = (async () => {
    let known: number | undefined
    for (let failures = 0; !signal.aborted; ) {
      try {
        const connection = await connect({ ...options, creation, signal })
        const restarted = known !== undefined && known !== connection.creation
        known = connection.creation
        const since = clock.monotonic()
        node = connection
        up.resolve(connection)
        guarded(log, () => options.onUp?.(connection, { restarted }))
        const reason = await lifetime(connection, signal)
        // One that is taken over at once, again and again, has a rival under our name: they must not spin.
        if (clock.monotonic() - since > backoff.max) failures = 0
        node = undefined
        up = Promise.withResolvers<BeamNode>()
        up.promise.catch(() => {})
        if (!signal.aborted) guarded(log, () => options.onDown?.(reason))
      } catch (error) {
        if (signal.aborted) break
        guarded(log, () => options.onError?.(error))
      }
      await clock.sleep(backoffDelay(failures++, backoff), signal)
    }
    up.reject(signal.reason)
  })()

  return {
    get node() {
      return node
    },
    connected: (other) => (other ? Promise.race([up.promise, aborted(other)]) : up.promise),
    done,
  }
}

async function lifetime(node: BeamNode, signal: AbortSignal): Promise<CuddleError> {
  const stop = () => node.close()
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await node.closed
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** A listener that throws must not end the loop. */
function guarded(log: Logger, work: () => void): void {
  try {
    work()
  } catch (error) {
    log.error({ error }, 'a listener of a kept connection failed')
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
