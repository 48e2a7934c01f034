import { type ChildProcess, spawn } from 'node:child_process'
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { deferred } from '#lib'
import type { BuildContext } from './context.ts'
import { elixirRelease } from './elixir.ts'
import { changedPaths, type Listing } from './listing.ts'
import { killTree } from './process-tree.ts'
import { lowerPriority, plain, splitLines } from './run.ts'
import type { Built, LayerPlan } from './types.ts'

const script = fileURLToPath(new URL('resident.exs', import.meta.url))
const startTimeoutMs = 60_000

interface Project {
  app: string
  version: string
  releaseVersion: string
  ebin: string
  consolidated: string
  /** Folders of dependencies, relative to the source. */
  dependencies: string[]
}

type Stamps = Map<string, string>

/**
 * A warm BEAM for one Elixir project. Starting Mix is nine tenths of an incremental `mix release`; here only what
 * changed is compiled, and copied into the release that the last build assembled. Whatever is not surely the same as in
 * a cold build (project file, configuration, dependencies, custom compilers …) is left to the cold build.
 */
export class Resident {
  readonly #child: ChildProcess
  readonly #wire: Duplex
  #alive = true
  #waiting: ((reply: string) => void) | undefined
  #output: string[] = []
  #marks: (() => void)[] = []
  #project!: Project
  #listing: Listing
  /** The layers of the cold build; those below the app stay what they were. */
  readonly #below: readonly LayerPlan[]
  #ebin!: Stamps
  #consolidated!: Stamps

  private constructor(child: ChildProcess, listing: Listing, below: readonly LayerPlan[]) {
    this.#child = child
    this.#listing = listing
    this.#below = below
    const [, stdout, stderr, requests, replies] = child.stdio
    this.#wire = requests as Duplex
    this.#wire.on('error', () => {})
    const take = (line: string) => {
      if (line === '\0cuddle') this.#marks.shift()?.()
      else this.#output.push(plain(line))
    }
    splitLines(stdout as Duplex, take)
    splitLines(stderr as Duplex, take)
    this.#readFrames(replies as Duplex)
    child.on('exit', () => this.#ended())
    child.on('error', () => this.#ended())
  }

  /** Starts the compiler and waits until it has loaded the project as it lies in the workspace, just built cold. */
  static async start(context: BuildContext, built: Built): Promise<Resident | undefined> {
    const { workspace, env, clock } = context
    const child = spawn('elixir', ['--erl', '+sbwt none +sbwtdcpu none +sbwtdio none', script], {
      cwd: workspace.src,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    })
    if (child.pid !== undefined) lowerPriority(child.pid)
    const resident = new Resident(child, context.listing, built.layers)
    const cancel = clock.after(startTimeoutMs, () => void resident.close())
    const said = resident.#marked()
    const [status, ...lines] = (await resident.#reply()).split('\n')
    await said
    cancel()
    const project = status === 'ready' ? parseProject(lines) : undefined
    if (!project) {
      await resident.close()
      return undefined
    }
    resident.#project = project
    resident.#output = []
    resident.#remember(context.listing)
    return resident
  }

  get pid(): number {
    return this.#child.pid!
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Builds what changed since the last build; undefined when a cold build must do it (for any reason). */
  async build(context: BuildContext): Promise<Built | undefined> {
    const { workspace, listing, write, step } = context
    const changed = changedPaths(this.#listing, listing)
    if (!this.#alive || changed.some((path) => this.#needsCold(path))) return undefined
    const stopWatching = this.#limit(context)
    try {
      if (changed.length > 0) {
        await context.settle(changed)
        if (!(await step('compile', () => this.#ask(['compile'])))) return undefined
        for (const line of this.#output.splice(0))
          if (line.trim() !== '' && !line.startsWith('* skipping')) write(`       ${line}`)
        if (!(await step('release', () => this.#updateRelease(workspace.release, changed)))) return undefined
      }
      this.#remember(listing)
      return elixirRelease(context, 'warm', this.#below)
    } finally {
      stopWatching()
    }
  }

  async close(): Promise<void> {
    if (!this.#alive) return
    const { promise, resolve } = deferred<void>()
    this.#child.once('exit', () => resolve())
    this.#wire.destroy()
    killTree(this.pid)
    await promise
  }

  /** What the loaded project depends on, or that a clean folder would see differently. */
  #needsCold(path: string): boolean {
    if (/(^|\/)(mix\.exs|mix\.lock|\.tool-versions|\.formatter\.exs)$/.test(path)) return true
    if (/^(config|rel|deps|_build|apps)\//.test(path)) return true
    return this.#project.dependencies.some((folder) => path.startsWith(`${folder}/`))
  }

  /** Brings the assembled release up to what is compiled now; false when that cannot be done here. */
  async #updateRelease(release: string, changed: string[]): Promise<boolean> {
    const { app, version, releaseVersion, ebin, consolidated } = this.#project
    const modules = difference(this.#ebin, stampsOf(ebin))
    const protocols = difference(this.#consolidated, stampsOf(consolidated))
    const assets = changed.some((path) => path.startsWith('priv/'))
    const target = join(release, 'lib', `${app}-${version}`)
    const settings = join(release, 'releases', releaseVersion)
    // A module more or less changes the boot script too: Mix assembles anew, still in this VM.
    if (modules.reshaped || protocols.reshaped || assets) {
      rmSync(target, { recursive: true, force: true })
      rmSync(settings, { recursive: true, force: true })
      return this.#ask(['release', release])
    }
    return (
      (await this.#copy(ebin, modules.changed, join(target, 'ebin'))) &&
      (await this.#copy(consolidated, protocols.changed, join(settings, 'consolidated')))
    )
  }

  async #copy(source: string, names: string[], target: string): Promise<boolean> {
    if (names.length === 0) return true
    const staging = `${source}.changed`
    rmSync(staging, { recursive: true, force: true })
    mkdirSync(staging)
    for (const name of names) linkSync(join(source, name), join(staging, name))
    const copied = await this.#ask(['copy', staging, target])
    rmSync(staging, { recursive: true, force: true })
    return copied
  }

  #remember(listing: Listing): void {
    this.#listing = listing
    this.#ebin = stampsOf(this.#project.ebin)
    this.#consolidated = stampsOf(this.#project.consolidated)
  }

  #limit({ limits, clock, signal }: BuildContext): () => void {
    const stop = () => killTree(this.pid)
    const cancel = clock.after(limits.timeoutMs, stop)
    signal?.addEventListener('abort', stop, { once: true })
    return () => {
      cancel()
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Sends a request; true when it was done, false when it failed or the compiler is gone. */
  async #ask(request: string[]): Promise<boolean> {
    if (!this.#alive) return false
    const said = this.#marked()
    const body = Buffer.from(request.join('\n'))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(body.length)
    const reply = this.#reply()
    this.#wire.write(Buffer.concat([length, body]))
    const text = await reply
    if (!this.#alive) return false
    await said
    return text === 'ok'
  }

  /** Both streams have come to their mark: all output of the request is here. */
  async #marked(): Promise<void> {
    await Promise.all([0, 1].map(() => new Promise<void>((resolve) => this.#marks.push(resolve))))
  }

  #reply(): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting = resolve
      if (!this.#alive) this.#ended()
    })
  }

  #readFrames(replies: Duplex): void {
    let rest: Buffer = Buffer.alloc(0)
    replies.on('error', () => {})
    replies.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
        const end = 4 + rest.readUInt32BE(0)
        const text = rest.toString('utf8', 4, end)
        rest = rest.subarray(end)
        this.#waiting?.(text)
        this.#waiting = undefined
      }
    })
  }

  #ended(): void {
    this.#alive = false
    this.#waiting?.('gone')
    this.#waiting = undefined
    for (const mark of this.#marks.splice(0)) mark()
  }
}

function parseProject(lines: string[]): Project | undefined {
  const values = new Map<string, string>()
  const dependencies: string[] = []
  for (const line of lines) {
    const equals = line.indexOf('=')
    if (line.startsWith('dep=')) dependencies.push(line.slice(4))
    else values.set(line.slice(0, equals), line.slice(equals + 1))
  }
  // An umbrella has several applications, and other compilers may depend on anything.
  if (values.get('umbrella') !== 'false' || values.get('standard') !== 'true') return undefined
  const get = (name: string) => values.get(name) ?? ''
  return {
    app: get('app'),
    version: get('version'),
    releaseVersion: get('release_version'),
    ebin: get('ebin'),
    consolidated: get('consolidated'),
    dependencies,
  }
}

/** What tells whether a file of a folder was written since; of modules no content is read. */
function stampsOf(directory: string): Stamps {
  const stamps: Stamps = new Map()
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch {
    return stamps
  }
  for (const name of names) {
    // Mix writes an .app file again without a change in it.
    if (name.endsWith('.app')) {
      stamps.set(name, readFileSync(join(directory, name), 'utf8'))
      continue
    }
    const stats = lstatSync(join(directory, name), { bigint: true })
    stamps.set(name, `${stats.ino}:${stats.size}:${stats.mtimeNs}`)
  }
  return stamps
}

function difference(before: Stamps, after: Stamps): { changed: string[]; reshaped: boolean } {
  const changed = [...after.keys()].filter((name) => before.get(name) !== after.get(name))
  const reshaped =
    changed.some((name) => !before.has(name) || name.endsWith('.app')) ||
    [...before.keys()].some((name) => !after.has(name))
  return { changed, reshaped }
}
