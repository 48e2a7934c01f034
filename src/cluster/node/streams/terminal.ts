import { spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import type { Clock } from '#lib'
import type { RemoteStreams, TerminalSize } from '../../streams/index.ts'

/** A terminal's first size comes with the first messages; a client that has none to tell is not waited for longer, ms. */
const firstSizeMs = 100

/**
 * The command that runs `command` on a terminal of its own. Node cannot make one (no ioctl); script(1) of util-linux can,
 * which every distribution has: it copies between its own input and output and the terminal, and exits as the command.
 * The terminal's name is written to `nameFile`, for resizing.
 * @param env the command's environment; script takes its shell from SHELL
 */
export function onTerminal(
  command: readonly string[],
  env: Record<string, string>,
  nameFile: string,
): { command: string[]; env: Record<string, string> } {
  const shell = env['SHELL'] === undefined ? 'unset SHELL' : `SHELL=${quote(env['SHELL'])}`
  const line = `tty >${quote(nameFile)}; ${shell}; exec ${command.map(quote).join(' ')}`
  return {
    command: ['script', '-qefc', line, '/dev/null'],
    env: { TERM: 'xterm', ...env, SHELL: '/bin/sh' },
  }
}

/** A word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** The size that a client tells when it comes; undefined when it tells none. */
export function firstSize(streams: RemoteStreams, clock: Clock): Promise<TerminalSize | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(firstSizeMs, () => resolve(undefined))
    streams.onResize((size) => {
      cancel()
      resolve(size)
    })
  })
}

/** Sets the size of a terminal; the kernel tells who runs on it (SIGWINCH). Nothing happens when it has gone. */
export function resizeTerminal(name: string, { columns, rows }: TerminalSize): Promise<void> {
  let fd: number
  try {
    fd = openSync(name, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  } catch {
    return Promise.resolve()
  }
  try {
    const child = spawn('stty', ['rows', String(rows), 'cols', String(columns)], {
      stdio: [fd, 'ignore', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    })
    return new Promise((resolve) => child.once('error', () => resolve()).once('exit', () => resolve()))
  } finally {
    closeSync(fd)
  }
}
