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

/** Clusters whose pods did not answer here and did through their API server: it is asked first from then on. */
const remote = new WeakSet<Kube>()

/**
 * The platform's way to a node: directly, and where nobody answers at the pod's address, as in a pod network that is not routed
 * from here, through the API server. To the pods of the embedded cluster, which have addresses of this machine, there is no other way.
 *
 * @throws CuddleError `node-unreachable`, which says what both ways said
 */
export async function openWay(kube: Kube, pod: BeamPod, clock: Clock, signal: AbortSignal): Promise<Duplex> {
  const { host, port, namespace } = pod
  const forwarded = () => kube.openPort(pod.pod, namespace, { port, signal })
  if (remote.has(kube)) return forwarded()
  let direct: unknown
  try {
    return await openSocket(pod, clock, signal)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    direct = error
  }
  const where = `node ${pod.name} at ${host}:${port} cannot be reached: ${errorMessage(direct)}`
  const hint = 'it is not running, its distribution port is another one, or a network policy is in between'
  if (isOfThisMachine(host)) throw new CuddleError('node-unreachable', where, { hint, cause: direct })
  try {
    const way = await forwarded()
    remote.add(kube)
    return way
  } catch (error) {
    const through = `through the API server neither: ${errorMessage(error)}`
    throw new CuddleError('node-unreachable', `${where}; ${through}`, { hint, cause: error })
  }
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
