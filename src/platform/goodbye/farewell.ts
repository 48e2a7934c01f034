import type { BeamNode } from '#beam'
import { EndpointSlice, type Kube, Pod } from '#kube'
import { backoffDelay, type Clock, errorMessage, formatDuration, type Logger } from '#lib'
import { goodbyeAnnotation, goodbyeVariable, leaveSeconds } from '#manifests'
import type { Lister } from '#operator'
import { dial } from '../beam/cookie.ts'
import { recordEvent } from '../beam/events.ts'
import { isRouted } from '../rollout.ts'
import { heirs, type Leaving } from './leaving.ts'
import { type Family, lookAtFamily, whoIsWaitedFor } from './slow-stop.ts'

/** Another name than the mesh's: two connections under one name end each other. */
const ourName = 'rem-cuddle-goodbye@127.0.0.1'
const connectMs = 2_000
const retryPause = { initial: 100, max: 1_000 }
const pollMs = 100
/** Heirs that just started are connected by the mesh within moments. */
const heirMs = 3_000
/** A stop that takes longer than this is told. OTP's own takes one second. */
const slowMs = 5_000
const lookMs = 500
/** Kept back of the time to hold, so that the hook hears of the end before it gives up by itself. */
const reserveMs = 1_000

export interface Farewells {
  kube: Kube
  clock: Clock
  log: Logger
  lister: Lister
  signal: AbortSignal
  /** Handovers under way, by the names of the nodes that receive them. */
  receiving: Map<string, Set<Promise<unknown>>>
}

/**
 * The goodbye of one node, from the order to stop until it is gone: tells the preStop hook that somebody cares, waits until
 * no new request comes, has the app hand over, waits for its connections to end, lets the hook go, and watches the stop.
 * Every step may be done twice, so a platform that starts in the middle begins anew. Never throws.
 */
export async function farewell(context: Farewells, leaver: Leaving): Promise<void> {
  const { clock, log } = context
  const { node: pod, uid } = leaver
  const start = clock.monotonic()
  const until = start + Math.max(0, leaver.holdSeconds * 1000 - reserveMs)
  const left = () => Math.max(0, until - clock.monotonic())
  let node: BeamNode | undefined
  try {
    node = await reach(context, leaver, until)
    await touch(node, '.seen')
    let family: Family | undefined
    if (left() > 0) {
      await leaveRotation(context, leaver, start, until)
      if (leaver.handover !== undefined) await handOver(context, leaver, node, left)
      await connectionsEnd(context, leaver, node, left)
      family = await lookAtFamily(node, 2_000).catch(() => undefined)
    }
    await note(context, leaver, 'stopping')
    await touch(node, '.done')
    await watchStop(context, leaver, node, family)
  } catch (error) {
    log.info({ app: pod.namespace, pod: pod.pod, uid, error: errorMessage(error) }, 'a node stops without a goodbye')
    if (leaver.handover !== undefined && !context.signal.aborted) {
      await tell(context, leaver, 'Warning', 'BeamHandoverFailed', `${pod.pod} stopped: ${errorMessage(error)}`)
    }
  } finally {
    node?.close()
  }
}

/** Tries until the time to hold is over: a node that starts, or is busy, may answer a moment later. */
async function reach({ kube, clock, signal }: Farewells, { node }: Leaving, until: number): Promise<BeamNode> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await dial(kube, node, { ourName, clock, signal, timeoutMs: connectMs })
    } catch (error) {
      if (signal.aborted || clock.monotonic() >= until) throw error
      await clock.sleep(backoffDelay(attempt, retryPause), signal)
    }
  }
}

async function touch(node: BeamNode, suffix: '.seen' | '.done'): Promise<void> {
  const { compileOnce, run, charlist } = await import('#beam')
  const write = 'ok = file:write_file(os:getenv(Variable) ++ Suffix, <<>>, [raw])'
  const bindings = { Variable: charlist(goodbyeVariable), Suffix: charlist(suffix) }
  await run(node, await compileOnce(node, write), bindings, { timeoutMs: 2_000, output: 'ignore' })
}

async function leaveRotation(context: Farewells, leaver: Leaving, start: number, until: number): Promise<void> {
  const { clock, lister, signal } = context
  const { namespace, pod } = leaver.node
  const routed = () => isRouted(lister.list(EndpointSlice, { namespace }), (name) => name === pod)
  while (!signal.aborted && clock.monotonic() < until && routed()) await clock.sleep(pollMs, signal)
  await clock.sleep(Math.min(until, start + leaveSeconds * 1000) - clock.monotonic(), signal)
}

async function handOver(context: Farewells, leaver: Leaving, node: BeamNode, left: () => number): Promise<void> {
  const { clock, receiving } = context
  const { node: own, handover } = leaver
  // What others are just handing to this node is handed on with the rest.
  await Promise.race([Promise.allSettled(receiving.get(own.name) ?? []), clock.sleep(left() / 2)])
  const peers = await findHeirs(context, leaver, node, Math.min(heirMs, left()))
  if (peers.length === 0) {
    await tell(context, leaver, 'Warning', 'BeamHandoverSkipped', `${own.pod} had nobody to hand over to`)
    return
  }
  const count = `${peers.length} node${peers.length === 1 ? '' : 's'}`
  await note(context, leaver, `handing over to ${count}`)
  const { atom, format, isAtom, tagged } = await import('#beam')
  const began = clock.monotonic()
  const options = { timeoutMs: Math.max(1, Math.round(left())), signal: context.signal }
  const call = node.rpc(handover!, 'handover', [peers.map(atom)], options)
  for (const peer of peers) (receiving.get(peer) ?? receiving.set(peer, new Set()).get(peer)!).add(call)
  try {
    const value = await call
    const took = formatDuration(clock.monotonic() - began)
    const failed = isAtom(value, 'error') || tagged(value, 'error') !== undefined
    const said = `${format(value, { limit: 200 })} after ${took}`
    if (failed) await tell(context, leaver, 'Warning', 'BeamHandoverFailed', `${own.pod} to ${count}: ${said}`)
    else await tell(context, leaver, 'Normal', 'BeamHandover', `${own.pod} handed over to ${count}: ${said}`)
  } catch (error) {
    const message = `${own.pod} could not hand over to ${count}: ${errorMessage(error)}`
    await tell(context, leaver, 'Warning', 'BeamHandoverFailed', message)
  } finally {
    for (const peer of peers) receiving.get(peer)?.delete(call)
  }
}

/** Names of those that stay and that the node is connected to. */
async function findHeirs(context: Farewells, leaver: Leaving, node: BeamNode, ms: number): Promise<string[]> {
  const { listOf, textOf } = await import('#beam')
  const { clock, lister, signal } = context
  const { namespace } = leaver.node
  for (const end = clock.monotonic() + ms; ; await clock.sleep(pollMs, signal)) {
    const staying = heirs(lister.list(Pod, { namespace }), leaver.node).map(({ name }) => name)
    const known = (listOf(await node.rpc('erlang', 'nodes', [], { output: 'ignore' })) ?? []).map((name) =>
      textOf(name),
    )
    const connected = staying.filter((name) => known.includes(name)).sort()
    const late = signal.aborted || clock.monotonic() >= end
    if (late || (connected.length > 0 && connected.length === staying.length)) return connected
  }
}

/** Sockets of users: `gen_tcp` ones on the app's port. What listens has no peer. */
const openConnections = `
length([P || P <- erlang:ports(), erlang:port_info(P, name) =:= {name, "tcp_inet"},
  {ok, {_, N}} <- [inet:sockname(P)], N =:= Port, {ok, _} <- [inet:peername(P)]])
`

async function connectionsEnd(context: Farewells, leaver: Leaving, node: BeamNode, left: () => number): Promise<void> {
  const { compileOnce, numberOf, run } = await import('#beam')
  const { port } = leaver
  if (port === undefined) return
  const forms = await compileOnce(node, openConnections)
  for (let told = 0; left() > 0 && !context.signal.aborted; await context.clock.sleep(pollMs, context.signal)) {
    const open = numberOf(await run(node, forms, { Port: port }, { timeoutMs: 5_000, output: 'ignore' })) ?? 0
    if (open === 0) return
    if (open !== told) await note(context, leaver, `waiting for ${open} connection${open === 1 ? '' : 's'}`)
    told = open
  }
}

/** Follows a stop to its end, and tells who held it up when that took long. */
async function watchStop(context: Farewells, leaver: Leaving, node: BeamNode, family?: Family): Promise<void> {
  const { clock, signal } = context
  const began = clock.monotonic()
  const ended = node.closed.then(() => true)
  const heldUp = new Map<string, number>()
  let shown = ''
  while (!signal.aborted && !(await Promise.race([ended, clock.sleep(lookMs, signal).then(() => false)]))) {
    if (!family) continue
    const names = await whoIsWaitedFor(node, family, 2_000).catch(() => [])
    for (const name of names) heldUp.set(name, (heldUp.get(name) ?? 0) + 1)
    const message = names.length > 0 ? `stopping, waits for ${names.slice(0, 3).join(', ')}` : shown
    if (message !== shown && clock.monotonic() - began > 2 * lookMs) await note(context, leaver, (shown = message))
  }
  const took = clock.monotonic() - began
  if (signal.aborted || took < slowMs) return
  const [longest] = [...heldUp].sort(([, a], [, b]) => b - a)
  const why =
    longest?.[0] ?? 'no supervisor waited for a child; an application callback (stop/1, prep_stop/1) may be slow'
  const message = `${leaver.node.pod} took ${Math.round(took / 1000)} s to stop: ${why}`
  await tell(context, leaver, 'Warning', 'BeamSlowStop', message)
}

/** What the pod is busy with, where `cuddle ps` finds it. */
async function note({ kube, log }: Farewells, { node }: Leaving, message: string): Promise<void> {
  const patch = { metadata: { annotations: { [goodbyeAnnotation]: message } } }
  await kube
    .patch(Pod, { name: node.pod, namespace: node.namespace }, patch)
    .catch((error) => log.debug({ pod: node.pod, error: errorMessage(error) }, 'not noted'))
}

async function tell(
  { kube, clock, log }: Farewells,
  { node }: Leaving,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
): Promise<void> {
  log.info({ app: node.namespace, pod: node.pod, reason }, message)
  await recordEvent(kube, clock, node.namespace, { type, reason, message }).catch((error) =>
    log.warn({ app: node.namespace, error: errorMessage(error) }, 'no event left'),
  )
}
