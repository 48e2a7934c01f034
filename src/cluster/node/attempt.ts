import { type FSWatcher, mkdirSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, CuddleError, deferred } from '#lib'
import { ContainerLog } from './log.ts'
import { type BindMount, inView, layOut, type Namespaces, withFile } from './mounts.ts'
import { bootId, findByEnvironment, isAlive, parseStat, signal } from './proc.ts'
import { isShim, startShim } from './shim.ts'

export interface Exit {
  code: number
  /** Wall clock, ms. */
  finishedAt: number
  /** Nobody saw how it ended: the machine or the shim died with it. */
  lost: boolean
}

export interface AttemptIdentity {
  podUid: string
  container: string
  number: number
}

/** One run of one container: a process with its output and, one day, its exit. The directory on disk is the truth. */
export class Attempt {
  readonly identity: AttemptIdentity
  readonly directory: string
  readonly pid: number
  readonly startTicks: number
  /** Wall clock, ms. */
  readonly startedAt: number
  readonly log: ContainerLog
  /** Resolves when the process has ended and its output has been read. Children it left may live on: see kill(). */
  readonly ended: Promise<Exit>
  exit: Exit | undefined
  readonly #ended = deferred<Exit>()
  readonly #thisBoot: boolean
  #watcher: FSWatcher | undefined
  #ending = false

  constructor(
    identity: AttemptIdentity,
    directory: string,
    start: { pid: number; startTicks: number; startedAt: number },
    clock: Clock,
  ) {
    this.identity = identity
    this.directory = directory
    this.pid = start.pid
    this.startTicks = start.startTicks
    this.startedAt = start.startedAt
    this.log = new ContainerLog(directory, clock)
    this.ended = this.#ended.promise
    this.#thisBoot = readText(join(directory, 'boot')) === bootId()
  }

  /** Follows the files of the attempt: output as it comes, the exit code when it is there. */
  follow(watcher?: FSWatcher): void {
    this.#watcher = watcher ?? watchDirectory(this.directory)
    this.#watcher?.on('change', (_event, name) => {
      if (name === 'exit') this.check()
      else if (name === 'stdout' || name === 'stderr') this.log.poke()
    })
    this.log.poke()
    this.check()
  }

  /** Looks whether the process has ended. Called on every hint and, for lost hints, every few seconds. */
  check(): void {
    if (this.#ending) return
    const code = readExit(this.directory)
    if (code !== undefined) {
      this.#end({ code, finishedAt: modified(join(this.directory, 'exit')), lost: false })
    } else if (!this.alive()) {
      // The shim writes within a millisecond of the death; only when it is gone too, nobody will ever know.
      if (!shimAlive(this.directory)) {
        const late = readExit(this.directory)
        if (late === undefined) this.#end({ code: 255, finishedAt: this.log.lastWrite(), lost: true })
        else this.check()
      }
    }
  }

  /** The main process runs. */
  alive(): boolean {
    return this.#thisBoot && isAlive(this.pid, this.startTicks)
  }

  /** Sends a signal to the app's main process; false when it has ended. */
  signal(name: NodeJS.Signals): boolean {
    return this.alive() && signal(this.pid, name)
  }

  /** True while any process of the app's group lives, the main one or children it left. */
  groupAlive(): boolean {
    return this.#ownsGroup() && signal(-this.pid, 0)
  }

  signalGroup(name: NodeJS.Signals): boolean {
    return this.#ownsGroup() && signal(-this.pid, name)
  }

  /** SIGKILL to the group and to whoever left it. */
  async kill(): Promise<void> {
    this.signalGroup('SIGKILL')
    await this.sweep()
  }

  /** Kills what carries this container's mark; epmd is the machine's, every BEAM pod talks to the one that came first. */
  async sweep(): Promise<void> {
    const { podUid, container } = this.identity
    for (const stat of await findByEnvironment([`CUDDLE_POD_UID=${podUid}`, `CUDDLE_CONTAINER=${container}`])) {
      if (stat.comm === 'epmd' || isShim(stat.pid, this.directory)) continue
      signal(stat.pid, 'SIGKILL')
    }
  }

  /** The kind of namespace in which the container has its own view of the file system. */
  view(): Namespaces | undefined {
    return readText(join(this.directory, 'view')) as Namespaces | undefined
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.log.close()
  }

  // A group id can be reused only after its last member has gone; then no process has our session any more.
  #ownsGroup(): boolean {
    if (!this.#thisBoot) return false
    const leader = readText(`/proc/${this.pid}/stat`)
    return leader === undefined || parseStat(leader)?.startTicks === this.startTicks
  }

  #end(exit: Exit): void {
    this.#ending = true
    this.#watcher?.close()
    this.#watcher = undefined
    this.log.finish()
    this.exit = exit
    this.#ended.resolve(exit)
  }
}

export interface StartOptions {
  identity: AttemptIdentity
  directory: string
  shim: string
  command: readonly string[]
  env: Record<string, string>
  cwd: string
  cgroupFiles: readonly string[]
  clock: Clock
  /** Mounts that the container sees at other places. */
  view?: { kind: Namespaces; mounts: readonly BindMount[] } | undefined
  /** Without a view: seen instead of a file of the machine, which takes root. */
  file?: BindMount | undefined
  /** Standard input can be attached to; without it the process reads an empty one. */
  stdin?: boolean | undefined
  /** Runs on a terminal of its own. */
  tty?: boolean | undefined
}

/** Starts a container; resolves when its process exists. Throws CuddleError StartError when it does not come to be. */
export async function startAttempt(options: StartOptions): Promise<Attempt> {
  const { identity, directory, clock } = options
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'boot'), bootId())
  const born = deferred<void>()
  const look = () => {
    if (readPid(directory) || readExit(directory) !== undefined) born.resolve()
  }
  const watcher = watchDirectory(directory)
  watcher?.on('change', look)
  let attempt: Attempt | undefined
  try {
    if (options.stdin) await (await import('./streams/pipes.ts')).makeFifos([join(directory, 'stdin')])
    const inside = { ...options, ...enter(options) }
    const terminal = options.tty ? await import('./streams/terminal.ts') : undefined
    const onTerminal = terminal?.onTerminal(inside.command, options.env, join(directory, 'tty'))
    const outside = { ...inside, ...onTerminal }
    const shimPid = await startShim({
      ...outside,
      env: { ...outside.env, CUDDLE_POD_UID: identity.podUid, CUDDLE_CONTAINER: identity.container },
      onEnd: () => {
        look()
        born.resolve()
        attempt?.check()
      },
    })
    writeFileSync(join(directory, 'shim'), String(shimPid))
    look()
    const cancel = clock.after(100, look)
    await born.promise
    cancel()
  } catch (error) {
    watcher?.close()
    throw error
  }
  watcher?.off('change', look)
  const started = readPid(directory)
  if (!started) {
    watcher?.close()
    throw new CuddleError('StartError', `the shim of container ${identity.container} ended before the process began`)
  }
  attempt = new Attempt(identity, directory, started, clock)
  attempt.follow(watcher)
  return attempt
}

function enter({ directory, cwd, command, view, file }: StartOptions): { command?: string[]; cwd?: string } {
  if (!view && !file) return {}
  writeFileSync(join(directory, 'view'), view?.kind ?? 'root')
  if (!view) return { command: withFile(file!, command) }
  const laidOut = layOut(join(directory, 'root'), view.mounts)
  return { command: inView(view.kind, laidOut, join(directory, 'fstab'), cwd, command), cwd: '/' }
}

/**
 * Takes up a container that an earlier agent started: running, or ended meanwhile. Undefined when it never began; then
 * its directory is void, so that a shim that comes late does not begin either.
 */
export async function adoptAttempt(
  identity: AttemptIdentity,
  directory: string,
  clock: Clock,
): Promise<Attempt | undefined> {
  if (!exists(directory)) return undefined
  for (let tries = 0; tries < 20 && !readPid(directory) && shimAlive(directory); tries++) await clock.sleep(5)
  if (!readPid(directory) && voidAttempt(directory)) return undefined
  const started = readPid(directory)
  if (!started) return undefined
  const attempt = new Attempt(identity, directory, started, clock)
  attempt.follow()
  return attempt
}

/** Claims the pid file of an attempt that has not begun, so that it never will; false when it has. */
function voidAttempt(directory: string): boolean {
  try {
    writeFileSync(join(directory, 'pid'), 'void\n', { flag: 'wx' })
    return true
  } catch {
    return false
  }
}

function readPid(directory: string): { pid: number; startTicks: number; startedAt: number } | undefined {
  const path = join(directory, 'pid')
  const text = readText(path)
  if (!text?.endsWith('\n')) return undefined
  const stat = parseStat(text)
  return stat && { pid: stat.pid, startTicks: stat.startTicks, startedAt: modified(path) }
}

function readExit(directory: string): number | undefined {
  const text = readText(join(directory, 'exit'))
  return text?.endsWith('\n') && /^\d+\n$/.test(text) ? Number(text) : undefined
}

function shimAlive(directory: string): boolean {
  if (bootId() !== readText(join(directory, 'boot'))) return false
  const pid = Number(readText(join(directory, 'shim')))
  return pid > 0 && isShim(pid, directory)
}

function watchDirectory(directory: string): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: true })
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function exists(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

function modified(path: string): number {
  return Math.round(statSync(path).mtimeMs)
}
