import { type BeamNode, type LocalProcess, type Mfa, RemoteError } from '../distribution/index.ts'
import { bindingsTerm, compileOnce } from '../evaluate.ts'
import { atom, isAtom, type Pid } from '../term/index.ts'
import { tableRows, tableSize } from './published.ts'
import { type Counters, readCounters, type Sample, sampleBetween } from './sample.ts'

export interface SamplerOptions {
  /** Of each reading. @default 5000 */
  timeoutMs?: number
}

export interface Sampler {
  /** Reads once, in one round trip; utilisation and rates are over the time since the reading before. */
  sample(options?: { signal?: AbortSignal }): Promise<Sample>
  /** Gives the node back as it was: scheduler times are no longer measured for us. */
  close(): void
}

const one = (name: string): Mfa => ['erlang', 'system_info', [atom(name)]]
const statistic = (name: string): Mfa => ['erlang', 'statistics', [atom(name)]]

/** In the order that `readCounters` expects. */
const readings: readonly Mfa[] = [
  ['erlang', 'monotonic_time', [atom('microsecond')]],
  statistic('scheduler_wall_time'),
  statistic('run_queue_lengths_all'),
  ['erlang', 'memory', []],
  one('schedulers'),
  one('schedulers_online'),
  one('dirty_cpu_schedulers_online'),
  one('process_count'),
  one('process_limit'),
  one('port_count'),
  one('port_limit'),
  one('atom_count'),
  one('atom_limit'),
  one('ets_count'),
  one('ets_limit'),
  statistic('reductions'),
  statistic('garbage_collection'),
  statistic('io'),
  statistic('wall_clock'),
  tableSize,
]

/** A table that could not be read is tried again after so many samples. */
const samplesUntilRetry = 30

const measuring = 'erlang:system_flag(scheduler_wall_time, true), Owner ! ready, receive stop -> ok end'

/**
 * Samples a node for as long as it is wanted: some 100 µs of the node's time per reading. Scheduler times are measured
 * only while a process that asked for it lives (OTP's `scheduler_wall_time` flag is counted per process), so a helper
 * process stands there, linked to us: it goes when the sampler is closed, and when our connection does.
 *
 * @throws what `node.call` throws
 */
export async function createSampler(node: BeamNode, options: SamplerOptions = {}): Promise<Sampler> {
  const { timeoutMs = 5000 } = options
  const flag = await compileOnce(node, measuring)
  let helper: Promise<Pid> | undefined
  let onReady = () => {}
  const owner: LocalProcess = node.process({
    message: (term) => isAtom(term, 'ready') && onReady(),
    exit: () => {
      helper = undefined
    },
  })
  const measure = () => {
    helper ??= (async () => {
      const ready = Promise.withResolvers<void>()
      onReady = ready.resolve
      const pid = await node.spawn(owner, ['erl_eval', 'exprs', [flag.forms, bindingsTerm({ Owner: owner.pid })]], {
        timeoutMs,
      })
      await Promise.race([ready.promise, node.closed])
      return pid
    })().catch((error) => {
      helper = undefined
      throw error
    })
    return helper
  }
  const read = async (signal?: AbortSignal): Promise<Counters> => {
    await measure()
    const options = { timeoutMs, output: 'ignore' as const, ...(signal ? { signal } : {}) }
    if (privateFor > 0) privateFor--
    if (!publishes || privateFor > 0) return readCounters(await node.callAll(readings, options))
    try {
      return readCounters(await node.callAll([...readings, tableRows], options))
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error
      // The table has gone, or is nobody else's to read; it may become so.
      privateFor = samplesUntilRetry
      return readCounters(await node.callAll(readings, options))
    }
  }
  let publishes = false
  let privateFor = 0
  let last: Counters
  try {
    last = await read()
    publishes = last.publishes
  } catch (error) {
    owner.close()
    throw error
  }
  return {
    async sample({ signal } = {}) {
      const before = last
      last = await read(signal)
      publishes = last.publishes
      return sampleBetween(before, last)
    },
    close: () => owner.close(atom('shutdown')),
  }
}
