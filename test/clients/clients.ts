/** Kubernetes clients as people use them, unmodified, against a cluster that `cuddle up` has started. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext } from 'node:test'
import { type ExecResult, exec, readLines } from '#lib'
import { until } from '#lib/testing'
import { type Home, newHome, root } from '../e2e/harness.ts'
import { onTerminal } from '../e2e/terminal.ts'

/** One cluster with two nodes for all tests of a file. */
export function clusterOfFile(): () => Home {
  let home: Home | undefined
  const cleanups: (() => Promise<void> | void)[] = []
  after(async () => {
    for (const cleanup of cleanups) await cleanup()
  })
  before(async () => {
    home = await newHome({ after: (cleanup) => cleanups.push(cleanup) })
    const up = await home.up('--nodes', '2')
    if (up.code !== 0) throw new Error(`cuddle up: ${up.stderr}`)
  })
  return () => home!
}

/** For tests that may have to build or install their client first. */
export const buildMs = 1_800_000

/** Where scripts/clients.sh has made a client ready; undefined, and the test skipped with the reason, where it cannot. */
export async function client(t: TestContext, name: string): Promise<string | undefined> {
  const made = await exec('sh', [join(root, 'scripts/clients.sh'), name], { env: process.env, timeoutMs: buildMs })
  if (made.code === 0) return made.stdout.trim()
  t.skip(`${name}: ${made.stderr.trim().split('\n').at(-1)}`)
  return undefined
}

export interface Kubectl {
  namespace: string
  /** Of its own, where files are written. */
  folder: string
  /** `[1, 36]`. */
  version: [number, number]
  run(...args: string[]): Promise<ExecResult>
  /** Its output; throws when it fails. */
  ok(...args: string[]): Promise<string>
  /** Its complaint; throws when it succeeds. */
  refused(...args: string[]): Promise<string>
  json(...args: string[]): Promise<any>
  /** `kubectl edit` with a command for editor. */
  edit(editor: string, ...args: string[]): Promise<string>
  /** On a terminal of its own, where `keys` are typed at the first prompt. */
  terminal(keys: string, ...args: string[]): Promise<{ code: number | null; shown: string }>
  /** Runs on, collecting lines, until the test ends. */
  follow(...args: string[]): Following
  /** Writes a manifest and returns its path. */
  file(name: string, text: string): string
}

export interface Following {
  lines: string[]
  /** Resolves with the first line that matches. */
  line(pattern: RegExp): Promise<string>
  ended: Promise<number | null>
  stop(): void
}

let namespaces = 0

/** A kubectl in a namespace of its own. */
export async function kubectl(t: TestContext, home: Home, program: string): Promise<Kubectl> {
  const namespace = `kubectl-${++namespaces}`
  const folder = join(home.directory, namespace)
  mkdirSync(folder)
  const env = { ...home.env, HOME: folder, TMPDIR: folder }
  const bare = (...args: string[]) => exec(program, args, { env, timeoutMs: 60_000, cwd: folder })
  const { clientVersion } = JSON.parse((await bare('version', '--client', '-o', 'json')).stdout)
  // Google's dispatcher hides the version that it will choose: an arbitrary, not an old one.
  const version: [number, number] = [Number(clientVersion.major), Number.parseInt(clientVersion.minor, 10)]
  await bare('create', 'namespace', namespace)
  const run: Kubectl['run'] = (...args) => bare('-n', namespace, ...args)
  const ok: Kubectl['ok'] = async (...args) => {
    const { code, stdout, stderr } = await run(...args)
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
    return stdout
  }
  return {
    namespace,
    folder,
    version,
    run,
    ok,
    async refused(...args) {
      const { code, stdout, stderr } = await run(...args)
      if (code === 0) throw new Error(`kubectl ${args.join(' ')} succeeded: ${stdout}`)
      return stderr
    },
    async edit(editor, ...args) {
      const options = { env: { ...env, KUBE_EDITOR: editor }, cwd: folder }
      const { code, stdout, stderr } = await exec(program, ['-n', namespace, 'edit', ...args], options)
      if (code !== 0) throw new Error(`kubectl edit ${args.join(' ')} ended with ${code}: ${stderr}`)
      return stdout
    },
    json: async (...args) => JSON.parse(await ok(...args, '-o', 'json')),
    terminal: (keys, ...args) => onTerminal({ cwd: folder, env }, [program, '-n', namespace, ...args].join(' '), keys),
    follow(...args) {
      const child = spawn(program, ['-n', namespace, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] })
      t.after(() => child.kill('SIGKILL'))
      return following(child)
    },
    file(name, text) {
      const path = join(folder, name)
      writeFileSync(path, text)
      return path
    },
  }
}

function following(child: ChildProcess): Following {
  const lines: string[] = []
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  void (async () => {
    for await (const line of readLines(child.stdout!)) lines.push(line)
  })()
  return {
    lines,
    ended,
    line: (pattern) =>
      until(() => lines.find((line) => pattern.test(line)), { what: `${pattern} in\n${lines.join('\n')}` }),
    stop: () => child.kill('SIGTERM'),
  }
}

/** Runs a program that prints a line of JSON per step (`step`, and `error` where it failed), each of which becomes a subtest. */
export async function steps(
  t: TestContext,
  home: Home,
  command: string,
  args: string[] = [],
  more: Record<string, string> = {},
): Promise<void> {
  const { code, stdout, stderr } = await exec(command, args, {
    env: { ...home.env, ...more },
    timeoutMs: 100_000,
    cwd: home.directory,
  })
  const done = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { step: string; error?: string })
  for (const { step, error } of done)
    await t.test(step, () => {
      if (error) throw new Error(error)
    })
  if (code !== 0 || done.length === 0)
    throw new Error(`${command} ended with ${code} after ${done.length} steps: ${stderr.slice(-2000)}`)
}

/** A Deployment of two pods that write a line a second and leave at once, and its Service. */
export const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: cuddle.local/host
        command: [sh, -c, 'i=0; while :; do echo "line $i of $VERSION"; i=$((i+1)); sleep 1; done']
        env: [{name: VERSION, value: one}]
        resources: {requests: {cpu: 10m, memory: 8Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
`
