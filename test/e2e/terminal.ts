import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { until } from '#lib/testing'

/**
 * What a shell command shows on a terminal of its own (33 × 99), into which `keys` are typed once it has asked for them.
 * Needs `script` of util-linux.
 */
export async function onTerminal(
  { cwd, env }: { cwd: string; env: Record<string, string> },
  command: string,
  keys: string,
): Promise<{ code: number | null; shown: string }> {
  const child = spawn('script', ['-qefc', `stty rows 33 cols 99; ${command}`, '/dev/null'], {
    cwd,
    env: { ...env, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (shown += text))
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await until(() => /[#$] $/.test(shown), { timeoutMs: 30_000, what: `a prompt in ${JSON.stringify(shown)}` })
  child.stdin.write(keys)
  return { code: await code, shown: shown.replaceAll('\r', '') }
}

/** A command on a terminal of its own, at which somebody sits who waits before typing. */
export interface Session {
  type(keys: string): void
  /** Waits until what was shown since it was last asked matches, without colours and carriage returns; returns the match. */
  sees(pattern: RegExp): Promise<RegExpMatchArray>
  /** All that was shown, with everything that steers a terminal. */
  raw(): string
  resize(rows: number, columns: number): Promise<void>
  /** How it ended, and whether the terminal was left as it was found. */
  ended(): Promise<{ code: number; restored: boolean }>
}

/** Needs `script` of util-linux, and stty. */
export async function openSession(
  t: { after(fn: () => void): void },
  { cwd, env }: { cwd: string; env: Record<string, string> },
  command: string,
  [rows, columns]: readonly [number, number] = [24, 80],
): Promise<Session> {
  const line = `stty rows ${rows} cols ${columns}; echo "on $(tty) $(stty -g)"; ${command}; echo "ended $? $(stty -g)"`
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    cwd,
    env: { TERM: 'xterm', ...env, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  t.after(() => void child.kill())
  let raw = ''
  let seen = 0
  child.stdout.setEncoding('utf8').on('data', (text) => (raw += text))
  const sees = async (pattern: RegExp) => {
    const shown = () => stripVTControlCharacters(raw.slice(seen)).replaceAll('\r', '')
    const match = await until(() => pattern.exec(shown()), { what: `${pattern} in ${JSON.stringify(shown())}` }).catch(
      (error) => {
        throw new Error(`${error.message}; shown: ${JSON.stringify(shown())}`)
      },
    )
    seen = raw.length
    return match
  }
  const [, name, found] = await sees(/on (\/dev\/\S+) (\S+)\n/)
  seen = raw.indexOf('\n') + 1
  return {
    type: (keys) => void child.stdin.write(keys),
    sees,
    raw: () => raw,
    async resize(rows, columns) {
      const stty = spawn('stty', ['-F', name!, 'rows', `${rows}`, 'cols', `${columns}`], { stdio: 'ignore' })
      await once(stty, 'exit')
    },
    async ended() {
      const [, code, left] = await sees(/ended (\d+) (\S+)\n/)
      return { code: Number(code), restored: left === found }
    },
  }
}
