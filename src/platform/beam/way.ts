import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Kube } from '#kube'
import { type Clock, CuddleError, errorMessage } from '#lib'
import type { BeamPod } from './nodes.ts'

/** A node in a network that is routed from here takes a connection at once, also when it hangs: its kernel does. */
const directMs = 1_500

/** A loopback address cannot leave the machine. */
export function isOfThisMachine(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

/** How nodes of a cluster were reached last. */
const known = new WeakMap<Kube, 'directly' | 'forwarded'>()

/** Opens the way to a node. */
type Open = (signal: AbortSignal) => Promise<Duplex>

/**
 * Connects to a node by the way that leads there: directly, or through the API server, where the network of the pods is not routed
 * from here. Then nobody answers at the address of a pod, or somebody else does: a proxy that takes every connection, another
 * network with the same addresses. So it is a node's answer that decides, and the way that it came by is taken first from
 * then on. To the pods of the embedded cluster, which have addresses of this machine, there is one way.
 *
 * @param attempt connects by a way, within so many ms; its `wrong-cookie` counts as the node's answer
 * @throws CuddleError `node-unreachable`, which says what both ways said, and as `attempt`
 */
export async function connectBy<T>(
  { kube, pod, clock, timeoutMs }: { kube: Kube; pod: BeamPod; clock: Clock; timeoutMs: number },
  attempt: (open: Open, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const { host, port, namespace } = pod
  const began = clock.monotonic()
  const direct: Open = async (signal) => {
    try {
      return await openSocket(pod, clock, signal)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw unreachable(pod, errorMessage(error), error)
    }
  }
  const answered = async (way: 'directly' | 'forwarded', open: Open, ms: number): Promise<T> => {
    try {
      const result = await attempt(open, ms)
      known.set(kube, way)
      return result
    } catch (error) {
      if (codeOf(error) === 'wrong-cookie') known.set(kube, way)
      throw error
    }
  }
  if (isOfThisMachine(host)) return attempt(direct, timeoutMs)
  const before = known.get(kube)
  let why: unknown
  if (before !== 'forwarded') {
    try {
      // A node that hangs is not waited for twice where others answer directly.
      return await answered('directly', direct, before ? timeoutMs : timeoutMs / 2)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'wrong-cookie' || code === 'connect-aborted') throw error
      if (before) known.delete(kube)
      if (before && code !== 'node-unreachable') throw error
      why = error
    }
  }
  const forwarded: Open = async (signal) => {
    try {
      return await kube.openPort(pod.pod, namespace, { port, signal })
    } catch (error) {
      if (why === undefined || signal.aborted) throw error
      throw unreachable(pod, `${errorMessage(why)}; through the API server neither: ${errorMessage(error)}`, error)
    }
  }
  return answered('forwarded', forwarded, timeoutMs - (clock.monotonic() - began))
}

function codeOf(error: unknown): string | undefined {
  return error instanceof CuddleError ? error.code : undefined
}

function unreachable({ name, host, port }: BeamPod, why: string, cause: unknown): CuddleError {
  const where = `node ${name} at ${host}:${port} cannot be reached: `
  return new CuddleError('node-unreachable', `${where}${why.startsWith(where) ? why.slice(where.length) : why}`, {
    hint: 'it is not running, its distribution port is another one, or a network policy is in between',
    cause,
  })
}

function openSocket({ host, port }: BeamPod, clock: Clock, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect({ host, port })
  const giveUp = (why: unknown) => {
    socket.destroy()
    reject(why)
  }
  const onAbort = () => giveUp(signal.reason)
  const cancel = clock.after(directMs, () => giveUp(new Error(`nobody answered for ${directMs} ms`)))
  signal.addEventListener('abort', onAbort, { once: true })
  socket.once('connect', () => resolve(socket))
  socket.once('error', giveUp)
  return promise.finally(() => {
    cancel()
    signal.removeEventListener('abort', onAbort)
    socket.off('error', giveUp)
  })
}
