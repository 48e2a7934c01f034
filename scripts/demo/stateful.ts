import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { get, startLoad } from './load.ts'
import type { Stage } from './stage.ts'

/**
 * The chapters of an app with state in memory, on three BEAM nodes: it is counted on while new code is loaded into them, a node is
 * added and one is killed. What was counted has to be there to the last one.
 */
export async function tellOfState(options: {
  stage: Stage
  /** Of this checkout, and the folder to work in. */
  root: string
  folder: string
  routerPort: number
  /** Runs a command in a folder; one that fails ends the story. */
  must: (
    command: string,
    args: string[],
    shown: string | undefined,
    cwd: string,
  ) => Promise<{ output: string; ms: number }>
}): Promise<void> {
  const { stage, routerPort: port } = options
  const repository = join(options.folder, 'tally')
  const host = 'tally.localhost'
  const path = '/count/apples'
  const must = (command: string, args: string[], shown?: string) => options.must(command, args, shown, repository)
  const count = async () => {
    stage.say(`   $ curl http://${host}:${port}${path}`)
    const { status, body } = await get(port, host, path)
    stage.say(`   │ ${body.trim()}`)
    const [, number, version] = /apples is (\d+), says (v\d)/.exec(body) ?? []
    return { status, number: Number(number), version }
  }

  stage.chapter('State: three BEAM nodes that count together (examples/elixir-tally)')
  cpSync(join(options.root, 'examples', 'elixir-tally'), repository, { recursive: true })
  await must('git', ['init', '-q', '-b', 'main'])
  await must('git', ['config', 'user.name', 'Demo'], 'git config …')
  await must('git', ['config', 'user.email', 'demo@example.com'], 'git config …')
  await must('git', ['add', '-A'])
  await must('git', ['commit', '-qm', 'First version'])
  await must('cuddle', ['create', 'tally'])
  await must('git', ['push', 'cuddle', 'main'])
  const first = await count()
  stage.check('it counts', first.number === 1 && first.version === 'v1')

  stage.chapter('New code for running nodes, and a fourth node, while everybody counts')
  await must('git', ['apply', 'v2.patch'])
  await must('git', ['commit', '-qam', 'Tell what was counted here'])
  const load = startLoad({ port, host, path, clients: 4 })
  const hot = await must('git', ['push', 'cuddle', 'main'])
  stage.time('hot push, to live', hot.ms)
  await must('cuddle', ['ps:scale', 'web=4'])
  const result = await load.stop()
  const after = await count()
  stage.check(
    'the code went into the running nodes',
    /Loading v\d+ into 3 running pods/.test(hot.output) && after.version === 'v2',
  )
  stage.check(
    'no request failed',
    result.failed === 0,
    `${result.sent} requests sent, ${result.failed} failed${result.failures.length ? `: ${result.failures.join('; ')}` : ''}`,
  )
  stage.check('not one of them was forgotten', after.number === result.sent + 2, `${after.number} counted`)

  stage.chapter('A node dies')
  // The call ends with its node: that it fails is what was asked for.
  await stage.run('cuddle', ['rpc', 'System.halt(1)'], { cwd: repository })
  const survived = await count()
  stage.check('the others know everything', survived.number === after.number + 1, `${survived.number} counted`)
  await must('cuddle', ['ps'])
}
