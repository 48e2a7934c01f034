import type { BeamNode } from '#beam'
import { Pod } from '#kube'
import { CuddleError, errorMessage } from '#lib'
import type { Context } from '../context.ts'
import { getApp } from '../releases.ts'
import { dial } from './cookie.ts'
import { recordPodEvent } from './events.ts'
import { type BeamPod, beamNodeLabel, beamPod } from './nodes.ts'
import { checkAccess } from './permission.ts'
import { isOfThisMachine } from './way.ts'

export interface NodeChoice {
  /** Only nodes of this process. */
  process?: string
  /** Only this pod. */
  pod?: string
  signal?: AbortSignal
}

/**
 * The BEAM nodes of an app that run now, the ready ones first.
 * @throws CuddleError `no-nodes` when there is none
 */
export async function listNodes(context: Context, app: string, { process, pod }: NodeChoice = {}): Promise<BeamPod[]> {
  await getApp(context, app)
  const { items } = await context.kube.listAll(Pod, { namespace: app, labelSelector: beamNodeLabel })
  const nodes = items
    .flatMap((item) => beamPod(item) ?? [])
    .filter((node) => (process === undefined || node.process === process) && (pod === undefined || node.pod === pod))
    .sort((a, b) => Number(b.ready) - Number(a.ready) || (a.pod < b.pod ? -1 : 1))
  if (nodes.length > 0) return nodes
  const which = pod ? ` in pod "${pod}"` : process ? ` of process "${process}"` : ''
  throw new CuddleError('no-nodes', `${app} has no running BEAM node${which} that can be reached`, {
    hint:
      which === ''
        ? 'it takes an Erlang or Elixir app with beam: {cluster: true} or a range of scale; cuddle ps shows what runs'
        : `cuddle ps -a ${app} shows what runs`,
  })
}

/**
 * Names of commands become atoms in the node for ever, so there are few of them; two commands that meet under one name
 * disturb each other, so there are some.
 */
const names = 64

/** A node on this machine answers at once or not at all. */
const directMs = 1_000

/**
 * Connects a command to a node with the caller's own rights: first the API server is asked whether they may, then an Event
 * about the pod is left (no look inside without a trace), then the way to the node is a port-forward through the API server,
 * so that it works wherever kubectl does. Where the pod's address is one of this machine it is dialled directly (ADR 0011).
 *
 * @param verb `rpc`, `observer` …: what the trace says
 * @param seat any number that tells this command from others at the same time, a process id
 * @throws CuddleError `not-allowed`, `no-cookie`, and as `connect` of #beam
 */
export async function openNode(
  context: Context,
  node: BeamPod,
  { verb, seat, signal }: { verb: string; seat: number; signal?: AbortSignal },
): Promise<BeamNode> {
  const { kube, clock, user } = context
  const known = await checkAccess(kube, node)
  const who = known === undefined || known === user ? user : `${known} (${user})`
  // Not with which words: they may hold secrets.
  const message = `${who} used "cuddle ${verb}" on pod ${node.pod}`
  await recordPodEvent(kube, clock, node, { type: 'Normal', reason: 'BeamAccess', message })
  const { host, port, pod, namespace } = node
  const options = { ourName: `rem-cuddle-${seat % names}@127.0.0.1`, clock, ...(signal && { signal }) }
  if (isOfThisMachine(host)) {
    try {
      return await dial(kube, node, { ...options, timeoutMs: directMs })
    } catch (error) {
      if (signal?.aborted) throw error
    }
  }
  try {
    return await dial(kube, node, { ...options, dial: (stop) => kube.openPort(pod, namespace, { port, signal: stop }) })
  } catch (error) {
    if (!/unable to connect to port/.test(errorMessage(error))) throw error
    throw new CuddleError(
      'node-unreachable',
      `nothing in pod ${pod} listens for Erlang distribution, on port ${port}`,
      {
        hint: 'it may be starting; a rebar3 release has to take its name from the environment (docs/guide/beam.md, "rebar3")',
        cause: error,
      },
    )
  }
}
