import type { BeamNode, ConnectOptions } from '#beam'
import { type Kube, type KubeObject, type objects, Secret } from '#kube'
import { CuddleError, systemClock } from '#lib'
import { cookieName } from '#manifests'
import type { BeamPod } from './nodes.ts'
import { connectBy } from './way.ts'

/** Keys of the cookie's Secret. Nodes that start get `cookie`; the others are there while and after it is rotated. */
export const cookieKeys = { current: 'cookie', next: 'next', previous: 'previous' } as const

const defaultTimeoutMs = 10_000

/** The cookies a node may have: the one that it should have, then those that it may still have. */
interface Cookies {
  wanted: string
  others: readonly string[]
}

/** The cookies of a node, read with the rights of who asks. @throws CuddleError `no-cookie` */
async function readCookies(kube: Kube, { namespace, cookie }: BeamPod): Promise<Cookies> {
  const found = await kube.find(Secret, cookie.name, namespace)
  const current = cookieIn(found, cookie.key)
  if (current === undefined) {
    throw new CuddleError('no-cookie', `secret "${cookie.name}" of ${namespace} has no cookie at "${cookie.key}"`, {
      hint: `beam.cookie in cuddle.yaml names a config var that holds it, or is auto`,
    })
  }
  if (cookie.name !== cookieName(namespace)) return { wanted: current, others: [] }
  const next = cookieIn(found, cookieKeys.next)
  const previous = cookieIn(found, cookieKeys.previous)
  const all = [next, current, previous].filter((one) => one !== undefined)
  return { wanted: all[0], others: all.slice(1) }
}

export function cookieIn(secret: (objects.Secret & KubeObject) | undefined, key: string): string | undefined {
  const value = secret?.data?.[key]
  return value ? Buffer.from(value, 'base64').toString('utf8') : undefined
}

/**
 * Connects to a pod's node, whichever of its app's cookies it has, and gives it the one that it should have: so nodes that
 * started with an older one take part in a rotation whenever they are met.
 *
 * @param options without a `dial` of its own: directly, or through the API server (see `connectBy`)
 * @throws CuddleError as `connect` of #beam, `no-cookie`
 */
export async function dial(
  kube: Kube,
  pod: BeamPod,
  options: Omit<ConnectOptions, 'name' | 'host' | 'port' | 'cookie'>,
): Promise<BeamNode> {
  const { connect } = await import('#beam')
  const { name, host, port } = pod
  const { wanted, others } = await readCookies(kube, pod)
  const { clock = systemClock, timeoutMs = defaultTimeoutMs } = options
  let refused: unknown
  for (const cookie of [wanted, ...others]) {
    try {
      const to = { ...options, name, host, port, cookie }
      const node = await (options.dial
        ? connect(to)
        : connectBy({ kube, pod, clock, timeoutMs }, (dial, ms) => connect({ ...to, dial, timeoutMs: ms })))
      if (cookie !== wanted) await giveCookie(node, wanted)
      return node
    } catch (error) {
      if (!(error instanceof CuddleError) || error.code !== 'wrong-cookie') throw error
      refused ??= error
    }
  }
  throw refused
}

/** For connections to come, of the node and to it; those that there are stay. */
async function giveCookie(node: BeamNode, cookie: string): Promise<void> {
  const { atom } = await import('#beam')
  try {
    await node.rpc('erlang', 'set_cookie', [atom(node.name), atom(cookie)], { timeoutMs: 3_000, output: 'ignore' })
  } catch (error) {
    node.close()
    throw error
  }
}
