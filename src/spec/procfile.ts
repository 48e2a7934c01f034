import { checkProcessName } from './names.ts'
import type { Problem } from './problems.ts'

/** A Procfile: process name → command, in the file's order. */
export interface Procfile {
  processes: Record<string, string>
  release?: string
}

export type ProcfileResult = ({ ok: true } & Procfile & { warnings: Problem[] }) | { ok: false; problems: Problem[] }

/**
 * Reads a Procfile (`name: command` a line, `#` comments). `release` is the release phase, as on Heroku.
 * @param file name for the problems @default Procfile
 */
export function readProcfile(text: string, { file = 'Procfile' } = {}): ProcfileResult {
  const problems: Problem[] = []
  const processes: Record<string, string> = Object.create(null)
  let release: string | undefined
  const lines = text.length > 128 * 1024 ? [] : text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  if (text.length > 128 * 1024) {
    problems.push({ message: 'file is longer than 128 KiB', path: '', file, line: 1, column: 1 })
  }
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const add = (message: string, path: string, column: number, hint?: string) =>
      problems.push({ message, path, file, line: index + 1, column, ...(hint === undefined ? {} : { hint }) })
    const indent = line.length - line.trimStart().length
    const colon = trimmed.indexOf(':')
    if (colon === -1) {
      add('line has no process name', '', indent + 1, 'write web: bin/server')
      continue
    }
    const name = trimmed.slice(0, colon).trim()
    const command = trimmed.slice(colon + 1).trim()
    const finding = name === 'release' ? undefined : checkProcessName(name)
    if (finding) add(finding.message, name, indent + 1, finding.hint)
    else if (command === '') add(`process ${name} has no command`, name, indent + colon + 2)
    else if (command.includes('\0')) add(`command of ${name} holds a NUL byte`, name, indent + colon + 2)
    else if (name === 'release') {
      if (release !== undefined) add('process release appears twice', name, indent + 1)
      release = command
    } else if (name in processes) add(`process ${name} appears twice`, name, indent + 1)
    else processes[name] = command
  }
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, processes: { ...processes }, ...(release === undefined ? {} : { release }), warnings: [] }
}
