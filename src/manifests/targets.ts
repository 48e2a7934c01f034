import type { Scale } from '#spec'

/** What a process is scaled by when its spec names no signal: of what it requests, or of its online schedulers. */
const usualPercent = 60

/** Words of ours for what is measured under a longer name. */
const words: Record<string, string> = {
  utilisation: 'beam_scheduler_utilisation_ratio',
  run_queue: 'beam_run_queue_per_scheduler',
  mailbox: 'beam_mailbox_longest',
}

/** One thing that an autoscaler aims for. */
export type AutoscalerTarget =
  /** A share of what the pods request, in per cent. */
  | { source: 'resource'; name: 'cpu' | 'memory'; percent: number }
  /** A number that the platform reads from the app's nodes; the average per pod. */
  | { source: 'node'; metric: string; average: number }

/** Does a scale leave the number of replicas to an autoscaler? */
export function autoscaled(scale: Scale): boolean {
  return scale.max > scale.min
}

/**
 * A scale's targets. Where none is named: the CPU, and for nodes of the BEAM the utilisation of their schedulers, since their CPU
 * time tells of waiting as well as of work.
 */
export function targetsOf({ target = usualPercent }: Scale, beam: boolean): AutoscalerTarget[] {
  const named = typeof target === 'number' ? { [beam ? 'utilisation' : 'cpu']: target } : target
  return Object.entries(named).map(([name, value]) => {
    if (name === 'cpu' || name === 'memory') return { source: 'resource', name, percent: value }
    const metric = Object.hasOwn(words, name) ? words[name] : name
    return { source: 'node', metric, average: name === 'utilisation' ? value / 100 : value }
  })
}
