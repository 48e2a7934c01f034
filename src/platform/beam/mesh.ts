import type { BeamNode, Term } from '#beam'
import type { Kube } from '#kube'
import { backoffDelay, type Clock, CuddleError, errorMessage, type Logger } from '#lib'
import { recordEvent } from './events.ts'
import { identityOf, type Links } from './links.ts'
import { type BeamPod, missingLinks } from './nodes.ts'

const askMs = 3_000
/** Longer than OTP's own net_setuptime of 7 s, so that its answer comes first. */
const joinMs = 10_000
/** Between looks at a mesh that is whole: a partition is found by this. */
const steadyMs = 2_000
/** Nodes that boot, and pods that are about to go, cannot be reached either: only what lasts is told. */
const patienceMs = 30_000
const backoff = { initial: 50, max: 5_000 }

/** Keeps the nodes of one app connected to each other, until stopped. */
export interface Mesh {
  /** The nodes there are now; the mesh looks at once when they are others. */
  want(pods: readonly BeamPod[]): void
  /** A connection to one of them ended after so many ms. */
  down(lastedMs: number): void
  readonly stopped: Promise<void>
}

export interface MeshOptions {
  app: string
  links: Links
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
}

/**
 * Level-triggered: asks every wanted node whom it knows, has those that miss each other connect
 * (`net_kernel:connect_node/1`), and looks again, soon while something is missing, else every two seconds and whenever a
 * connection ends. It never disconnects anyone: nodes that go leave by themselves.
 */
export function startMesh({ app, links, kube, clock, log, signal }: MeshOptions): Mesh {
  let wanted: readonly BeamPod[] = []
  let trouble: { since: number; told: boolean } | undefined
  let wake = new AbortController()
  const joining = new Set<string>()
  /** Nodes that were told that they are connected to all there are. */
  const told = new WeakSet<BeamNode>()
  /** Why pairs could not be connected when it was last tried. */
  const apart = new Map<string, string>()
  /** Connections in a row that did not last: somebody else uses our name, or the node crashes again and again. */
  let shortLived = 0
  const poke = () => wake.abort()

  // Not waited for: a node that hangs is given up by OTP after seven seconds.
  const join = (from: string, to: string) => {
    const [node, pair] = [links.find(from), `${from} ${to}`]
    if (!node || joining.has(pair)) return
    joining.add(pair)
    connectNode(node, to, signal)
      .then(() => {
        apart.delete(pair)
        poke()
      })
      .catch((error) => apart.set(pair, errorMessage(error)))
      .finally(() => joining.delete(pair))
  }

  const tell = (problem: string | undefined, nodes: number) => {
    if (problem === undefined) {
      if (trouble) log.info({ app, nodes }, 'the nodes know each other again')
      trouble = undefined
      return
    }
    if (!trouble) log.info({ app, problem }, 'the nodes do not all know each other')
    trouble ??= { since: clock.monotonic(), told: false }
    if (trouble.told || clock.monotonic() - trouble.since < patienceMs) return
    trouble.told = true
    const event = { type: 'Warning', reason: 'BeamClusterIncomplete', message: problem } as const
    recordEvent(kube, clock, app, event).catch((error) =>
      log.warn({ app, error: errorMessage(error) }, 'no event left'),
    )
  }

  /** @returns whether every node knows all others */
  const look = async (): Promise<boolean> => {
    const pods = wanted
    const problems: string[] = []
    const known = new Map<string, readonly string[] | undefined>()
    await Promise.all(
      pods.map(async (pod) => {
        try {
          known.set(pod.name, await knownBy(await links.get(pod), signal))
        } catch (error) {
          known.set(pod.name, undefined)
          problems.push(`pod ${pod.pod}: ${errorMessage(error)}`)
        }
      }),
    )
    if (signal.aborted) return false
    const missing = missingLinks(known)
    for (const [from, to] of missing) {
      const reason = apart.get(`${from} ${to}`)
      if (reason) problems.push(reason)
      join(from, to)
    }
    if (missing.length === 0) apart.clear()
    const lonely = new Set(missing.flat())
    for (const { name } of pods) {
      const node = links.find(name)
      if (!node || told.has(node) || lonely.has(name) || !known.get(name)) continue
      told.add(node)
      sayJoined(node).catch(() => told.delete(node))
    }
    tell(problems.sort()[0], pods.length)
    return missing.length === 0 && problems.length === 0
  }

  const run = async () => {
    for (let failures = 0; !signal.aborted; ) {
      wake = new AbortController()
      const pause = AbortSignal.any([signal, wake.signal])
      failures = (await look()) ? 0 : failures + 1
      if (shortLived > 0) await clock.sleep(backoffDelay(shortLived, backoff), signal)
      await clock.sleep(failures === 0 ? steadyMs : backoffDelay(failures, backoff), pause)
      if (failures === 0 && !pause.aborted) shortLived = 0
    }
  }

  return {
    want(pods) {
      const changed = pods.map(identityOf).sort().join() !== wanted.map(identityOf).sort().join()
      wanted = pods
      if (changed) poke()
    },
    down(lastedMs) {
      shortLived = lastedMs < backoff.max ? shortLived + 1 : 0
      poke()
    },
    stopped: run(),
  }
}

async function knownBy(node: BeamNode, signal: AbortSignal): Promise<string[]> {
  const { listOf, textOf } = await import('#beam')
  const names = await node.rpc('erlang', 'nodes', [], { timeoutMs: askMs, signal, output: 'ignore' })
  return (listOf(names) ?? []).map((name: Term) => textOf(name) ?? '')
}

async function connectNode(from: BeamNode, to: string, signal: AbortSignal): Promise<void> {
  const { atom, isAtom } = await import('#beam')
  const options = { timeoutMs: joinMs, signal, output: 'ignore' } as const
  const joined = await from.rpc('net_kernel', 'connect_node', [atom(to)], options)
  if (!isAtom(joined, 'true')) throw new CuddleError('not-joined', `${from.name} cannot connect to ${to}`)
}

/**
 * Tells a node that it is connected to all that were there before it, or that there are none: who takes over names or state
 * from others can wait for it while it starts.
 */
async function sayJoined(node: BeamNode): Promise<void> {
  const { atom, tuple } = await import('#beam')
  const key = tuple(atom('cuddle'), atom('joined'))
  await node.rpc('persistent_term', 'put', [key, atom('true')], { timeoutMs: askMs, output: 'ignore' })
}
