import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createGitServer } from '#git'
import { silentLogger, systemClock } from '#lib'
import { interleaved, report } from './lib/report.ts'

/*
 * `git push` of one commit: over our HTTP, with its hook, authentication and progress channel, against git's own file:// transport.
 * The build is left out: what is accepted is accepted at once.
 */
const run = promisify(execFile)
const directory = mkdtempSync(join(tmpdir(), 'cuddle-bench-push-'))
const env = { PATH: process.env.PATH, HOME: directory, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' }
const git = (cwd: string, ...args: string[]) => run('git', args, { cwd, env })

const server = createServer((request, response) => {
  void handler.handle(request, response)
})
const handler = createGitServer({
  root: join(directory, 'repositories'),
  clock: systemClock,
  log: silentLogger,
  hostEnv: { PATH: process.env.PATH ?? '' },
  authenticate: async (user, password) => (password === 'token' ? user : undefined),
  access: async () => 'ok',
  onPush: async () => ({ ok: true }),
})
try {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const work = join(directory, 'work')
  await run('git', ['init', '-q', '-b', 'main', work], { env })
  await git(work, 'config', 'user.name', 'Bench')
  await git(work, 'config', 'user.email', 'bench@example.com')
  await run('git', ['init', '-q', '--bare', join(directory, 'plain.git')], { env })
  await git(work, 'remote', 'add', 'file', `file://${join(directory, 'plain.git')}`)
  await git(work, 'remote', 'add', 'http', `http://127.0.0.1:${port}/bench.git`)
  await git(
    work,
    'config',
    `http.http://127.0.0.1:${port}/.extraHeader`,
    `Authorization: Basic ${Buffer.from('git:token').toString('base64')}`,
  )
  for (let index = 0; index < 300; index++)
    writeFileSync(join(work, `file${index}.txt`), `content ${index}\n`.repeat(20))
  await git(work, 'add', '-A')
  let count = 0
  const push = async (remote: string) => {
    writeFileSync(join(work, 'file0.txt'), `change ${count++}\n`)
    await git(work, 'commit', '-qam', 'Change')
    const began = performance.now()
    await git(work, 'push', '-q', remote, 'main')
    return performance.now() - began
  }
  const times = await interleaved({ ours: () => push('http'), theirs: () => push('file') }, 11)
  report('push', [
    {
      what: 'push of one commit',
      unit: 'ms',
      ours: times.ours,
      theirs: times.theirs,
      baseline: 'git push file://',
      better: 'less',
      goal: 1.5,
    },
  ])
} finally {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true, force: true })
}
