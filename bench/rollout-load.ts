import { startLoad } from '../scripts/demo/load.ts'
import { commitEdit } from '../test/e2e/harness.ts'
import { must, withHome } from './lib/home.ts'
import { report } from './lib/report.ts'

/* Twenty rollouts under constant load from keep-alive clients: how many requests fail. */
const rollouts = 20
const clients = 8

await withHome(async (home) => {
  const repository = await home.app('hello', 'node-hello')
  await must(home.git(repository, 'push', 'cuddle', 'main'))
  const load = startLoad({ port: home.ports.router, host: 'hello.localhost', path: '/', clients })
  for (let round = 1; round <= rollouts; round++) {
    await commitEdit(home, repository, 'server.js', `version = 'v${round}'`, `version = 'v${round + 1}'`)
    await must(home.git(repository, 'push', 'cuddle', 'main'))
  }
  const result = await load.stop()
  report(
    'rollout-load',
    [
      {
        what: `failed requests in ${rollouts} rollouts`,
        unit: '',
        ours: result.failed,
        theirs: 1,
        baseline: 'goal: 0',
        better: 'less',
        goal: 0,
      },
    ],
    {
      notes: [
        `${result.sent} requests from ${clients} clients; p50 ${result.p50.toFixed(2)} ms, p99 ${result.p99.toFixed(2)} ms`,
        ...result.failures,
      ],
      extra: { sent: result.sent, versions: Object.keys(result.answers).length },
    },
  )
})
