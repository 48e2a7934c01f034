import { readFileSync } from 'node:fs'

/** True while a process runs. One that has ended and that nobody asks for (PID 1 of a container may be no init) does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // proc_pid_stat(5): the state follows the name, which may hold any character.
    return !['Z', 'X'].includes(stat[stat.lastIndexOf(')') + 2]!)
  } catch {
    return false
  }
}
