import { type AddonSpec, type AppSpec, defaults, type HealthSpec, type ProcessSpec, type TaskSpec } from './app-spec.ts'
import { type Size, sizes } from './fields.ts'
import type { Command, Health, SpecFile, SpecOverrides } from './schema.ts'

/** What other sources say about processes that the spec file names without a command. */
export interface Known {
  commands: Record<string, Command>
  /** Port of `web` where the language implies one. */
  port?: number
}

/** Fills every default in. Processes without any command are left out; the caller has reported them. */
export function normalise(file: SpecFile, known: Known = { commands: {} }): AppSpec {
  const size = file.size ?? sizes[defaults.size]
  const written = file.processes ?? {}
  const names = [...Object.keys(known.commands), ...Object.keys(written)]
  const ordered = [...new Set(names.includes('web') ? ['web', ...names] : names)]
  const only = ordered.length === 1
  const processes: Record<string, ProcessSpec> = {}
  for (const name of ordered) {
    const own: Partial<WrittenProcess> = written[name] ?? {}
    const command = own.command ?? known.commands[name]
    if (command === undefined) continue
    const main = name === 'web' || only
    const storage = own.storage ?? (main ? file.storage : undefined) ?? {}
    const port = own.port ?? (name === 'web' ? (known.port ?? defaults.port) : undefined)
    const stored = Object.keys(storage).length > 0
    processes[name] = {
      command,
      scale: own.scale ?? file.scale?.[name] ?? defaults.scale,
      size: own.size ?? size,
      ...(port === undefined ? {} : { port, health: normaliseHealth(own.health ?? (main ? file.health : undefined)) }),
      storage,
      drain: own.drain ?? file.drain ?? defaults.drain,
      strategy: own.strategy ?? (stored ? 'recreate' : (file.strategy ?? 'rolling')),
    }
  }
  return {
    ...(file.app === undefined ? {} : { app: file.app }),
    processes,
    ...(file.release ? { release: task(file.release, size, defaults.releaseTimeout) } : {}),
    cron: Object.fromEntries(
      Object.entries(file.cron ?? {}).map(([name, entry]) => [
        name,
        {
          schedule: entry.schedule.trim(),
          ...task(entry, size, defaults.cronTimeout),
          timezone: entry.timezone ?? defaults.timezone,
        },
      ]),
    ),
    addons: normaliseAddons(file.addons),
    domains: file.domains ?? [],
    env: file.env ?? {},
    beam: {
      ...defaults.beam,
      ...file.beam,
    },
    build: { env: file.build?.env ?? {}, dir: file.build?.dir ?? '.' },
    patches: file.patches ?? [],
  }
}

type WrittenProcess = Omit<ProcessSpec, 'health'> & { health: Health }

function normaliseHealth(health: Health | undefined): HealthSpec {
  return { ...defaults.health, ...health }
}

function task(written: { command: Command; size?: Size; timeout?: number }, size: Size, timeout: number): TaskSpec {
  return { command: written.command, size: written.size ?? size, timeout: written.timeout ?? timeout }
}

function normaliseAddons(addons: SpecFile['addons']): AddonSpec[] {
  if (!addons) return []
  const list: { name?: string; type?: string; size?: string }[] = Array.isArray(addons)
    ? addons
    : Object.entries(addons).map(([name, addon]) => ({ name, ...addon }))
  return list.map(({ name, type, size }) => ({
    name: name ?? type ?? 'addon',
    type: type ?? name ?? 'addon',
    ...(size === undefined ? {} : { size }),
  }))
}

const maps = ['processes', 'cron', 'env', 'scale', 'storage', 'beam'] as const

/**
 * One layer over another (an environment over the file, cuddle.yaml over app.json): maps are merged key by key, everything
 * else is replaced. A key for all processes in the upper layer also beats one at a process in the lower.
 */
export function overlay(lower: SpecFile, upper: SpecFile | SpecOverrides): SpecFile {
  const processes = { ...lower.processes }
  for (const name of Object.keys(processes)) {
    const kept: Record<string, unknown> = { ...processes[name] }
    for (const key of ['size', 'drain', 'strategy'] as const) if (upper[key] !== undefined) delete kept[key]
    if (name === 'web' && upper.health !== undefined) delete kept.health
    if (name === 'web' && upper.storage !== undefined) delete kept.storage
    if (upper.scale?.[name] !== undefined) delete kept.scale
    processes[name] = kept
  }
  for (const [name, process] of Object.entries(upper.processes ?? {})) {
    processes[name] = { ...processes[name], ...process }
  }
  const merged: SpecFile = { ...lower, ...upper }
  for (const key of maps)
    if (lower[key] && upper[key]) Object.assign(merged, { [key]: { ...lower[key], ...upper[key] } })
  if (Object.keys(processes).length > 0) merged.processes = processes
  return merged
}
