// The main job, told as a story: `npm run demo`. With --check it runs unattended and ends with 0 only if every step held;
// with --json the last line is the figures. With --kubeconfig FILE --registry HOST:PORT it is told on that cluster.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { get, startLoad } from './demo/load.ts'
import { type Sample, samples } from './demo/samples.ts'
import { freePort, Stage } from './demo/stage.ts'
import { tellOfState } from './demo/stateful.ts'

const { values } = parseArgs({
  options: {
    check: { type: 'boolean' },
    json: { type: 'boolean' },
    app: { type: 'string' },
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
    registry: { type: 'string' },
  },
})
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cuddle = join(root, 'bin', 'cuddle')
const stop = new AbortController()
process.on('SIGINT', () => stop.abort())
process.on('SIGTERM', () => stop.abort())
process.on('SIGHUP', () => stop.abort())
// Nobody reads on (`| head`, a closed window): end as after Ctrl-C, cleaning up.
process.stdout.on('error', () => stop.abort())
process.stderr.on('error', () => stop.abort())

const temporary = mkdtempSync(join(tmpdir(), 'cuddle-demo-'))
const home = join(temporary, 'home')
const repository = join(temporary, 'hello')
const kubeconfig = values.kubeconfig === undefined ? join(home, 'kubeconfig') : resolve(values.kubeconfig)
const env: Record<string, string> = {
  PATH: `${join(root, 'bin')}${delimiter}${process.env.PATH}`,
  HOME: temporary,
  CUDDLE_HOME: home,
  LANG: process.env.LANG ?? 'C.UTF-8',
  NO_COLOR: '1',
  GIT_CONFIG_NOSYSTEM: '1',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, '.cache', 'v8'),
}
const stage = new Stage({ quiet: Boolean(values.json && values.check), env, signal: stop.signal })
const began = performance.now()
let failed = false
/** On a cluster that stays, the apps do not. */
const made: string[] = []
try {
  await story()
} catch (error) {
  failed = true
  if (!stop.signal.aborted) process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`)
} finally {
  const quietly = new Stage({ quiet: true, env, signal: new AbortController().signal })
  for (const app of made) await quietly.run(cuddle, ['destroy', app, '--confirm', app], { cwd: temporary })
  const { code } = await quietly.run(cuddle, ['down'], { cwd: temporary })
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 })
  if (code === 0 && !values.json) stage.say('\nstopped; nothing is left running')
}
const broken = stage.checks.filter((check) => !check.ok)
if (values.json) {
  const figures = Object.fromEntries(stage.timings.map(([name, ms]) => [name, Math.round(ms)]))
  process.stdout.write(
    `${JSON.stringify({ ok: !failed && broken.length === 0, checks: stage.checks, ms: figures, seconds: Math.round((performance.now() - began) / 1000) })}\n`,
  )
}
if (values.check && (failed || broken.length > 0)) {
  for (const check of broken) process.stderr.write(`demo: did not hold: ${check.name} ${check.detail}\n`)
  process.exitCode = 1
} else if (failed && !stop.signal.aborted) process.exitCode = 1

function choose(): Sample {
  const wanted = values.app
  const found = wanted
    ? samples.find((sample) => sample.name === wanted)
    : samples.find((sample) => sample.needs.every(onPath))
  if (!found)
    throw new Error(`there is no sample ${wanted}; there are ${samples.map((sample) => sample.name).join(', ')}`)
  return found
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => existsSync(join(directory, program)))
}

async function edit(changes: Sample['crash'], message: string): Promise<void> {
  const path = join(repository, changes.file)
  const before = readFileSync(path, 'utf8')
  const after = before.replace(changes.find, changes.replace)
  if (after === before) throw new Error(`the sample changed: ${changes.file} no longer has ${changes.find}`)
  writeFileSync(path, after)
  await must('git', ['commit', '-qam', message], 'edit, and git commit')
}

async function must(
  command: string,
  args: string[],
  shown?: string,
  cwd = existsSync(repository) ? repository : temporary,
): Promise<{ output: string; ms: number }> {
  const result = await stage.run(command, args, { cwd, shown })
  if (stop.signal.aborted) throw new Error('interrupted')
  if (result.code !== 0)
    throw new Error(`${shown ?? [command, ...args].join(' ')} ended with ${result.code}:\n${result.output}`)
  if (command === 'cuddle' && args[0] === 'create' && values.kubeconfig !== undefined) made.push(args[1])
  return result
}

async function story(): Promise<void> {
  const sample = choose()
  const ports = { api: await freePort(), router: await freePort(), git: await freePort() }
  const host = 'hello.localhost'
  const url = `http://${host}:${ports.router}`

  const cluster = (['kubeconfig', 'context', 'registry'] as const).flatMap((name) => {
    const value = values[name]
    return value === undefined ? [] : [`--${name}`, name === 'kubeconfig' ? resolve(value) : value]
  })
  stage.chapter(
    values.kubeconfig === undefined
      ? 'A cluster on this machine: the Kubernetes API, controllers, a node, a router'
      : `The platform on this machine, for the cluster of ${values.kubeconfig}: its operator, git, a router`,
  )
  const ours = ['--api-port', `${ports.api}`, '--router-port', `${ports.router}`, '--git-port', `${ports.git}`]
  const up = await must('cuddle', ['up', ...cluster, ...ours], ['cuddle', 'up', ...cluster].join(' '))
  stage.time('cuddle up', up.ms)

  stage.chapter(`An app from examples/${sample.name}, in a git repository of its own`)
  cpSync(join(root, 'examples', sample.name), repository, { recursive: true })
  await must('git', ['init', '-q', '-b', 'main'])
  await must('git', ['config', 'user.name', 'Demo'], 'git config …')
  await must('git', ['config', 'user.email', 'demo@example.com'], 'git config …')
  await must('git', ['add', '-A'])
  await must('git', ['commit', '-qm', 'First version'])
  await must('cuddle', ['create', 'hello'])

  stage.chapter('git push')
  const first = await must('git', ['push', 'cuddle', 'main'])
  stage.time('first push, to live', first.ms)
  stage.say(`   $ curl ${url}`)
  const answer = await get(ports.router, host)
  stage.say(`   │ ${answer.body.trim()}`)
  stage.check(
    'the app answers',
    answer.status === 200 && sample.first.test(answer.body),
    `${answer.status} ${answer.body.trim().slice(0, 60)}`,
  )

  stage.chapter('A second version, pushed while people use the first')
  await edit(sample.second, 'Second version')
  const load = startLoad({ port: ports.router, host, path: '/', clients: 8 })
  const second = await must('git', ['push', 'cuddle', 'main'])
  stage.time('second push, to live', second.ms)
  const after = await get(ports.router, host)
  const result = await load.stop()
  stage.check(
    'the second version answers',
    after.status === 200 && sample.second.answers.test(after.body),
    after.body.trim().slice(0, 60),
  )
  stage.check(
    'no request failed',
    result.failed === 0,
    `${result.sent} requests sent, ${result.failed} failed${result.failures.length ? `: ${result.failures.join('; ')}` : ''}; p50 ${result.p50.toFixed(1)} ms, p99 ${result.p99.toFixed(1)} ms`,
  )

  stage.chapter('A version that crashes at boot')
  await edit(sample.crash, 'Crash at boot')
  const refused = await stage.run('git', ['push', 'cuddle', 'main'], { cwd: repository })
  stage.time('crashing push, to refused', refused.ms)
  const still = await get(ports.router, host)
  stage.check('the push is refused', refused.code !== 0 && /rejected/.test(refused.output))
  stage.check(
    'it says why: exit code and last log lines',
    sample.why.every((word) => word.test(refused.output)),
  )
  stage.check(
    'the second version still serves',
    still.status === 200 && sample.second.answers.test(still.body),
    still.body.trim().slice(0, 60),
  )

  stage.chapter('Back to the first version')
  const back = await must('cuddle', ['rollback'])
  stage.time('rollback, to live', back.ms)
  const restored = await get(ports.router, host)
  stage.check(
    'the first version answers again',
    restored.status === 200 && sample.first.test(restored.body),
    restored.body.trim().slice(0, 60),
  )

  stage.chapter('What is there now')
  await must('cuddle', ['releases'])
  await must('cuddle', ['ps'])
  if (onPath('kubectl'))
    await must(
      'kubectl',
      ['--kubeconfig', kubeconfig, '-n', 'hello', 'get', 'deploy,rs,pod,svc,ing,pdb,netpol'],
      'kubectl -n hello get deploy,rs,pod,svc,ing,pdb,netpol',
    )

  if (sample.name.startsWith('elixir'))
    await tellOfState({ stage, root, folder: temporary, routerPort: ports.router, must })

  stage.say('\n   timings')
  for (const [name, ms] of stage.timings) stage.say(`   ${name.padEnd(28)} ${(ms / 1000).toFixed(2).padStart(7)} s`)
  if (values.check) return
  stage.say(`\n   It is all still running: ${url}`)
  stage.say(
    `   To look around:  export CUDDLE_HOME=${home} PATH=${join(root, 'bin')}:$PATH KUBECONFIG=${kubeconfig}; cd ${repository}`,
  )
  stage.say('   Ctrl-C stops everything.')
  await new Promise<void>((resolve) => {
    const alive = setInterval(() => {}, 60_000)
    stop.signal.addEventListener('abort', () => {
      clearInterval(alive)
      resolve()
    })
    if (stop.signal.aborted) resolve()
  })
}
