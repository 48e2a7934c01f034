import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { get, startLoad } from '../scripts/demo/load.ts'
import { writeElixirApp, writeVersion } from './lib/elixir-app.ts'
import { must, withHome } from './lib/home.ts'
import { endPlainPipeline, plainPipeline } from './lib/plain-pipeline.ts'
import { interleaved, missingProgram, report } from './lib/report.ts'

/*
 * A one-line change of an Elixir app of 300 modules: from `git push` until the new version answers. Ours over HTTP, through build, image,
 * release, rollout and router; against the plain pipeline that a careful person sets up by hand on Debian: a bare repository, a
 * post-receive hook, a warm `mix release`, start the new one, poll it, point nginx at it, stop the old one.
 */
const modules = 300
const rounds = 7
const missing = [
  missingProgram('mix', 'apt-get install elixir'),
  missingProgram('nginx', 'apt-get install nginx-light'),
].filter((item) => item !== undefined)
if (missing.length > 0) {
  report('deploy', [], { skipped: missing })
  process.exit(0)
}

await withHome(async (home) => {
  const children: ChildProcess[] = []
  const repository = join(home.directory, 'big')
  mkdirSync(repository)
  writeElixirApp(repository, modules)
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['config', 'user.name', 'Bench'],
    ['config', 'user.email', 'bench@example.com'],
    ['add', '-A'],
    ['commit', '-qm', 'First'],
  ]) {
    await must(home.git(repository, ...args))
  }
  await must(home.cuddle(['create', 'big'], { cwd: repository }))
  const plain = await plainPipeline('big', home.directory, home.env, children)
  await must(home.git(repository, 'remote', 'add', 'plain', plain.remote))
  let version = 0
  const answers = async (port: number, host: string, wanted: number) => {
    for (;;) {
      const answer = await get(port, host).catch(() => undefined)
      if (answer?.status === 200 && answer.body === `version ${wanted}`) return
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const measure = async (remote: string, port: number) => {
    version++
    writeVersion(repository, version)
    await must(home.git(repository, 'commit', '-qam', `Version ${version}`))
    const began = performance.now()
    const pushing = home.git(repository, 'push', '-q', remote, 'main')
    await Promise.race([
      answers(port, 'big.localhost', version),
      pushing.then(({ code, stderr }) => (code === 0 ? new Promise(() => {}) : Promise.reject(new Error(stderr)))),
    ])
    const took = performance.now() - began
    await must(pushing)
    return took
  }
  try {
    await must(home.git(repository, 'push', '-q', 'plain', 'main'))
    await must(home.git(repository, 'push', '-q', 'cuddle', 'main'))
    const load = startLoad({ port: home.ports.router, host: 'big.localhost', path: '/', clients: 2 })
    const times = await interleaved(
      { ours: () => measure('cuddle', home.ports.router), theirs: () => measure('plain', plain.port) },
      rounds,
    )
    const { sent, failed, failures } = await load.stop()
    report(
      'deploy',
      [
        {
          what: 'push → new version answers (speed)',
          unit: '/s',
          ours: 1000 / times.ours,
          theirs: 1000 / times.theirs,
          baseline: 'git + mix release + nginx',
          better: 'more',
          goal: 4,
        },
        {
          what: 'push → new version answers',
          unit: 'ms',
          ours: times.ours,
          theirs: times.theirs,
          baseline: 'git + mix release + nginx',
          better: 'less',
        },
        { what: 'failed requests', unit: '', ours: failed, theirs: 1, baseline: 'goal: 0', better: 'less', goal: 0 },
      ],
      { notes: [`${sent} requests during the pushes`, ...failures] },
    )
  } finally {
    await endPlainPipeline(home.directory, children)
  }
})
