import { elements, format, isAtom, listOf, numberOf, type Term, TermMap, textOf } from '#beam'
import { explain } from './explain.ts'
import { type Lingering, lingering, names, type ProcessName, shown } from './process-names.ts'

export type NodeReport =
  /** The code is loaded, the processes migrated and running. */
  | {
      state: 'committed'
      processes: number
      migrated: number
      modules: number
      /** Until the last of them was suspended, and from the first suspension to the last resumption. */
      suspendMs: number
      suspendedMs: number
      /** New children of supervisors that did not start, and why. */
      notStarted: readonly string[]
      /** What else is not as one would expect: processes that did not answer, children that keep their old arguments. */
      problems: readonly string[]
    }
  /** Refused before anything was touched, or never asked to. */
  | { state: 'untouched'; reason: string; lingering: readonly Lingering[] }
  /** Everything is as before. */
  | {
      state: 'aborted'
      reason: string
      /** Nodes that run will never take it, whatever its code_change does: it needs new ones. */
      unsafe: boolean
      suspendedMs: number
      restarted: readonly ProcessName[]
    }
  /** It went back as far as possible without killing anything; `left` says what is not as before. Restart the node. */
  | { state: 'damaged'; reason: string; left: readonly string[]; restarted: readonly ProcessName[] }
  /** The connection broke: a node that had not been told to commit goes back by itself. */
  | { state: 'lost'; reason: string; told: 'nothing' | 'apply' | 'commit' }

/** The report of a node that runs the new code. @param applied what it said before */
export function committed(applied: TermMap | undefined, details: TermMap): NodeReport {
  const number = (map: TermMap | undefined, name: string) => numberOf(map?.field(name)) ?? 0
  const list = (name: string) => listOf(details.field(name)) ?? []
  return {
    state: 'committed',
    processes: number(applied, 'processes'),
    migrated: number(applied, 'migrated'),
    modules: number(applied, 'modules'),
    suspendMs: number(details, 'suspend_us') / 1000,
    suspendedMs: number(details, 'suspended_us') / 1000,
    notStarted: list('not_started').map((item) => format(item, { limit: 200 })),
    problems: [
      ...list('later').map((item) => {
        const [supervisor, child] = elements(item, 2) ?? []
        return `${format(child ?? item)} of ${textOf(supervisor)} keeps its old arguments until it is started anew`
      }),
      ...names(list('late')).map(
        ({ pid, initialCall }) => `${pid} (${initialCall}) has not answered to its resumption`,
      ),
      ...list('wrong').map((name) => `${textOf(name)} runs in another version than was loaded`),
    ],
  }
}

/** The report of a node that went back. */
export function aborted(details: Term): NodeReport {
  const [why, state] = elements(details, 2) ?? []
  const fields = state instanceof TermMap ? state : new TermMap()
  const list = (name: string) => listOf(fields.field(name)) ?? []
  const reason = explain(why)
  const restarted = names(list('stuck'))
  const left = [
    ...lingering(fields.field('lingering')).map(
      (item) => `${item.module} stays new: ${item.count} processes run the code before it (${shown(item.processes)})`,
    ),
    ...names(list('lost')).map(({ pid, initialCall }) => `${pid} (${initialCall}) kept its migrated state`),
    ...names(list('late')).map(({ pid, initialCall }) => `${pid} (${initialCall}) has not answered to its resumption`),
    ...list('wrong').map((name) => `${textOf(name)} is not in its old version`),
  ]
  if (left.length > 0) return { state: 'damaged', reason, left, restarted }
  const unsafe = isAtom(elements(why)?.[0], 'supervision')
  return {
    ...{ state: 'aborted', reason, unsafe, restarted },
    suspendedMs: (numberOf(fields.field('suspended_us')) ?? 0) / 1000,
  }
}

/** What a refusal says of processes in older code. */
export function lingeringIn(details: Term): Lingering[] {
  const [kind, list] = elements(details, 2) ?? []
  return isAtom(kind, 'lingering') ? lingering(list) : []
}
