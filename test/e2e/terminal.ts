import { spawn } from 'node:child_process'
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
