import type { Scale } from '#spec'
import { autoscaled, targetsOf } from './targets.ts'
import type { CompileInput } from './types.ts'

/** Whether the app's processes are nodes of one BEAM cluster. */
export function clustered(input: Pick<CompileInput, 'runtime' | 'spec'>): boolean {
  return input.runtime === 'beam' && input.spec.beam.cluster
}

/**
 * Whether the app's processes are nodes that the platform can reach: those of a cluster are, and those of an app that is scaled
 * by what only its nodes can say, or whose code is loaded while it runs. The latter do not know each other.
 */
export function reachable(input: Pick<CompileInput, 'runtime' | 'spec' | 'scale'>): boolean {
  if (clustered(input)) return true
  if (input.runtime !== 'beam') return false
  return Object.entries(input.spec.processes).some(([name, process]) => {
    if (process.strategy === 'hot') return true
    const byHand = Object.hasOwn(input.scale, name) ? input.scale[name] : undefined
    const scale: Scale = typeof byHand === 'object' ? { target: process.scale.target, ...byHand } : process.scale
    const meant = autoscaled(scale) || typeof scale.target === 'object'
    return meant && targetsOf(scale, true).some(({ source }) => source === 'node')
  })
}
