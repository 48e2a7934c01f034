import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { exec, sha256 } from '#lib'
import { until } from '#lib/testing'
import { type Home, newHome } from './harness.ts'
import { onTerminal } from './terminal.ts'

const pods = `
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: host, command: [sh, -c, 'while :; do sleep 1; done'], env: [{name: COLOUR, value: red}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: host
    command: ['${process.execPath}', -e, 'require("http").createServer((q, s) => s.end("hello " + q.url)).listen(process.env.PORT, process.env.POD_IP)']
    ports: [{name: http, containerPort: 8080}]
    env: [{name: PORT, value: '8080'}]
    readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: host, command: [sh, -c, 'cat; echo bye >&2; exit 4'], stdin: true, stdinOnce: true}
---
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: host, command: [sh], stdin: true, stdinOnce: true, tty: true}
`

/** Newer kubectls speak WebSocket first; told so, or from before 1.29, they speak SPDY. */
const carriers = [
  { name: 'WebSocket', env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'true', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'true' } },
  { name: 'SPDY', env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' } },
]

async function lacking(...programs: string[]): Promise<string | false> {
  for (const program of programs) {
    const found = await exec('sh', ['-c', `command -v ${program}`], { env: { PATH: process.env.PATH } })
    if (found.code !== 0) return `${program} is not on PATH`
  }
  return false
}

async function run(home: Home, more: Record<string, string>, args: string[], input?: string | Uint8Array) {
  const { code, stdout, stderr } = await exec('kubectl', args, {
    cwd: home.directory,
    env: { ...home.env, ...more },
    ...(input !== undefined && { input }),
    timeoutMs: 30_000,
  })
  return { code, stdout, stderr }
}

/** Waits until a field of a pod has a value: kubectl before 1.23 does not wait for one. */
const becomes = (home: Home, pod: string, path: string, value: string) =>
  until(async () => (await home.kubectl('get', 'pod', pod, '-o', `jsonpath={${path}}`)).stdout === value, {
    what: `${pod} to have ${path} ${value}`,
    timeoutMs: 10_000,
  })

const terminal = (home: Home, more: Record<string, string>) => ({ cwd: home.directory, env: { ...home.env, ...more } })

async function forwarded(
  t: { after(fn: () => void): void },
  home: Home,
  env: Record<string, string>,
  ...args: string[]
) {
  const child: ChildProcess = spawn('kubectl', ['port-forward', ...args], {
    env: { ...home.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => void child.kill())
  let said = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const port = () => /127\.0\.0\.1:(\d+) ->/.exec(said)?.[1]
  await until(() => port() !== undefined, { timeoutMs: 10_000 })
  return { get: (path: string) => fetch(`http://127.0.0.1:${port()}${path}`), said: () => said }
}

test('streams into pods', { skip: await lacking('kubectl', 'script', 'tar') }, async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  assert.equal((await run(home, {}, ['apply', '-f', '-'], pods)).code, 0)
  await home.kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'pod/box', 'pod/web')

  for (const { name, env } of carriers) {
    await t.test(`exec over ${name}: both outputs, the container's environment, the exit code`, async () => {
      const command = 'echo $COLOUR; echo oops >/dev/stderr; exit 3'
      const result = await run(home, env, ['exec', 'box', '--', 'sh', '-c', command])
      assert.equal(result.code, 3)
      assert.equal(result.stdout, 'red\n')
      assert.match(result.stderr, /^oops$/m)
    })

    await t.test(`exec over ${name}: input goes in, its end too, and nothing is lost on the way`, async () => {
      const bytes = randomBytes(2_000_000)
      const file = join(home.directory, `bytes-${name}`)
      const into = await run(home, env, ['exec', '-i', 'box', '--', 'sh', '-c', `cat >${file}`], bytes)
      assert.equal(into.code, 0, into.stderr)
      assert.equal(sha256(readFileSync(file)), sha256(bytes))
      const back = await run(home, env, ['exec', 'box', '--', 'sh', '-c', `base64 -w0 ${file}`])
      assert.equal(sha256(Buffer.from(back.stdout, 'base64')), sha256(bytes))
    })

    await t.test(`exec -it over ${name}: a terminal of the client's size, and its exit code`, async () => {
      const { code, shown } = await onTerminal(
        terminal(home, env),
        'kubectl exec -it box -- sh',
        'stty size; tty; exit 5\r',
      )
      assert.match(shown, /^33 99$/m)
      assert.match(shown, /^\/dev\/pts\/\d+$/m)
      assert.equal(code, 5)
    })

    await t.test(`port-forward over ${name}: the template's port is the pod's`, async (t) => {
      const { get } = await forwarded(t, home, env, 'pod/web', ':8080')
      const answers = await Promise.all(['/a', '/b', '/c'].map(async (path) => (await get(path)).text()))
      assert.deepEqual(answers, ['hello /a', 'hello /b', 'hello /c'])
    })

    await t.test(`a port nobody listens on is told, over ${name}`, async (t) => {
      const { get, said } = await forwarded(t, home, env, 'pod/web', ':9')
      await assert.rejects(get('/'))
      await until(() => /unable to connect to port 9 of the pod/.test(said()))
    })
  }

  await t.test('what cannot be run is refused with the reason', async () => {
    const unknown = await run(home, {}, ['exec', 'box', '-c', 'nobody', '--', 'true'])
    assert.notEqual(unknown.code, 0)
    assert.match(unknown.stderr, /nobody/)
    const missing = await run(home, {}, ['exec', 'box', '--', 'no-such-program'])
    assert.notEqual(missing.code, 0)
    assert.match(missing.stderr, /no-such-program/)
    const plain = await run(home, {}, [
      'get',
      '--raw',
      '/api/v1/namespaces/default/pods/box/exec?command=true&stdout=1',
    ])
    assert.match(plain.stderr, /Upgrade request required|the server rejected our request/)
  })

  await t.test('attach gives a container its input, and its end', async () => {
    await home.kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'pod/reader', 'pod/shell')
    const result = await run(home, {}, ['attach', '-i', 'reader'], 'one\ntwo\n')
    assert.equal(result.stdout, 'one\ntwo\n')
    await becomes(home, 'reader', '.status.phase', 'Failed')
    assert.equal((await home.kubectl('logs', 'reader')).stdout, 'one\ntwo\nbye\n')
  })

  await t.test('attach -it joins a container on its terminal', async () => {
    const child = spawn('script', ['-qefc', 'stty rows 33 cols 99; kubectl attach -it shell', '/dev/null'], {
      env: { ...home.env, SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (shown += text))
    await until(() => /press/.test(shown), { timeoutMs: 10_000 })
    // The prompt was there before us: as kubectl says, a key brings the next one.
    child.stdin.write('\r')
    await until(() => /[#$] $/.test(shown), { timeoutMs: 10_000 })
    child.stdin.write('stty size; exit 6\r')
    await until(() => /^33 99\r?$/m.test(shown), { timeoutMs: 10_000 })
    await becomes(home, 'shell', '.status.containerStatuses[0].state.terminated.exitCode', '6')
  })

  await t.test('cp copies folders in and out', async () => {
    const from = join(home.directory, 'from')
    mkdirSync(join(from, 'deep'), { recursive: true })
    writeFileSync(join(from, 'deep/file'), 'content\n')
    const there = join(home.directory, 'there')
    mkdirSync(there)
    const out = await run(home, {}, ['cp', from, `box:${there}`])
    assert.equal(out.code, 0, out.stderr)
    assert.ok(existsSync(join(there, 'from/deep/file')))
    const back = await run(home, {}, ['cp', `box:${there}/from`, join(home.directory, 'back')])
    assert.equal(back.code, 0, back.stderr)
    assert.equal(readFileSync(join(home.directory, 'back/deep/file'), 'utf8'), 'content\n')
  })

  await t.test('top shows what nodes and pods use', async () => {
    const nodes = await run(home, {}, ['top', 'nodes', '--no-headers'])
    assert.match(nodes.stdout, /^node-0\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/m, nodes.stderr)
    const usage = await run(home, {}, ['top', 'pod', 'web', '--containers', '--no-headers'])
    assert.match(usage.stdout, /^web\s+main\s+\d+m\s+[1-9]\d*Mi/m, usage.stderr)
  })

  await t.test('a program execs with #kube; a command whose client goes is hung up on', async () => {
    const kube = createKube(httpTransport(loadKubeConfig({ path: join(home.home, 'kubeconfig') })))
    t.after(() => kube.close())
    let output = ''
    const stdout = (chunk: Uint8Array) => void (output += chunk)
    async function* stdin() {
      yield Buffer.from('a\nb\n')
    }
    const code = await kube.exec('box', 'default', { command: ['sh', '-c', 'wc -l; exit 9'], stdin: stdin(), stdout })
    assert.equal(code, 9)
    assert.equal(output.trim(), '2')
    await assert.rejects(kube.exec('nobody', 'default', { command: ['true'], stdout }), { code: 404 })
    const stop = new AbortController()
    const marker = join(home.directory, 'hung-up')
    const waiting = ['sh', '-c', `trap 'echo yes >${marker}; exit' HUP; echo up; while :; do sleep 0.1; done`]
    await assert.rejects(
      kube.exec('box', 'default', { command: waiting, stdout: () => stop.abort(), signal: stop.signal }),
      { name: 'AbortError' },
    )
    await until(() => existsSync(marker))
  })

  await t.test('cuddle run gives a shell, and passes input on', async () => {
    const repository = await home.app('hello', 'procfile-hello')
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    assert.equal(push.code, 0, push.stderr)
    const { code, shown } = await onTerminal({ ...home, cwd: repository }, 'cuddle run -- sh', 'stty size; exit 7\r')
    assert.match(shown, /^33 99$/m)
    assert.equal(code, 7)
    const piped = await home.cuddle(['run', '-i', '--', 'wc -l; exit 2'], { cwd: repository, input: 'one\ntwo\n' })
    assert.equal(piped.stdout.trim(), '2')
    assert.equal(piped.code, 2)
    const jobs = await home.kubectl('get', 'jobs', '-n', 'hello', '-o', 'name')
    assert.equal(jobs.stdout, '')
  })
})
