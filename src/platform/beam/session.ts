import type { BeamNode } from '#beam'
import { Pod } from '#kube'
import { CuddleError } from '#lib'
import type { Context } from '../context.ts'
import { getApp } from '../releases.ts'
import { dial } from './cookie.ts'
import { recordEvent } from './events.ts'
import { type BeamPod, beamNodeLabel, beamPod } from './nodes.ts'

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
    hint: 'it takes an Erlang or Elixir app with beam: {cluster: true} or a range of scale; cuddle ps shows what runs',
  })
}

/**
 * Names of commands become atoms in the node for ever, so there are few of them; two commands that meet under one name
 * disturb each other, so there are some.
 */
const names = 64

/**
 * Connects a command to a node, directly, with a cookie that the user may read. Leaves an Event about the app first: no
 * look inside without a trace.
 *
 * @param verb `rpc`, `observer` …: what the trace says
 * @param seat any number that tells this command from others at the same time, a process id
 * @throws CuddleError as `connect` of #beam, `no-cookie`
 */
export async function openNode(
  context: Context,
  node: BeamPod,
  { verb, seat, signal }: { verb: string; seat: number; signal?: AbortSignal },
): Promise<BeamNode> {
  // Not with which words: they may hold secrets.
  const message = `${context.user} used "cuddle ${verb}" on pod ${node.pod}`
  await recordEvent(context.kube, context.clock, node.namespace, { type: 'Normal', reason: 'BeamAccess', message })
  const ourName = `rem-cuddle-${seat % names}@127.0.0.1`
  return dial(context.kube, node, { ourName, clock: context.clock, ...(signal && { signal }) })
}
