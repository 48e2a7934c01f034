import type { PodSignals } from './store.ts'

/** A number that is read from every BEAM node. */
export interface Signal {
  name: string
  help: string
  /** How the values of several pods make one. */
  across: 'mean' | 'sum' | 'max'
  /** True where it is an average over the window and not the value at a moment. */
  windowed?: boolean
  of(pod: PodSignals & { sample: NonNullable<PodSignals['sample']> }): number | undefined
}

const memoryKinds = ['total', 'processes', 'system', 'binary', 'ets', 'code', 'atom'] as const

/**
 * Everything that is measured. Names follow Prometheus' rules: base units, `_ratio` from 0 to 1, rates as `_per_second` since
 * the node keeps the counters and may restart.
 */
export const signals: readonly Signal[] = [
  {
    name: 'beam_scheduler_utilisation_ratio',
    help: 'Busy share of the online schedulers. Busy waiting does not count.',
    across: 'mean',
    windowed: true,
    of: (pod) => pod.utilisation,
  },
  {
    name: 'beam_dirty_cpu_utilisation_ratio',
    help: 'Busy share of the online dirty CPU schedulers: long native functions.',
    across: 'mean',
    windowed: true,
    of: (pod) => pod.dirtyCpuUtilisation,
  },
  {
    name: 'beam_run_queue',
    help: 'Processes and ports that are ready to run and wait for a scheduler.',
    across: 'sum',
    windowed: true,
    of: (pod) => pod.runQueue,
  },
  {
    name: 'beam_run_queue_per_scheduler',
    help: 'The same for each online scheduler: above 1 or 2 for long, work waits.',
    across: 'mean',
    windowed: true,
    of: ({ runQueue, sample }) => runQueue / Math.max(1, sample.schedulersOnline),
  },
  gauge('beam_schedulers_online', 'Schedulers that are online.', 'sum', (s) => s.schedulersOnline),
  ...memoryKinds.map((kind) =>
    gauge(
      kind === 'total' ? 'beam_memory_bytes' : `beam_memory_${kind}_bytes`,
      kind === 'total' ? 'Memory that the VM has allocated.' : `Of it, for ${kind}.`,
      'sum',
      (s) => s.memory[kind],
    ),
  ),
  gauge('beam_processes', 'Erlang processes.', 'sum', (s) => s.processes.count),
  gauge('beam_processes_ratio', 'Of the limit.', 'max', (s) => s.processes.count / s.processes.limit),
  gauge('beam_ports', 'Ports: sockets, files, programs.', 'sum', (s) => s.ports.count),
  gauge('beam_ports_ratio', 'Of the limit.', 'max', (s) => s.ports.count / s.ports.limit),
  gauge('beam_atoms', 'Atoms; they are never freed.', 'max', (s) => s.atoms.count),
  gauge('beam_atoms_ratio', 'Of the limit, at which the VM ends.', 'max', (s) => s.atoms.count / s.atoms.limit),
  gauge('beam_ets_tables', 'ETS tables.', 'sum', (s) => s.ets.count),
  gauge('beam_reductions_per_second', 'Work done.', 'sum', (s) => s.perSecond.reductions),
  gauge('beam_garbage_collections_per_second', 'Collections.', 'sum', (s) => s.perSecond.collections),
  gauge('beam_input_bytes_per_second', 'Read by ports.', 'sum', (s) => s.perSecond.inputBytes),
  gauge('beam_output_bytes_per_second', 'Written by ports.', 'sum', (s) => s.perSecond.outputBytes),
  {
    name: 'beam_mailbox_longest',
    help: 'Messages in the longest message queue when they were last looked at, 0 below a hundred.',
    across: 'max',
    of: (pod) => pod.mailboxes[0]?.length ?? 0,
  },
]

function gauge(
  name: string,
  help: string,
  across: Signal['across'],
  of: (sample: NonNullable<PodSignals['sample']>) => number | undefined,
): Signal {
  return { name, help, across, of: ({ sample }) => of(sample) }
}

const byName = new Map(signals.map((signal) => [signal.name, signal]))

/** A signal of ours, or a number that apps publish: those of several pods are added. */
export function signalNamed(name: string): Signal {
  return (
    byName.get(name) ?? {
      name,
      help: 'Published by the app.',
      across: 'sum',
      of: ({ sample }) => (Object.hasOwn(sample.published, name) ? sample.published[name] : undefined),
    }
  )
}

/** What one pod says; undefined when nothing, or nothing recent. */
export function readingOf(signal: Signal, pod: PodSignals): number | undefined {
  const value = pod.sample && signal.of(pod as Parameters<Signal['of']>[0])
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

/** One value for several pods. */
export function combined(signal: Signal, values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined
  if (signal.across === 'max') return Math.max(...values)
  const sum = values.reduce((total, one) => total + one, 0)
  return signal.across === 'sum' ? sum : sum / values.length
}

/** Names of all numbers that some pods have now, ours first. */
export function namesIn(pods: readonly PodSignals[]): string[] {
  const published = new Set(pods.flatMap(({ sample }) => Object.keys(sample?.published ?? {})))
  return [...signals.map(({ name }) => name), ...[...published].sort()]
}
