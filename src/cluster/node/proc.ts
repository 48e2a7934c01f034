import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** What /proc/PID/stat tells, see proc_pid_stat(5). Times in clock ticks (USER_HZ, 100 on every Linux). */
export interface ProcessStat {
  pid: number
  comm: string
  state: string
  ppid: number
  group: number
  session: number
  userTicks: number
  systemTicks: number
  /** Ticks after boot; with the pid it names one process for ever (until the next boot). */
  startTicks: number
  residentPages: number
}

/** Parses a line of /proc/PID/stat; the command may hold spaces and brackets, so the last `)` counts. */
export function parseStat(line: string): ProcessStat | undefined {
  const open = line.indexOf('(')
  const close = line.lastIndexOf(')')
  if (open < 0 || close < 0) return undefined
  const fields = line.slice(close + 2).split(' ')
  const pid = Number(line.slice(0, open))
  const startTicks = Number(fields[19])
  if (!Number.isInteger(pid) || pid <= 0 || !Number.isInteger(startTicks)) return undefined
  return {
    pid,
    comm: line.slice(open + 1, close),
    state: fields[0],
    ppid: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
    startTicks,
    residentPages: Number(fields[21]),
  }
}

/** Undefined when there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined
  }
}

/** True while exactly this process runs; a zombie has ended. */
export function isAlive(pid: number, startTicks: number): boolean {
  const stat = processStat(pid)
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X'
}

let boot: string | undefined

/** Changes with each boot, so that pids of an earlier one are never mistaken for ours. */
export function bootId(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    } catch {
      boot = 'unknown'
    }
  }
  return boot
}

/** Sends a signal; false when there was nobody. `pid` < 0 = the group. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}

function pids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

/**
 * All processes whose environment holds every one of these `NAME=value` marks: the children that left their group and
 * session (double fork, setsid), which no kill(-pgid) reaches. PR_SET_CHILD_SUBREAPER would be the other way; Node lacks it.
 */
export async function findByEnvironment(marks: readonly string[]): Promise<ProcessStat[]> {
  const needles = marks.map((mark) => Buffer.from(`${mark}\0`))
  const found: ProcessStat[] = []
  for (const pid of pids()) {
    if (pid === process.pid) continue
    let environment: Buffer
    try {
      environment = await readFile(`/proc/${pid}/environ`)
    } catch {
      continue
    }
    if (!needles.every((needle) => holds(environment, needle))) continue
    const stat = processStat(pid)
    if (stat && stat.state !== 'Z') found.push(stat)
  }
  return found
}

function holds(environment: Buffer, entry: Buffer): boolean {
  for (let at = environment.indexOf(entry); at >= 0; at = environment.indexOf(entry, at + 1)) {
    if (at === 0 || environment[at - 1] === 0) return true
  }
  return false
}

/** CPU time in ms and memory in bytes of all processes of these sessions, in one pass over /proc. */
export function sessionUsage(sessions: ReadonlySet<number>): Map<number, { cpuMs: number; memoryBytes: number }> {
  const usage = new Map<number, { cpuMs: number; memoryBytes: number }>()
  if (sessions.size === 0) return usage
  for (const pid of pids()) {
    const stat = processStat(pid)
    if (!stat || !sessions.has(stat.session)) continue
    const sum = usage.get(stat.session) ?? { cpuMs: 0, memoryBytes: 0 }
    sum.cpuMs += (stat.userTicks + stat.systemTicks) * 10
    sum.memoryBytes += stat.residentPages * 4096
    usage.set(stat.session, sum)
  }
  return usage
}
