import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '#lib'
import { get } from '../../scripts/demo/load.ts'
import { freePort } from '../../scripts/demo/stage.ts'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface Result {
  code: number
  stdout: string
  stderr: string
}

export interface Home {
  home: string
  directory: string
  ports: { api: number; router: number; git: number }
  env: Record<string, string>
  /** Runs the real command. */
  cuddle(args: string[], options?: { cwd?: string; input?: string; timeoutMs?: number }): Promise<Result>
  /** The same, parsed from --json; fails when the command does. */
  json(args: string[], options?: { cwd?: string }): Promise<any>
  git(cwd: string, ...args: string[]): Promise<Result>
  kubectl(...args: string[]): Promise<Result>
  up(...args: string[]): Promise<Result>
  /** A repository with a copy of an example, connected to a new app of that name. */
  app(name: string, example: string): Promise<string>
  get(app: string, path?: string): Promise<{ status: number; body: string }>
  pid(name: 'control' | 'node' | 'supervisor'): number
}

/** A home of its own with free ports; everything it started is stopped when the test ends. */
export async function newHome(t: { after(fn: () => Promise<void> | void): void }): Promise<Home> {
  const directory = mkdtempSync(join(tmpdir(), 'cuddle-e2e-'))
  const home = join(directory, 'home')
  const ports = { api: await freePort(), router: await freePort(), git: await freePort() }
  const env: Record<string, string> = {
    PATH: `${join(root, 'bin')}${delimiter}${process.env.PATH}`,
    HOME: directory,
    CUDDLE_HOME: home,
    KUBECONFIG: join(home, 'kubeconfig'),
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    GIT_CONFIG_NOSYSTEM: '1',
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, '.cache', 'v8'),
  }
  const run = async (
    command: string,
    args: string[],
    options: { cwd?: string; input?: string; timeoutMs?: number } = {},
  ): Promise<Result> => {
    const result = await exec(command, args, {
      cwd: options.cwd ?? directory,
      env,
      input: options.input,
      timeoutMs: options.timeoutMs ?? 120_000,
    })
    return { code: result.code ?? 137, stdout: result.stdout, stderr: result.stderr }
  }
  const self: Home = {
    home,
    directory,
    ports,
    env,
    cuddle: (args, options) => run('cuddle', args, options),
    async json(args, options) {
      const result = await run('cuddle', [...args, '--json'], options)
      if (result.code !== 0)
        throw new Error(`cuddle ${args.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`)
      return JSON.parse(result.stdout)
    },
    git: (cwd, ...args) => run('git', args, { cwd }),
    kubectl: (...args) => run('kubectl', args),
    up: (...args) =>
      run('cuddle', [
        'up',
        '--api-port',
        `${ports.api}`,
        '--router-port',
        `${ports.router}`,
        '--git-port',
        `${ports.git}`,
        ...args,
      ]),
    async app(name, example) {
      const repository = join(directory, name)
      cpSync(join(root, 'examples', example), repository, { recursive: true })
      for (const args of [
        ['init', '-q', '-b', 'main'],
        ['config', 'user.name', 'Test'],
        ['config', 'user.email', 'test@example.com'],
        ['add', '-A'],
        ['commit', '-qm', 'First version'],
      ]) {
        const result = await run('git', args, { cwd: repository })
        if (result.code !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`)
      }
      const created = await run('cuddle', ['create', name], { cwd: repository })
      if (created.code !== 0) throw new Error(`create: ${created.stderr}`)
      return repository
    },
    get: (app, path = '/') => get(ports.router, `${app}.localhost`, path),
    pid: (name) => Number(readFileSync(join(home, 'run', `${name}.pid`), 'utf8')),
  }
  t.after(async () => {
    await run('cuddle', ['down'])
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  return self
}

/** Replaces text in a file of a repository and commits it. */
export async function commitEdit(
  home: Home,
  repository: string,
  file: string,
  find: string | RegExp,
  replace: string,
  message = 'Edit',
): Promise<void> {
  const path = join(repository, file)
  const before = readFileSync(path, 'utf8')
  const after = before.replace(find, replace)
  if (after === before) throw new Error(`${file} has no ${find}`)
  writeFileSync(path, after)
  const result = await home.git(repository, 'commit', '-qam', message)
  if (result.code !== 0) throw new Error(result.stderr)
}

/** True while a process runs; one that ended but was not reaped by its parent yet is gone. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
