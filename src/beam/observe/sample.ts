import { Atom, elements, listOf, numberOf, type Term } from '../term/index.ts'
import { isReadable, publishedNumbers } from './published.ts'

export interface Usage {
  count: number
  limit: number
}

/** One look at a node. Shares are 0 to 1, memory is in bytes. */
export interface Sample {
  /** Over which time utilisation and rates were taken, in milliseconds. */
  overMs: number
  /** Of the schedulers that are online; undefined where it was not measured all the time. Busy waiting does not count. */
  utilisation: number | undefined
  /** Of each online scheduler. */
  schedulers: readonly number[]
  /** Of the online dirty CPU schedulers: long NIFs. */
  dirtyCpuUtilisation: number | undefined
  /** Since the node started, in milliseconds. */
  uptimeMs: number
  schedulersOnline: number
  schedulersTotal: number
  /** Processes and ports ready to run and waiting for a scheduler. */
  runQueue: { total: number; normal: readonly number[]; dirtyCpu: number; dirtyIo: number }
  /** `erlang:memory/0`: total, processes, processes_used, system, atom, atom_used, binary, code, ets. */
  memory: Readonly<Record<string, number>>
  processes: Usage
  ports: Usage
  atoms: Usage
  ets: Usage
  perSecond: {
    reductions: number
    /** Collections, and the words they gave back. */
    collections: number
    reclaimedWords: number
    inputBytes: number
    outputBytes: number
  }
  /** What the app itself says in its table `cuddle_metrics`: at most a hundred numbers, by name. */
  published: Readonly<Record<string, number>>
}

export interface Counters {
  atUs: number
  /** By scheduler id: active and total time; undefined while it is not measured. */
  wallTime: ReadonlyMap<number, { active: number; total: number }> | undefined
  runQueues: readonly number[]
  memory: Readonly<Record<string, number>>
  schedulers: number
  online: number
  dirtyOnline: number
  processes: Usage
  ports: Usage
  atoms: Usage
  ets: Usage
  reductions: number
  collections: number
  reclaimedWords: number
  inputBytes: number
  outputBytes: number
  uptimeMs: number
  /** Whether the app has a table of numbers that can be read. */
  publishes: boolean
  published: Readonly<Record<string, number>>
}

const at = (term: Term | undefined, index: number) => elements(term)?.[index]
const count = (term: Term | undefined) => numberOf(term) ?? 0

/** The counters in the reply to one batch of readings. */
export function readCounters(values: readonly Term[]): Counters {
  const [time, wall, queues, memory, schedulers, online, dirtyOnline, ...rest] = values
  const [processes, ports, atoms, ets] = [0, 2, 4, 6].map((i) => ({ count: count(rest[i]), limit: count(rest[i + 1]) }))
  const [reductions, collection, io, clock, size, rows] = rest.slice(8)
  return {
    atUs: count(time),
    wallTime: wallTime(wall),
    runQueues: (listOf(queues) ?? []).map(count),
    memory: memoryByKind(memory),
    schedulers: count(schedulers),
    online: count(online),
    dirtyOnline: count(dirtyOnline),
    ...{ processes, ports, atoms, ets },
    reductions: count(at(reductions, 0)),
    collections: count(at(collection, 0)),
    reclaimedWords: count(at(collection, 1)),
    inputBytes: count(at(at(io, 0), 1)),
    outputBytes: count(at(at(io, 1), 1)),
    uptimeMs: count(at(clock, 0)),
    publishes: isReadable(size),
    published: publishedNumbers(rows),
  }
}

function memoryByKind(memory: Term | undefined): Record<string, number> {
  const kinds = (listOf(memory) ?? []).flatMap((pair) => {
    const [kind, bytes] = elements(pair, 2) ?? []
    return kind instanceof Atom ? [[kind.name, count(bytes)] as const] : []
  })
  return Object.fromEntries(kinds)
}

function wallTime(term: Term | undefined): Counters['wallTime'] {
  const list = listOf(term)
  if (!list) return undefined
  return new Map(list.map((one) => [count(at(one, 0)), { active: count(at(one, 1)), total: count(at(one, 2)) }]))
}

/**
 * Schedulers are 1..schedulers, dirty CPU ones follow; offline ones of both kinds are listed too and would make a busy
 * node look idle (erlang/otp issue 4502).
 */
export function sampleBetween(before: Counters, after: Counters): Sample {
  const seconds = Math.max(1e-6, (after.atUs - before.atUs) / 1e6)
  const rate = (key: 'reductions' | 'collections' | 'reclaimedWords' | 'inputBytes' | 'outputBytes') =>
    Math.max(0, after[key] - before[key]) / seconds
  const normal = shares(before, after, 1, after.online)
  const dirty = shares(before, after, after.schedulers + 1, after.dirtyOnline)
  const queues = after.runQueues.slice(0, after.schedulers)
  return {
    overMs: (after.atUs - before.atUs) / 1000,
    utilisation: mean(normal),
    schedulers: normal,
    dirtyCpuUtilisation: mean(dirty),
    uptimeMs: after.uptimeMs,
    schedulersOnline: after.online,
    schedulersTotal: after.schedulers,
    runQueue: {
      total: after.runQueues.reduce((sum, one) => sum + one, 0),
      normal: queues,
      dirtyCpu: after.runQueues[after.schedulers] ?? 0,
      dirtyIo: after.runQueues[after.schedulers + 1] ?? 0,
    },
    memory: after.memory,
    processes: after.processes,
    ports: after.ports,
    atoms: after.atoms,
    ets: after.ets,
    perSecond: {
      reductions: rate('reductions'),
      collections: rate('collections'),
      reclaimedWords: rate('reclaimedWords'),
      inputBytes: rate('inputBytes'),
      outputBytes: rate('outputBytes'),
    },
    published: after.published,
  }
}

/** Busy share of `length` schedulers from id `first` on; empty when any of them was not measured throughout. */
function shares(before: Counters, after: Counters, first: number, length: number): number[] {
  const found: number[] = []
  for (let id = first; id < first + length; id++) {
    const [from, to] = [before.wallTime?.get(id), after.wallTime?.get(id)]
    if (!from || !to || to.total <= from.total || to.active < from.active) return []
    found.push(Math.min(1, (to.active - from.active) / (to.total - from.total)))
  }
  return found
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, one) => sum + one, 0) / values.length
}
