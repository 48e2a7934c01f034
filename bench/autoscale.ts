import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { startLoad } from '../scripts/demo/load.ts'
import { commitEdit, type Home } from '../test/e2e/harness.ts'
import { must, withHome } from './lib/home.ts'
import { median, missingProgram, report } from './lib/report.ts'

/*
 * Seconds from a step of load on one pod of an idle app to an answer from a second one: the app is scaled by the utilisation of its
 * schedulers, and, in turns, by its CPU.
 */
const rounds = 2
const missing = [missingProgram('mix', 'apt-get install elixir')].filter((item) => item !== undefined)
if (missing.length > 0) {
  report('autoscale', [], { skipped: missing })
  process.exit(0)
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Until there is one pod, and it is idle. */
async function settled(home: Home): Promise<void> {
  await must(home.cuddle(['ps:scale', 'web=1', '-a', 'hello']))
  while ((await home.json(['ps', '-a', 'hello'])).length !== 1) await pause(200)
  await must(home.cuddle(['ps:scale', 'web=1..4', '-a', 'hello']))
  await pause(8_000)
}

async function step(home: Home): Promise<number> {
  await settled(home)
  const first = (await home.get('hello')).body
  const load = startLoad({ port: home.ports.router, host: 'hello.localhost', path: '/', clients: 16 })
  const began = performance.now()
  let seconds = 0
  for (;;) {
    const { status, body } = await home.get('hello')
    seconds = (performance.now() - began) / 1000
    if (status === 200 && body !== first) break
    if (seconds > 120) throw new Error('no second pod after two minutes')
    await pause(20)
  }
  const { failed, failures } = await load.stop()
  if (failed > 0) throw new Error(`${failed} requests failed: ${failures}`)
  return seconds
}

await withHome(async (home) => {
  const repository = await home.app('hello', 'elixir-hello')
  const target = (signal: string) => `\nscale: {web: {min: 1, max: 4, target: {${signal}: 60%}}}\n`
  appendFileSync(join(repository, 'cuddle.yaml'), target('utilisation'))
  // Every request is some milliseconds of work.
  const work = '    Enum.each(1..20, fn _ -> Enum.sort(Enum.map(1..2_000, &:erlang.phash2/1)) end)\n'
  await commitEdit(home, repository, 'lib/hello.ex', '    {200, "Hello from', `${work}    {200, "Hello from`)
  const times = { utilisation: [] as number[], cpu: [] as number[] }
  for (const signal of ['utilisation', 'cpu'] as const) {
    if (signal === 'cpu') await commitEdit(home, repository, 'cuddle.yaml', target('utilisation'), target('cpu'))
    await must(home.git(repository, 'push', '-q', 'cuddle', 'main'))
    for (let round = 0; round < rounds; round++) times[signal].push(await step(home))
  }
  report(
    'autoscale',
    [
      {
        what: 'load step → answer of a new pod',
        unit: 's',
        ours: median(times.utilisation),
        theirs: median(times.cpu),
        baseline: 'the same by CPU',
        better: 'less',
      },
      {
        what: 'and against the goal',
        unit: 's',
        ours: median(times.utilisation),
        theirs: 10,
        baseline: 'ten seconds',
        better: 'less',
        goal: 1,
      },
    ],
    {
      notes: [
        `single steps: ${Object.entries(times)
          .map(([name, list]) => `${name} ${list.map((one) => one.toFixed(1)).join(' ')}`)
          .join('; ')}`,
      ],
    },
  )
})
