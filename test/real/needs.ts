import { statSync } from 'node:fs'
import { join } from 'node:path'
import { whyNoNode } from '../kubernetes/node/node.ts'
import { findPrograms } from '../kubernetes/programs.ts'

export const programs = findPrograms(process.env, { build: false })

/** Why this machine cannot push Elixir apps to a real node, in one line; undefined when it can. */
export const missing = 'missing' in programs ? programs.missing : (whyNoNode(programs) ?? whyNoElixir())

function whyNoElixir(): string | undefined {
  return ['erl', 'mix'].every(has) ? undefined : 'needs the Debian packages erlang-nox, erlang-dev and elixir'
}

export function has(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(':')
  return folders.some((folder) => statSync(join(folder, program), { throwIfNoEntry: false }))
}
