import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { CuddleError, writeFileAtomic } from '#lib'

/** What `cuddle up` was told, kept for the next time. */
export interface HomeConfig {
  version: 1
  ports: { api: number; router: number; git: number }
  /** Virtual nodes. */
  nodes: number
  /** What the nodes have together, where that is not what the machine has. */
  capacity?: { cpu?: number; memoryBytes?: number }
  /** Where the platform works instead of a cluster of this machine's own. */
  cluster?: ClusterConfig
}

/** A Kubernetes that is somebody else's to run. */
export interface ClusterConfig {
  /** Absolute path of the user's. */
  kubeconfig: string
  context?: string
  /** Where images go and come from: `HOST:PORT`, perhaps with a path, perhaps with `http://` before it. */
  registry: string
  /** This machine's address at which the cluster's API server reaches it; without it signals are not served there. */
  metricsHost?: string
}

export const defaultConfig: HomeConfig = { version: 1, ports: { api: 7443, router: 7080, git: 7070 }, nodes: 1 }

/** On a cluster of others our router serves Ingresses of this class only. */
export const routerClass = 'cuddle'

/** Who we are among all that run a platform: this machine and this home. */
export function identityOf(home: string): string {
  return `${hostname()}:${home}`
}

/** Where everything lives: $CUDDLE_HOME, or ~/.cuddle. */
export function homeDirectory(env: Record<string, string | undefined>): string {
  return resolve(env.CUDDLE_HOME || join(env.HOME || homedir(), '.cuddle'))
}

/** The paths below a home. */
export function paths(home: string) {
  return {
    config: join(home, 'config.json'),
    kubeconfig: join(home, 'kubeconfig'),
    platformKubeconfig: join(home, 'platform', 'kubeconfig'),
    platformToken: join(home, 'platform', 'token'),
    gitConfig: join(home, 'gitconfig'),
    run: join(home, 'run'),
    log: join(home, 'log'),
    git: join(home, 'git'),
    platformGit: join(home, 'platform', 'git'),
    platformImages: join(home, 'platform', 'images'),
    images: join(home, 'images'),
    uploads: join(home, 'uploads'),
    supervisorPid: join(home, 'run', 'supervisor.pid'),
    stopping: join(home, 'run', 'stopping'),
    upLock: join(home, 'run', 'up.lock'),
  }
}

/** Reads the config; undefined before the first `up`. @throws CuddleError when it cannot be understood */
export function readConfig(home: string): HomeConfig | undefined {
  const path = paths(home).config
  if (!existsSync(path)) return undefined
  const hint = 'repair it, or remove it to start with default ports'
  let config: HomeConfig
  try {
    config = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new CuddleError('bad-home', `${path} is not valid JSON`, { hint, cause: error })
  }
  if (typeof config?.version === 'number' && config.version > 1) {
    throw new CuddleError('bad-home', `${path} was written by a newer Cuddle (version ${config.version})`, {
      hint: 'update this checkout of Cuddle',
    })
  }
  const whole = (value: unknown, most: number) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most
  const ports = [config?.ports?.api, config?.ports?.router, config?.ports?.git]
  if (config?.version !== 1 || !ports.every((port) => whole(port, 65535)) || !whole(config.nodes, 64))
    throw new CuddleError('bad-home', `${path} is damaged: it wants version 1, three ports and a number of nodes`, {
      hint,
    })
  const { cluster, capacity } = config
  const amounts = capacity && [capacity.cpu ?? 1, capacity.memoryBytes ?? 1]
  if (capacity !== undefined && !amounts?.every((amount) => Number.isFinite(amount) && amount > 0))
    throw new CuddleError('bad-home', `${path} is damaged: a capacity has a number of CPUs and one of bytes`, { hint })
  const text = (value: unknown) => typeof value === 'string' && value !== ''
  if (cluster !== undefined && !(text(cluster?.kubeconfig) && text(cluster.registry)))
    throw new CuddleError('bad-home', `${path} is damaged: a cluster has a kubeconfig and a registry`, { hint })
  return config
}

/** Keeps the config. */
export function writeConfig(home: string, config: HomeConfig): void {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileAtomic(paths(home).config, `${JSON.stringify(config, null, 2)}\n`)
}

/** The pid in a file when that process is alive and of this home, else undefined. */
export function livePid(file: string, home: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim())
    return isOfHome(pid, home) ? pid : undefined
  } catch {
    return undefined
  }
}

/** True while a process runs that was started for a home: pids are reused. */
export function isOfHome(pid: number, home: string): boolean {
  // 0 would mean our own process group.
  if (!Number.isInteger(pid) || pid < 1) return false
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(home)
  } catch {
    // There is no /proc on this machine.
    return !existsSync('/proc/self')
  }
}
