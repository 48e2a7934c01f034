import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { get } from '../scripts/demo/load.ts'
import { freePort } from '../scripts/demo/stage.ts'
import { writeElixirApp, writeVersion } from './lib/elixir-app.ts'
import { must, withHome } from './lib/home.ts'
import { interleaved, missingProgram, report } from './lib/report.ts'

/*
 * `cuddle rollback` until the old version serves, against the BEAM's own boot: the same release, started by hand, until it listens.
 */
const rounds = 7
const missing = [missingProgram('mix', 'apt-get install elixir')].filter((item) => item !== undefined)
if (missing.length > 0) {
  report('rollback', [], { skipped: missing })
  process.exit(0)
}

await withHome(async (home) => {
  const repository = join(home.directory, 'big')
  mkdirSync(repository)
  writeElixirApp(repository, 20)
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
  await must(home.git(repository, 'push', '-q', 'cuddle', 'main'))
  writeVersion(repository, 1)
  await must(home.git(repository, 'commit', '-qam', 'Second'))
  await must(home.git(repository, 'push', '-q', 'cuddle', 'main'))
  const rootfs = join(home.home, 'node', 'rootfs')
  const release = join(rootfs, readdirSync(rootfs)[0], 'app')
  let serving = 1
  const poll = async (probe: () => Promise<boolean>) => {
    while (!(await probe().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const back = async () => {
    serving = 1 - serving
    const began = performance.now()
    const command = home.cuddle(['rollback', '-a', 'big'])
    await poll(async () => (await home.get('big')).body === `version ${serving}`)
    const took = performance.now() - began
    await must(command)
    return took
  }
  const boot = async () => {
    const port = await freePort()
    const began = performance.now()
    const child = spawn(join(release, 'bin', 'big'), ['start'], {
      env: {
        PATH: process.env.PATH,
        HOME: home.directory,
        PORT: `${port}`,
        RELEASE_DISTRIBUTION: 'none',
        LANG: 'C.UTF-8',
        RELEASE_TMP: home.directory,
      },
      stdio: 'ignore',
    })
    await poll(async () => (await get(port, 'x')).status === 200)
    const took = performance.now() - began
    child.kill('SIGKILL')
    return took
  }
  const times = await interleaved({ ours: back, theirs: boot }, rounds)
  report('rollback', [
    {
      what: 'rollback → old version serves',
      unit: 'ms',
      ours: times.ours,
      theirs: times.theirs,
      baseline: 'bin/app start → listens',
      better: 'less',
      goal: 1.3,
    },
  ])
})
