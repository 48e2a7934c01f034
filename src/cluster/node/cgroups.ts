import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Limits {
  memoryBytes?: number | undefined
  /** Cores a container may use. */
  cpuLimit?: number | undefined
  /** Cores a container asks for: its share when the machine is busy. */
  cpuRequest?: number | undefined
}

export interface Cgroups {
  readonly version: 1 | 2
  /** Makes the groups of one attempt; [] when none is needed or possible. */
  create(name: string, limits: Limits): string[]
  /** Changes the limits of groups that `create` made, while processes are in them. @throws what the kernel says */
  update(directories: readonly string[], limits: Limits): void
  /** Leaves as little as possible behind when no container is left. */
  close(): void
}

/** The kernel's groups below our own, or undefined where this process may not make any (most people are not root). */
export function findCgroups(root = '/sys/fs/cgroup'): Cgroups | undefined {
  try {
    return existsSync(join(root, 'cgroup.controllers')) ? versionTwo(root) : versionOne(root)
  } catch {
    return undefined
  }
}

function versionOne(root: string): Cgroups | undefined {
  const own = new Map<string, string>()
  for (const line of readFileSync('/proc/self/cgroup', 'latin1').split('\n')) {
    const [, controllers, path] = line.split(':')
    for (const controller of controllers?.split(',') ?? []) own.set(controller, path)
  }
  const base = (controller: string) => {
    const path = own.get(controller)
    const directory = path === undefined ? '' : join(root, controller, path)
    return directory && existsSync(directory) ? join(directory, 'cuddle') : undefined
  }
  const memory = base('memory')
  const cpu = base('cpu')
  if (!memory) return undefined
  mkdirSync(memory, { recursive: true })
  return {
    version: 1,
    close: () => removeCgroups(cpu ? [memory, cpu] : [memory]),
    create(name, limits) {
      const made: string[] = []
      if (limits.memoryBytes) made.push(group(join(memory, name), memorySettings(limits)))
      if (cpu && (limits.cpuLimit || limits.cpuRequest)) made.push(group(join(cpu, name), cpuSettings(limits)))
      return made
    },
    update(directories, limits) {
      for (const directory of directories) {
        if (!directory.startsWith(`${memory}/`)) change(directory, { 'cpu.cfs_quota_us': -1, ...cpuSettings(limits) })
        // The limit with swap is never below the one without: which of them goes first depends on the direction.
        else for (let turn = 0; turn < 2; turn++) change(directory, memorySettings(limits), turn === 0)
      }
    },
  }
}

function versionTwo(root: string): Cgroups | undefined {
  const base = join(root, 'cuddle')
  mkdirSync(base, { recursive: true })
  for (const directory of [root, base]) {
    if (!controllers(directory, 'cgroup.subtree_control').includes('memory')) {
      writeFileSync(join(directory, 'cgroup.subtree_control'), '+memory +cpu')
    }
  }
  return {
    version: 2,
    // Another home's groups may come to stand here, and would miss what was set up on it.
    close() {},
    create(name, limits) {
      const { memoryBytes, cpuLimit, cpuRequest } = limits
      if (!memoryBytes && !cpuLimit && !cpuRequest) return []
      return [group(join(base, name), unifiedSettings(limits))]
    },
    update(directories, limits) {
      for (const directory of directories) {
        change(directory, { 'memory.max': 'max', 'cpu.max': 'max 100000', ...unifiedSettings(limits) })
      }
    },
  }
}

function memorySettings({ memoryBytes }: Limits): Record<string, number> {
  return { 'memory.limit_in_bytes': memoryBytes ?? -1, 'memory.memsw.limit_in_bytes': memoryBytes ?? -1 }
}

function sharesOf({ cpuLimit, cpuRequest }: Limits): number {
  return Math.max(2, Math.round((cpuRequest ?? cpuLimit ?? 0) * 1024))
}

function cpuSettings(limits: Limits): Record<string, number> {
  const { cpuLimit } = limits
  return {
    'cpu.shares': sharesOf(limits),
    ...(cpuLimit && { 'cpu.cfs_quota_us': Math.max(1000, Math.round(cpuLimit * 100_000)) }),
  }
}

function unifiedSettings(limits: Limits): Record<string, string | number> {
  const { memoryBytes, cpuLimit, cpuRequest } = limits
  return {
    ...(memoryBytes && { 'memory.max': memoryBytes, 'memory.swap.max': 0, 'memory.oom.group': 1 }),
    // KEP-2254: cgroup v1 shares 2…262144 onto v2 weights 1…10000
    ...((cpuRequest || cpuLimit) && { 'cpu.weight': Math.round(1 + ((sharesOf(limits) - 2) * 9999) / 262_142) }),
    ...(cpuLimit && { 'cpu.max': `${Math.max(1000, Math.round(cpuLimit * 100_000))} 100000` }),
  }
}

/** Files that not every kernel has may be missing; what is there must take its value, unless it gets a second chance. */
function change(directory: string, settings: Record<string, string | number>, again = false): void {
  for (const [file, value] of Object.entries(settings)) {
    if (!existsSync(join(directory, file))) continue
    try {
      writeFileSync(join(directory, file), String(value))
    } catch (error) {
      if (!again) throw error
    }
  }
}

function controllers(directory: string, file: string): string[] {
  return readFileSync(join(directory, file), 'latin1').trim().split(' ')
}

function group(directory: string, settings: Record<string, string | number>): string {
  mkdirSync(directory, { recursive: true })
  for (const [file, value] of Object.entries(settings)) {
    try {
      writeFileSync(join(directory, file), String(value))
    } catch {
      // swap accounting may be off; the other settings hold all the same
    }
  }
  return directory
}

/** How often the kernel killed for memory in these groups. */
export function oomKills(directories: readonly string[]): number {
  let kills = 0
  for (const directory of directories) {
    for (const file of ['memory.oom_control', 'memory.events']) {
      try {
        const match = /^oom_kill (\d+)/m.exec(readFileSync(join(directory, file), 'latin1'))
        kills += Number(match?.[1] ?? 0)
      } catch {
        // the other version, or another controller
      }
    }
  }
  return kills
}

/** Removes groups that are empty. */
export function removeCgroups(directories: readonly string[]): void {
  for (const directory of directories) {
    try {
      rmdirSync(directory)
    } catch {
      // someone is still in it; it goes with the next attempt's end or the next boot
    }
  }
}
