import type { TraceCounts, TraceEnd, TraceEvent, TraceOptions } from '#beam'
import { CuddleError } from '#lib'
import type { Context } from '../context.ts'
import type { BeamPod } from './nodes.ts'
import { openNode } from './session.ts'

export interface TraceRequest extends Pick<TraceOptions, 'returns' | 'limit' | 'maxPerSecond' | 'durationMs'> {
  /** `Mod.fun/2`: see `parseTarget` of #beam. */
  target: string
  seat: number
  signal?: AbortSignal
  onCounts?: (counts: TraceCounts) => void
  onEvent?: (event: TraceEvent) => void
}

/** Follows calls on one node. @throws CuddleError `bad-target`, and as `openNode` and `traceCalls` of #beam */
export async function traceOn(context: Context, pod: BeamPod, request: TraceRequest): Promise<TraceEnd> {
  const { parseTarget, traceCalls } = await import('#beam')
  const { target, seat, signal, ...options } = request
  const parsed = parseTarget(target)
  const stop = signal && { signal }
  const node = await openNode(context, pod, { verb: 'trace', seat, ...stop })
  try {
    const language = (await node.hasElixir()) ? 'elixir' : 'erlang'
    return await traceCalls(node, { ...parsed, ...options, ...stop, language })
  } catch (error) {
    if (signal?.aborted) throw new CuddleError('interrupted', 'stopped; nothing of the trace is left on the node')
    throw error
  } finally {
    node.close()
  }
}
