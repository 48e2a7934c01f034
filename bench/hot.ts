import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { get, type LoadResult } from '../scripts/demo/load.ts'
import { cell, migrate, startHerd } from '../test/e2e/herd.ts'
import { must } from './lib/home.ts'
import { endPlainPipeline, plainPipeline } from './lib/plain-pipeline.ts'
import { interleaved, median, missingProgram, report } from './lib/report.ts'

/*
 * A change of one module of an Elixir app whose pods hold 10,000 gen_servers together: from `git push` until every pod answers with
 * the new code. Loaded into the running pods, against new pods (`git push -o rolling`), and against the plain pipeline of
 * bench/deploy.ts, which replaces a single instance with as many processes as one of our pods. Then latencies while hot pushes run.
 */
const rounds = 5
const cells = 3400
const streak = 12
const pushes = 3
const missing = [
  missingProgram('mix', 'apt-get install elixir'),
  missingProgram('nginx', 'apt-get install nginx-light'),
].filter((item) => item !== undefined)
if (missing.length > 0) {
  report('hot', [], { skipped: missing })
  process.exit(0)
}

const cleanups: (() => Promise<void> | void)[] = []
const children: ChildProcess[] = []
let directory = ''
try {
  const herd = await startHerd({ after: (work) => cleanups.unshift(work) }, { cells })
  const { home, repository } = herd
  directory = home.directory
  mkdirSync(join(directory, 'plain'), { recursive: true })
  const plain = await plainPipeline('herd', directory, { ...home.env, CELLS: String(cells) }, children)
  await must(home.git(repository, 'remote', 'add', 'plain', plain.remote))
  await must(home.git(repository, 'push', '-q', 'plain', 'main'))

  /** When the first of so many answers in a row came that are all new: three pods take turns. */
  const answered = async (port: number, version: string): Promise<number> => {
    for (let first = 0, count = 0; ; ) {
      const answer = await get(port, 'herd.localhost', '/version').catch(() => undefined)
      if (answer?.body.trim() !== version) {
        count = 0
        await new Promise((resolve) => setTimeout(resolve, 2))
      } else if (count++ === 0) first = performance.now()
      if (count >= streak) return first
    }
  }
  let number = 0
  const next = async () => {
    const version = `b${++number}`
    await herd.write({ 'lib/herd/cell.ex': cell(version, 'map', migrate) })
    return version
  }
  const suspended: number[] = []
  const note = (said: string) => {
    for (const [, ms] of said.matchAll(/suspended for ([\d.]+) ms/g)) suspended.push(Number(ms))
  }
  const measure = async (remote: string, port: number, ...options: string[]): Promise<number> => {
    const version = await next()
    const began = performance.now()
    const pushing = home.git(repository, 'push', ...options, remote, 'main')
    const failed = pushing.then(({ code, stderr }) =>
      code === 0 ? new Promise<never>(() => {}) : Promise.reject(new Error(stderr)),
    )
    const at = await Promise.race([answered(port, version), failed])
    note(await must(pushing))
    return at - began
  }
  const times = await interleaved(
    {
      hot: () => measure('cuddle', home.ports.router),
      rolling: async () => {
        const took = await measure('cuddle', home.ports.router, '-o', 'rolling')
        await settled()
        return took
      },
      plain: () => measure('plain', plain.port),
    },
    rounds,
  )
  /** The pods that were there for the time of the rollout are gone. */
  async function settled(): Promise<void> {
    while ((await home.json(['ps', '-a', 'herd'])).length !== 3)
      await new Promise((resolve) => setTimeout(resolve, 200))
  }

  const program = join(import.meta.dirname, 'lib/load-process.ts')
  /** Requests of two clients for as long as `work` takes. */
  const loaded = async (work: () => Promise<unknown>): Promise<LoadResult> => {
    const child = fork(program, [String(home.ports.router), 'herd.localhost', '/add/7', '2'])
    children.push(child)
    await new Promise((resolve) => setTimeout(resolve, 500))
    await work()
    const result = once(child, 'message')
    child.send('stop')
    return (await result)[0]
  }
  const baseline = await loaded(() => new Promise((resolve) => setTimeout(resolve, 8_000)))
  // What a developer's own machine does, editing and committing, is done before.
  for (let round = 0; round < pushes; round++) await next()
  const during = await loaded(async () => {
    for (let back = pushes - 1; back >= 0; back--)
      note(await must(home.git(repository, 'push', 'cuddle', `main~${back}:main`)))
  })

  const what = 'push → every pod answers with the new code'
  report(
    'hot',
    [
      {
        ...{ what, unit: 'ms', better: 'less', goal: 1 / 25 },
        ...{ ours: times.hot, theirs: times.plain, baseline: 'git + mix release + nginx, one instance' },
      },
      {
        ...{ what, unit: 'ms', better: 'less', goal: 1 / 5 },
        ...{ ours: times.hot, theirs: times.rolling, baseline: 'our rolling update' },
      },
      {
        ...{ what: 'p99.9 of requests while hot pushes run', unit: 'ms', better: 'less', goal: 2 },
        ...{ ours: during.p999, theirs: baseline.p999, baseline: 'nothing is pushed' },
      },
      {
        ...{ what: 'failed requests', unit: '', better: 'less', goal: 0 },
        ...{ ours: during.failed, theirs: 1, baseline: 'goal: 0' },
      },
    ],
    {
      notes: [
        `suspended, ${3 * cells} gen_servers on three nodes: median ${median(suspended)} ms, longest ${Math.max(...suspended)} ms`,
        `${during.sent} requests while pushing, p50 ${during.p50.toFixed(1)} ms, p99 ${during.p99.toFixed(1)} ms; quiet p50 ${baseline.p50.toFixed(1)} ms, p99 ${baseline.p99.toFixed(1)} ms`,
        ...during.failures,
      ],
    },
  )
} finally {
  if (directory) await endPlainPipeline(directory, children)
  for (const cleanup of cleanups) await cleanup()
}
