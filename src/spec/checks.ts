import { isObject, suggest } from '#lib'
import type { AppSpec } from './app-spec.ts'
import { keysOf, type ReadFile } from './document.ts'
import type { Problem } from './problems.ts'

/*
 * What one field alone cannot tell. These checks look at the file as it was written, which may be wrong elsewhere, so that
 * a developer sees every problem in the first run.
 */

/** @param processes names that run, from every source; empty when nothing is known */
export function checkTogether(read: ReadFile<unknown>, processes: ReadonlySet<string>): Problem[] {
  const raw = isObject(read.raw) ? read.raw : {}
  const problems = checkLevel(read, raw, [], processes)
  for (const name of keysOf(raw.environments)) {
    const overrides = raw.environments[name]
    if (!isObject(overrides)) continue
    const all = new Set([...processes, ...keysOf(overrides.processes)])
    problems.push(...checkLevel(read, overrides, ['environments', name], all))
  }
  return problems
}

function checkLevel(read: ReadFile<unknown>, raw: Record<string, any>, base: string[], processes: ReadonlySet<string>) {
  const problems: Problem[] = []
  for (const name of keysOf(raw.cron)) {
    if (processes.has(name)) {
      problems.push(read.problem([...base, 'cron', name], `cron ${name} has the name of a process`, { key: true }))
    }
  }
  for (const name of keysOf(raw.scale)) {
    const path = [...base, 'scale', name]
    if (processes.size > 0 && !processes.has(name)) {
      const meant = suggest(name, processes)
      const hint = meant ? `did you mean ${meant}?` : `processes: ${[...processes].join(', ')}`
      problems.push(read.problem(path, `scale: no process ${JSON.stringify(name)}`, { hint, key: true }))
    } else if (isObject(raw.processes?.[name]) && 'scale' in raw.processes[name]) {
      problems.push(
        read.problem(path, `scale of ${name} is given twice`, { hint: `also in processes.${name}`, key: true }),
      )
    }
  }
  problems.push(...twice(read, raw.domains, [...base, 'domains'], 'domain'))
  if (Array.isArray(raw.addons)) {
    const names = raw.addons.map((addon) => (isObject(addon) ? (addon.name ?? addon.type) : addon))
    problems.push(...twice(read, names, [...base, 'addons'], 'add-on'))
    for (const [index, addon] of raw.addons.entries()) {
      if (isObject(addon) && addon.name === undefined && addon.type === undefined) {
        problems.push(read.problem([...base, 'addons', index], 'add-on needs a type', { hint: 'for example postgres' }))
      }
    }
  }
  return problems
}

function twice(read: ReadFile<unknown>, list: unknown, path: PropertyKey[], what: string): Problem[] {
  if (!Array.isArray(list)) return []
  const seen = new Set<string>()
  const problems: Problem[] = []
  for (const [index, item] of list.entries()) {
    if (typeof item !== 'string') continue
    const name = item.toLowerCase().trim()
    if (seen.has(name)) problems.push(read.problem([...path, index], `${what} ${JSON.stringify(item)} appears twice`))
    seen.add(name)
  }
  return problems
}

/** Seconds of `drain` that leave one for the handover: half of it counts, and the preStop hook hears of the end a second early. */
const handoverDrain = 4

/** What only the whole, normalised spec can tell. */
export function checkSpec(spec: AppSpec, read: ReadFile<unknown>): { problems: Problem[]; warnings: Problem[] } {
  const problems: Problem[] = []
  const warnings: Problem[] = []
  const raw = isObject(read.raw) ? read.raw : {}
  const place = (name: string, key: string) => {
    const own = raw.processes?.[name]
    if (isObject(own) && key in own) return ['processes', name, key]
    return key === 'scale' ? ['scale', name] : [key]
  }
  for (const [name, process] of Object.entries(spec.processes)) {
    if (Object.keys(process.storage).length > 0) {
      if (process.scale.max > 1) {
        const message = `scale of ${name} must be 1: it has storage, which one replica at a time can use`
        problems.push(read.problem(place(name, 'scale'), message))
      }
      if (process.strategy !== 'recreate') {
        const message = `strategy of ${name} must be recreate: it has storage, which one replica at a time can use`
        problems.push(read.problem(place(name, 'strategy'), message))
      }
    }
  }
  for (const [name, { drain }] of spec.beam.handover === undefined ? [] : Object.entries(spec.processes)) {
    if (drain >= handoverDrain) continue
    const message = `drain of ${name} is too short for a handover: at least ${handoverDrain}s`
    problems.push(read.problem(place(name, 'drain'), message))
  }
  if (spec.beam.handover !== undefined && !spec.beam.cluster) {
    const hint = 'write cluster: true beside it'
    problems.push(read.problem(['beam', 'handover'], 'beam.handover needs a cluster to hand over to', { hint }))
  }
  if (raw.storage && !spec.processes.web && Object.keys(spec.processes).length > 1) {
    problems.push(read.problem(['storage'], 'storage: write it at the process that it belongs to', { key: true }))
  }
  if (raw.health && !spec.processes.web) {
    warnings.push(read.problem(['health'], 'health: there is no process web to check', { key: true }))
  }
  if (raw.domains?.length > 0 && !spec.processes.web && Object.keys(spec.processes).length > 0) {
    warnings.push(read.problem(['domains'], 'domains: there is no process web to send requests to', { key: true }))
  }
  if (spec.addons.length > 0) {
    warnings.push(read.problem(['addons'], 'addons: recorded, but nothing provisions them yet', { key: true }))
  }
  return { problems, warnings }
}
