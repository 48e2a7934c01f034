import { spawnSync } from 'node:child_process'

/** Why a test that needs a program is skipped, or false. */
export function missing(program: string): string | false {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0 ? false : `${program} is not on PATH`
}
