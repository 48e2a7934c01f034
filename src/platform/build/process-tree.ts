import { readdirSync, readFileSync } from 'node:fs'

const pageSize = 4096

interface ProcessStat {
  pid: number
  parent: number
  group: number
  /** Bytes in RAM. */
  resident: number
}

/** The processes below `root`, itself included, by parent or by process group; empty where there is no /proc. */
export function processTree(root: number): ProcessStat[] {
  const all = readProcesses()
  const members = new Map<number, ProcessStat>()
  for (let grown = true; grown; ) {
    grown = false
    for (const stat of all) {
      if (members.has(stat.pid)) continue
      if (stat.pid !== root && stat.group !== root && !members.has(stat.parent)) continue
      members.set(stat.pid, stat)
      grown = true
    }
  }
  return [...members.values()]
}

/** Kills a process, its group and whatever they started, also what moved to a group of its own. */
export function killTree(root: number): void {
  for (const pid of [-root, ...processTree(root).map((stat) => stat.pid)]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // already gone
    }
  }
}

function readProcesses(): ProcessStat[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  const all: ProcessStat[] = []
  for (const name of names) {
    if (name < '1' || name > ':') continue
    try {
      // The command's name, in parentheses, may hold anything; what follows its last one is plain (proc(5)).
      const text = readFileSync(`/proc/${name}/stat`, 'latin1')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      all.push({
        pid: Number(name),
        parent: Number(fields[1]),
        group: Number(fields[2]),
        resident: Number(fields[21]) * pageSize,
      })
    } catch {
      // ended in between
    }
  }
  return all
}
