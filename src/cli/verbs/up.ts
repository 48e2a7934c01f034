import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { CuddleError, equal, formatDuration, systemClock } from '#lib'
import type { Command, Invocation } from '../command.ts'
import { defaultConfig, type HomeConfig, livePid, paths, readConfig, writeConfig } from '../home.ts'

export default {
  summary: 'Starts the embedded cluster and the platform, and comes back when they answer.',
  describe: 'What ran when it was stopped runs again. State is kept in $CUDDLE_HOME (default ~/.cuddle).',
  options: {
    nodes: { type: 'string', value: 'N', describe: 'virtual nodes to spread pods over (default 1)' },
    'router-port': {
      type: 'string',
      value: 'PORT',
      describe: `where apps answer (default ${defaultConfig.ports.router})`,
    },
    'git-port': { type: 'string', value: 'PORT', describe: `where git pushes go (default ${defaultConfig.ports.git})` },
    'api-port': { type: 'string', value: 'PORT', describe: `the Kubernetes API (default ${defaultConfig.ports.api})` },
    foreground: { type: 'boolean', describe: 'stay, and stop everything on Ctrl-C' },
  },
  examples: ['cuddle up', 'cuddle up --nodes 3', 'cuddle up --router-port 8080 --foreground'],
  async run(invocation) {
    const { out, home } = invocation
    const started = systemClock.monotonic()
    const config = chooseConfig(invocation)
    const pid = livePid(paths(home).supervisorPid, home)
    if (pid === undefined) {
      await checkPorts(config)
      prepare(home, config)
      supervise(invocation)
    }
    out.busy('starting the cluster')
    await ready(invocation)
    out.done()
    const took = systemClock.monotonic() - started
    const { ports } = config
    const info = {
      home,
      kubeconfig: paths(home).kubeconfig,
      api: `https://127.0.0.1:${ports.api}`,
      apps: `http://APP.localhost:${ports.router}`,
      git: `http://127.0.0.1:${ports.git}`,
      already: pid !== undefined,
    }
    if (out.json) out.data(info)
    else {
      out.print(
        pid === undefined
          ? `${out.style('green', 'up')} after ${formatDuration(took)}`
          : `already ${out.style('green', 'up')}`,
      )
      out.print(`apps        ${info.apps}`)
      out.print(`kubernetes  export KUBECONFIG=${info.kubeconfig}`)
      out.print(
        `next        ${out.style('cyan', 'cuddle create my-app')} in a git repository, then ${out.style('cyan', 'git push cuddle main')}`,
      )
    }
    if (invocation.values.foreground) return stay(invocation)
    return 0
  },
} satisfies Command

function chooseConfig(invocation: Invocation): HomeConfig {
  const before = readConfig(invocation.home) ?? defaultConfig
  const number = (name: string, fallback: number, most: number) => {
    const text = invocation.values[name]
    if (text === undefined) return fallback
    const value = Number(text)
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new CuddleError('usage', `--${name} takes a number from 1 to ${most}, not "${text}"`)
    return value
  }
  const ports = {
    api: number('api-port', before.ports.api, 65535),
    router: number('router-port', before.ports.router, 65535),
    git: number('git-port', before.ports.git, 65535),
  }
  if (new Set(Object.values(ports)).size < 3) throw new CuddleError('usage', 'the three ports have to differ')
  const config: HomeConfig = { version: 1, ports, nodes: number('nodes', before.nodes, 64) }
  const running = livePid(paths(invocation.home).supervisorPid, invocation.home) !== undefined
  if (running && JSON.stringify(config) !== JSON.stringify(before)) {
    throw new CuddleError('running', 'the cluster is up already, with other settings', {
      hint: 'cuddle down, then cuddle up with the new ones',
    })
  }
  return config
}

async function checkPorts(config: HomeConfig): Promise<void> {
  for (const [name, port] of Object.entries(config.ports)) {
    await new Promise<void>((resolve, reject) => {
      const server = createServer()
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new CuddleError(
            'port-taken',
            `port ${port} (${name}) is ${error.code === 'EACCES' ? 'not allowed to you' : 'taken by another program'}`,
            {
              hint: `cuddle up --${name}-port N`,
              cause: error,
            },
          ),
        ),
      )
      server.listen(port, '127.0.0.1', () => server.close(() => resolve()))
    })
  }
}

function prepare(home: string, config: HomeConfig): void {
  const { run, log, stopping } = paths(home)
  if (!equal(config, readConfig(home))) writeConfig(home, config)
  mkdirSync(run, { recursive: true, mode: 0o700 })
  mkdirSync(log, { recursive: true, mode: 0o700 })
  rmSync(stopping, { force: true })
  for (const name of ['control.failed', 'node.failed', 'control.ready', 'node.ready'])
    rmSync(join(run, name), { force: true })
}

function supervise(invocation: Invocation): void {
  const { home, root, env } = invocation
  const log = openSync(join(paths(home).log, 'supervisor.log'), 'a')
  // Only what the platform needs: the shell's other variables may hold secrets, and builds and apps descend from here.
  const kept: Record<string, string> = {}
  for (const key of ['PATH', 'HOME', 'LANG', 'LC_ALL', 'USER', 'TMPDIR', 'NODE_COMPILE_CACHE', 'CUDDLE_LOG'])
    if (env[key]) kept[key] = env[key]
  const child = spawn('/bin/sh', [join(root, 'scripts', 'supervise.sh'), process.execPath, root, home], {
    cwd: home,
    env: kept,
    detached: true,
    stdio: ['ignore', log, log],
  })
  child.unref()
}

async function ready({ home, signal }: Invocation): Promise<void> {
  const { run } = paths(home)
  const deadline = systemClock.monotonic() + 30_000
  const isReady = (name: string) => {
    const pid = livePid(join(run, `${name}.pid`), home)
    return pid !== undefined && readText(join(run, `${name}.ready`)) === String(pid)
  }
  while (systemClock.monotonic() < deadline && !signal.aborted) {
    if (isReady('control') && isReady('node')) return
    // A store, a port or a configuration that cannot be used ends them for good: waiting longer would not help.
    const failed = ['control', 'node'].map((name) => readText(join(run, `${name}.failed`))).filter(Boolean)
    if (failed.length > 0) throw new CuddleError('not-started', failed.join('; '), { hint: `see ${paths(home).log}` })
    await systemClock.sleep(10, signal)
  }
  if (signal.aborted)
    throw new CuddleError('interrupted', 'stopped waiting; the cluster may still be starting', {
      hint: 'cuddle status',
    })
  throw new CuddleError('not-started', 'the cluster did not start', {
    hint: `see ${paths(home).log}/control.log`,
    details: lastLines(home),
  })
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function lastLines(home: string): string[] {
  try {
    const lines = readFileSync(join(paths(home).log, 'control.log'), 'utf8')
      .trim()
      .split('\n')
    return lines.slice(-5).map((line) => {
      try {
        const { msg, error } = JSON.parse(line)
        return [msg, error].filter(Boolean).join(': ')
      } catch {
        return line
      }
    })
  } catch {
    return []
  }
}

/** Waits for Ctrl-C, then stops everything. */
async function stay(invocation: Invocation): Promise<number> {
  await new Promise<void>((resolve) => {
    if (invocation.signal.aborted) resolve()
    const keepAlive = setInterval(() => {}, 60_000)
    invocation.signal.addEventListener('abort', () => {
      clearInterval(keepAlive)
      resolve()
    })
  })
  const { stop } = await import('../stop.ts')
  invocation.out.busy('stopping')
  await stop(invocation.home)
  invocation.out.done()
  return 0
}
