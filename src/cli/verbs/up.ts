import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { CuddleError, equal, formatDuration, systemClock } from '#lib'
import { clusterOptions } from '../cluster-options.ts'
import type { Command, Invocation } from '../command.ts'
import { defaultConfig, type HomeConfig, livePid, paths, readConfig, writeConfig } from '../home.ts'
import { end, runningPids, stop } from '../stop.ts'
import { chooseConfig } from '../up-config.ts'

export default {
  summary: 'Starts the cluster of this machine and the platform, and comes back when they answer.',
  describe: `What ran when it was stopped runs again. State is kept in $CUDDLE_HOME (default ~/.cuddle).

With --kubeconfig there is no cluster on this machine: the platform, git and the router work on that one. It is remembered,
and --embedded goes back. What is installed there, and with which rights, cuddle manifest prints.`,
  options: {
    ...clusterOptions,
    nodes: { type: 'string', value: 'N', describe: 'virtual nodes to spread pods over (default 1)' },
    cpus: { type: 'string', value: 'N', describe: 'CPUs that pods may request together (default all)' },
    memory: { type: 'string', value: 'SIZE', describe: 'memory that pods may request together (default all)' },
    'router-port': {
      type: 'string',
      value: 'PORT',
      describe: `where apps answer (default ${defaultConfig.ports.router})`,
    },
    'git-port': { type: 'string', value: 'PORT', describe: `where git pushes go (default ${defaultConfig.ports.git})` },
    'api-port': { type: 'string', value: 'PORT', describe: `the Kubernetes API (default ${defaultConfig.ports.api})` },
    foreground: { type: 'boolean', describe: 'stay, and stop everything on Ctrl-C' },
  },
  examples: [
    'cuddle up',
    'cuddle up --nodes 3',
    'cuddle up --cpus 1.5 --memory 4Gi',
    'cuddle up --memory all',
    'cuddle up --router-port 8080 --foreground',
    'cuddle up --kubeconfig ~/.kube/config --context prod --registry registry.example.com/team',
  ],
  async run(invocation) {
    const { out, home } = invocation
    const started = systemClock.monotonic()
    const { config, already } = await locked(invocation, () => start(invocation))
    out.done()
    const took = systemClock.monotonic() - started
    const { ports, cluster } = config
    const info = {
      home,
      kubeconfig: cluster?.kubeconfig ?? paths(home).kubeconfig,
      ...(cluster
        ? { context: cluster.context, registry: cluster.registry }
        : { api: `https://127.0.0.1:${ports.api}` }),
      apps: `http://APP.localhost:${ports.router}`,
      git: `http://127.0.0.1:${ports.git}`,
      already,
    }
    if (out.json) out.data(info)
    else {
      out.print(
        already ? `already ${out.style('green', 'up')}` : `${out.style('green', 'up')} after ${formatDuration(took)}`,
      )
      out.print(`apps        ${info.apps}`)
      out.print(
        `kubernetes  export KUBECONFIG=${info.kubeconfig}${cluster?.context ? ` (context ${cluster.context})` : ''}`,
      )
      if (cluster) out.print(`images      ${cluster.registry}`)
      out.print(
        `next        ${out.style('cyan', 'cuddle create my-app')} in a git repository, then ${out.style('cyan', 'git push cuddle main')}`,
      )
    }
    if (invocation.values.foreground) return stay(invocation)
    return 0
  },
} satisfies Command

async function start(invocation: Invocation): Promise<{ config: HomeConfig; already: boolean }> {
  const { home } = invocation
  const config = chooseConfig(invocation)
  const already = livePid(paths(home).supervisorPid, home) !== undefined
  if (!already) {
    // What a killed supervisor left behind holds the ports; the new one ends it.
    if (runningPids(home).length === 0) await checkPorts(config)
    if (config.cluster) {
      const { prepareCluster } = await import('../prepare-cluster.ts')
      await prepareCluster(invocation, config, config.cluster)
    }
    prepare(home, config)
    supervise(invocation)
  }
  try {
    await ready(invocation, config.cluster ? 'starting the platform' : 'starting the cluster')
  } catch (error) {
    // A start that failed leaves nothing behind that goes on trying; pods that ran before run on.
    if (!already) await end(home)
    throw error
  }
  return { config, already }
}

/** Only one `cuddle up` of a home at a time: the second finds what the first has started. */
async function locked<T>({ home, signal }: Invocation, work: () => Promise<T>): Promise<T> {
  const { run, upLock } = paths(home)
  mkdirSync(run, { recursive: true, mode: 0o700 })
  for (;;) {
    try {
      writeFileSync(upLock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    // Of one that was killed the lock is void.
    if (!isHeld(upLock)) rmSync(upLock, { force: true })
    else if (signal.aborted) throw new CuddleError('interrupted', 'stopped waiting for another cuddle up')
    else await systemClock.sleep(20, signal)
  }
  try {
    return await work()
  } finally {
    rmSync(upLock, { force: true })
  }
}

/** By a process that lives. A fresh lock is empty for a moment. */
function isHeld(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    if (pid > 0) process.kill(pid, 0)
    return pid > 0 || systemClock.now() - statSync(lock).mtimeMs < 5_000
  } catch {
    return false
  }
}

/** Daemons would say so as well, but not before the home has changed. */
async function checkPorts(config: HomeConfig): Promise<void> {
  await Promise.all(
    Object.entries(config.ports).map(async ([name, port]) => {
      if (name === 'api' && config.cluster) return
      const why = await (port < 1024 ? cannotListen(port) : isAnswered(port))
      if (!why) return
      throw new CuddleError('port-taken', `port ${port} (${name}) is ${why}`, { hint: `cuddle up --${name}-port N` })
    }),
  )
}

const taken = 'taken by another program'

/** Asking is 10 ms faster than listening, which makes Node compile its regular expression of IPv6 addresses. */
function isAnswered(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 500 })
    const end = (why: string | undefined) => {
      socket.destroy()
      resolve(why)
    }
    socket.once('connect', () => end(taken))
    // Whoever has so many connections waiting that it takes no more has the port.
    socket.once('timeout', () => end(taken))
    socket.once('error', () => end(undefined))
  })
}

/** The low ports are not everybody's. */
function cannotListen(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EACCES' ? 'not allowed to you' : taken))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)))
  })
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

/** How often a process that has never been ready may end before the start counts as failed. */
const attempts = 3

async function ready({ home, out, signal }: Invocation, what: string): Promise<void> {
  const { run } = paths(home)
  const deadline = systemClock.monotonic() + 30_000
  const starts = { control: new Set<string>(), node: new Set<string>() }
  const isReady = (name: string) => {
    const pid = livePid(join(run, `${name}.pid`), home)
    return pid !== undefined && readText(join(run, `${name}.ready`)) === String(pid)
  }
  while (systemClock.monotonic() < deadline && !signal.aborted) {
    if (isReady('control') && isReady('node')) return
    out.busy(what)
    // A store, a port or a configuration that cannot be used ends them for good: waiting longer would not help.
    const failed = readText(join(run, 'control.failed')) || readText(join(run, 'node.failed'))
    if (failed) {
      const { code, message, hint } = JSON.parse(failed)
      throw new CuddleError(code, message, { hint: hint ?? `see ${paths(home).log}` })
    }
    for (const [name, pids] of Object.entries(starts)) {
      const pid = readText(join(run, `${name}.pid`))
      if (pid) pids.add(pid)
      if (pids.size <= attempts) continue
      throw new CuddleError('not-started', `the cluster did not start: its ${name} process ended ${attempts} times`, {
        hint: `see ${paths(home).log}/${name}.log`,
        details: lastLines(home, name),
      })
    }
    await systemClock.sleep(10, signal)
  }
  if (signal.aborted) throw new CuddleError('interrupted', 'interrupted: the cluster was not started')
  throw new CuddleError('not-started', 'the cluster did not start', {
    hint: `see ${paths(home).log}/control.log`,
    details: lastLines(home, 'control'),
  })
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function lastLines(home: string, name: string): string[] {
  try {
    const lines = readFileSync(join(paths(home).log, `${name}.log`), 'utf8')
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
  invocation.out.busy('stopping')
  await stop(invocation.home)
  invocation.out.done()
  return 0
}
