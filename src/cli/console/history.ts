import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeFileAtomic } from '#lib'

const kept = 1000

/** The lines typed in earlier consoles of an app, newest first, as readline wants them; the file is for its owner only. */
export function readHistory(file: string): string[] {
  let lines: string[]
  try {
    lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
  if (lines.length > 2 * kept) writeFileAtomic(file, `${lines.slice(-kept).join('\n')}\n`, 0o600)
  return [...new Set(lines.reverse())].slice(0, kept)
}

/** Adds a line at once, so that no console that is killed loses it. What begins with a space is not kept, as in shells. */
export function addHistory(file: string, line: string): void {
  if (line.trim() === '' || line.startsWith(' ')) return
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    appendFileSync(file, `${line}\n`, { mode: 0o600 })
  } catch {
    // A console without memory is better than none.
  }
}
