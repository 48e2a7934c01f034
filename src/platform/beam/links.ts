import type { BeamNode } from '#beam'
import type { Kube } from '#kube'
import type { Clock } from '#lib'
import { dial } from './cookie.ts'
import type { BeamPod } from './nodes.ts'

/**
 * Who we are to the nodes: hidden, and the same for ever, for names become atoms there. Libraries that look at all
 * connected nodes (Swarm, libring) leave out what begins with `rem-`.
 */
export const ourName = 'rem-cuddle@127.0.0.1'

/** Short, for one node that hangs keeps the look at the others waiting. */
const connectMs = 3_000

/** One connection to each node of an app, shared by everything that the platform does with it. */
export interface Links {
  /** The connection to a pod's node, made where there is none. @throws as `connect` of #beam, `no-cookie` */
  get(pod: BeamPod): Promise<BeamNode>
  /** The connection to a node if there is one. */
  find(name: string): BeamNode | undefined
  /** Closes the connections to all other nodes. */
  keep(pods: readonly BeamPod[]): void
  close(): void
}

/** @param onDown called when a connection ended, with how long it lasted */
export function createLinks(options: {
  kube: Kube
  clock: Clock
  signal: AbortSignal
  onDown?: (lastedMs: number) => void
}): Links {
  const { kube, clock, signal, onDown } = options
  const links = new Map<string, { identity: string; node: Promise<BeamNode>; open?: BeamNode }>()

  const connectTo = async (pod: BeamPod): Promise<BeamNode> => {
    return dial(kube, pod, { ourName, clock, signal, timeoutMs: connectMs })
  }

  const drop = (name: string) => {
    const link = links.get(name)
    links.delete(name)
    // One that is still being made is closed once it is there.
    void link?.node.then((node) => node.close()).catch(() => {})
  }

  return {
    async get(pod) {
      const known = links.get(pod.name)
      if (known?.identity === identityOf(pod) && !known.open?.isClosed) return known.node
      if (known) drop(pod.name)
      const link: { identity: string; node: Promise<BeamNode>; open?: BeamNode } = {
        identity: identityOf(pod),
        node: connectTo(pod),
      }
      links.set(pod.name, link)
      try {
        const node = await link.node
        link.open = node
        const since = clock.monotonic()
        void node.closed.then(() => onDown?.(clock.monotonic() - since))
        return node
      } catch (error) {
        if (links.get(pod.name) === link) links.delete(pod.name)
        throw error
      }
    },
    find: (name) => links.get(name)?.open,
    keep(pods) {
      const names = new Set(pods.map(({ name }) => name))
      for (const name of [...links.keys()]) if (!names.has(name)) drop(name)
    },
    close() {
      for (const name of [...links.keys()]) drop(name)
    },
  }
}

/** Another one for every start of a pod's node. */
export function identityOf({ pod, name, port, restarts }: BeamPod): string {
  return `${pod}/${restarts}/${name}:${port}`
}
