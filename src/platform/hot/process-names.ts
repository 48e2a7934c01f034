import { elements, format, listOf, numberOf, type Term, textOf } from '#beam'

/** A process, and the function it was started with. */
export interface ProcessName {
  pid: string
  initialCall: string
}

/** Processes that run code older than the present one, or hold funs made by it. */
export interface Lingering {
  module: string
  processes: readonly ProcessName[]
  /** In all; the list is cut at 50. */
  count: number
}

/** `{Pid, {Module, Function, Arity}}`, as the helper names processes. */
export function names(list: readonly Term[]): ProcessName[] {
  return list.map((item) => {
    const [pid, call] = elements(item, 2) ?? []
    const [module, name, arity] = elements(call, 3) ?? []
    return {
      pid: format(pid ?? item),
      initialCall: module === undefined ? 'unknown' : `${textOf(module)}:${textOf(name)}/${numberOf(arity)}`,
    }
  })
}

/** `{Module, Processes, Count}` of each module. */
export function lingering(list: Term | undefined): Lingering[] {
  return (listOf(list) ?? []).map((item) => {
    const [module, processes, count] = elements(item, 3) ?? []
    return { module: textOf(module) ?? '', processes: names(listOf(processes) ?? []), count: numberOf(count) ?? 0 }
  })
}

/** The first few, for a sentence. */
export const shown = (processes: readonly ProcessName[]) =>
  processes
    .slice(0, 3)
    .map(({ pid, initialCall }) => `${pid} ${initialCall}`)
    .join(', ')
