import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Home, newHome, type Result } from './harness.ts'

/** Files of the next version of the sample; what is not named stays. */
type Version = Record<string, string>

const listening = (body: string) => `
import { createServer } from 'node:http'
const server = createServer((request, response) => { ${body} })
server.listen(Number(process.env.PORT), process.env.HOST, () => console.log('ready to serve'))
`

/** Commits files, pushes them, and takes the commit back: the next attempt starts from the same place. */
async function pushVersion(home: Home, repository: string, files: Version): Promise<Result & { ms: number }> {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(repository, name), text)
  await home.git(repository, 'add', '-A')
  await home.git(repository, 'commit', '-qm', 'A version that fails')
  const began = performance.now()
  const result = await home.git(repository, 'push', 'cuddle', 'main')
  await home.git(repository, 'reset', '-q', '--hard', 'HEAD~1')
  return { ...result, ms: performance.now() - began }
}

/** The parts of the one screen; each must be there, and no stack of ours. */
function tells(result: Result, ...parts: RegExp[]): void {
  assert.notEqual(result.code, 0, result.stderr)
  for (const part of parts) assert.match(result.stderr, part)
  assert.doesNotMatch(result.stderr, /internal error|\[object|undefined|\/rootfs\//)
  const screen = result.stderr.split('\n').filter((line) => line.startsWith('remote:'))
  assert.ok(screen.length <= 40, `${screen.length} lines are more than a screen:\n${result.stderr}`)
}

const web = [/process: +web/, /pod: +hello-web-/, /next: +\S+/, /v2 is still serving/]

test('each way in which a release can fail is told on one screen, and the old version serves on', async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  const repository = await home.app('hello', 'node-hello')
  const first = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(first.code, 0, first.stderr)
  const fails = (files: Version) => pushVersion(home, repository, files)

  await t.test('crash at boot', async () => {
    const push = await fails({ 'server.js': "console.log('starting')\nthrow new Error('refusing to boot')\n" })
    tells(push, ...web, /exited with code 1/, /exit code: +1\b/, /last log lines:/, /starting/, /refusing to boot/)
    assert.match(push.stderr, /\/app\/server\.js:2/)
    assert.match(push.stderr, /likely cause: .*crashes/)
    const info = await home.cuddle(['releases:info', '-a', 'hello'])
    assert.match(info.stdout, /Failed/)
    assert.match(info.stdout, /refusing to boot/)
    const [release] = await home.json(['releases', '-a', 'hello'])
    assert.equal(release.phase, 'Failed')
  })

  await t.test('ends at once with 0', async () => {
    const push = await fails({ 'server.js': "console.log('nothing to do')\n" })
    tells(push, ...web, /exit code: +0\b/, /nothing to do/, /must keep running/)
  })

  await t.test('a command that is not there, and one that is not executable', async () => {
    tells(await fails({ Procfile: 'web: bin/nothere --port 1\n' }), ...web, /exit code: +127/, /bin\/nothere/, /spelt/)
    tells(await fails({ Procfile: 'web: ./README.md\n' }), ...web, /exit code: +126/, /ermission denied/, /spelt/)
  })

  await t.test('killed by a signal', async () => {
    const push = await fails({ 'server.js': "process.kill(process.pid, 'SIGSEGV')\n" })
    tells(push, ...web, /exit code: +139 \(SIGSEGV\)/, /before it says anything/)
  })

  await t.test('listens on nothing, and does not care for SIGTERM either', async () => {
    const push = await fails({
      'server.js': "process.on('SIGTERM', () => {})\nsetInterval(() => {}, 1000)\nconsole.log('idle')\n",
      'cuddle.yaml': 'health: { start: 2s }\n',
    })
    tells(push, ...web, /startup probe within 2 s/, /probe: +Startup probe failed: .*refused/, /idle/, /\$PORT/)
    assert.doesNotMatch(push.stderr, /exit code/)
    assert.ok(push.ms < 15_000, 'told when the probe gives up, not when the pod is gone')
  })

  await t.test('listens on a port of its own', async () => {
    const push = await fails({
      'server.js':
        "import { createServer } from 'node:http'\ncreateServer().listen(0, '127.0.0.1', () => console.log('listening on http://localhost:4567'))\n",
      'cuddle.yaml': 'health: { start: 2s }\n',
    })
    tells(push, ...web, /probe: .*refused/, /likely cause: .*port 4567.*\$PORT/)
  })

  await t.test('a health check that answers 500, and one that never answers', async () => {
    const sick = await fails({
      'server.js': listening("response.writeHead(500).end('no database')"),
      'cuddle.yaml': 'health: { path: /healthz, start: 2s }\n',
    })
    tells(sick, ...web, /probe: .*statuscode: 500: no database/, /\/healthz answers 500/, /ready to serve/)
    const hung = await fails({
      'server.js': listening(''),
      'cuddle.yaml': 'health: { path: /healthz, start: 2s, timeout: 1s }\n',
    })
    tells(hung, ...web, /probe: .*no answer/, /no answer in time/)
  })

  await t.test('a config var that is missing', async () => {
    const push = await fails({
      'server.js': "if (!process.env.API_TOKEN) throw new Error('API_TOKEN is not set')\n",
    })
    tells(push, ...web, /config var API_TOKEN is missing/, /next: +cuddle config:set -a hello API_TOKEN=/)
  })

  await t.test('a module that is not in the image', async () => {
    const push = await fails({ 'server.js': "import 'express'\n" })
    tells(push, ...web, /module express is not in the image/)
  })

  await t.test('out of memory', async () => {
    const push = await fails({
      'server.js': 'const hoard = []\nfor (;;) hoard.push(Buffer.alloc(2e7, 1))\n',
      'cuddle.yaml': 'size: { cpu: 100m, memory: 96Mi }\n',
    })
    tells(push, ...web, /OOMKilled/, /exit code: +137/, /its size allows, which is 96Mi/, /larger size for web/)
  })

  await t.test('a release command that fails: nothing is rolled out', async () => {
    const push = await fails({ Procfile: 'web: node server.js\nrelease: echo migrating; echo no table >&2; exit 3\n' })
    tells(push, /process: +release/, /pod: +hello-release-v/, /exit code: +3/, /migrating/, /no table/, /v2 is still/)
    assert.match(push.stderr, /likely cause: "echo migrating.*exit 3" has to end with exit code 0/)
  })

  await t.test('a worker that crash-loops while web is fine', async () => {
    const push = await fails({ Procfile: 'web: node server.js\nworker: echo working; sleep 0.3; exit 4\n' })
    tells(push, /process: +worker/, /pod: +hello-worker-/, /exit code: +4/, /working/, /v2 is still serving/)
    const pods = await home.kubectl('-n', 'hello', 'get', 'deployments', '-o', 'name')
    assert.equal(pods.stdout.trim(), 'deployment.apps/hello-web')
  })

  await t.test('builds that fail: in the build script, for a tool that is missing, for broken files', async () => {
    const manifest = (scripts: object) => JSON.stringify({ name: 'hello', type: 'module', scripts })
    const script = await fails({
      'package.json': manifest({ build: 'echo compiling; exit 9', start: 'node server.js' }),
    })
    tells(script, /npm run build ended with 9/, /compiling/, /Nothing was released: v2 is still serving/)
    assert.equal(script.stderr.match(/^remote: +compiling *$/gm)?.length, 1, 'said once')
    const tool = await fails({ 'package.json': manifest({ build: 'compile-it .', start: 'node server.js' }) })
    tells(tool, /npm run build ended with 127/, /next: compile-it is not there/, /v2 is still serving/)
    tells(
      await fails({ 'package.json': '{ "name": x }' }),
      /package\.json is not JSON/,
      /Unexpected token/,
      /v2 is still serving/,
    )
  })

  await t.test('an image that is gone from the store', async () => {
    const { image } = (await home.json(['releases', '-a', 'hello'])).find((release: any) => release.current)
    const digest = image.split('@sha256:')[1]
    rmSync(join(home.home, 'images', 'blobs', 'sha256', digest))
    rmSync(join(home.home, 'node', 'rootfs', digest), { recursive: true, force: true })
    const set = await home.cuddle(['config:set', 'A=1', '-a', 'hello'])
    tells(
      set,
      /process: +web/,
      /the image cannot be pulled: .*is not in this node's image store/,
      /likely cause: .*image/,
      /still serving/,
    )
  })

  await t.test('after all of that the first version answers', async () => {
    const answer = await home.get('hello')
    assert.equal(answer.status, 200)
    assert.match(answer.body, /Hello from v1/)
    const pods = await home.json(['ps', '-a', 'hello'])
    assert.deepEqual(
      pods
        .filter((pod: any) => pod.process !== 'release' && pod.state !== 'Terminating')
        .map((pod: any) => [pod.process, pod.ready, pod.restarts]),
      [['web', true, 0]],
    )
  })

  await t.test('a first deploy that fails leaves nothing to go back to, and the next one works', async () => {
    const young = await home.app('young', 'node-hello')
    const push = await pushVersion(home, young, { 'server.js': 'process.exit(7)\n' })
    tells(push, /exit code: +7/, /Nothing is running: there was no earlier release/)
    assert.equal((await home.get('young')).status, 404)
    assert.deepEqual(await home.json(['ps', '-a', 'young']), [])
    const fixed = await home.git(young, 'push', 'cuddle', 'main')
    assert.equal(fixed.code, 0, fixed.stderr)
  })
})

test('what Elixir says when it fails is understood', async (t) => {
  const home = await newHome(t)
  assert.equal((await home.up()).code, 0)
  const repository = await home.app('phoenix', 'elixir-hello')
  const start = (line: string) => `defmodule Hello.Application do
  use Application
  def start(_type, _args) do
    ${line}
    Supervisor.start_link([], strategy: :one_for_one)
  end
end
`
  const env = await pushVersion(home, repository, {
    'lib/hello/application.ex': start('System.fetch_env!("DATABASE_URL")'),
  })
  tells(
    env,
    /process: +web/,
    /exit code: +1/,
    /config var DATABASE_URL is missing/,
    /config:set -a phoenix DATABASE_URL=/,
  )
  const syntax = await pushVersion(home, repository, { 'lib/hello/application.ex': start('if true do') })
  tells(syntax, /lib\/hello\/application\.ex:\d+/, /mix release ended with 1/)
})
