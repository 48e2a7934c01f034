import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where a cluster of `kubernetes:up` lives: the folder that was named, else one of this user's temporary files. */
export function stateFolder(args: readonly string[], env: NodeJS.ProcessEnv): string {
  return args[0] ? resolve(args[0]) : join(env['TMPDIR'] ?? tmpdir(), `cuddle-kubernetes-${process.getuid?.() ?? 0}`)
}

export function stateOf(home: string): string {
  return join(home, 'processes.json')
}

/** Of the processes noted in `home` those that are still themselves: a pid may be another's by now. */
export function aliveProcesses(home: string): { name: string; pid: number }[] {
  if (!existsSync(stateOf(home))) return []
  const noted = JSON.parse(readFileSync(stateOf(home), 'utf8')) as { name: string; pid: number; started: string }[]
  return noted.filter(({ pid, started }) => started !== '' && startTime(pid) === started)
}

/** When a process started, in ticks since boot (proc(5), field 22); empty when there is none or it is a zombie. */
export function startTime(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields[0] === 'Z' ? '' : fields[19]
  } catch {
    return ''
  }
}
