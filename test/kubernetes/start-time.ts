import { readFileSync } from 'node:fs'

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
