import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { watch } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { Layout } from '#image'
import { CuddleError, errorMessage, KeyedMutex, type Logger } from '#lib'

export interface ImageConfig {
  Env?: string[]
  Entrypoint?: string[]
  Cmd?: string[]
  WorkingDir?: string
}

export interface PreparedImage {
  /** Reference with digest, as containerStatuses[].imageID has it. */
  id: string
  /** The unpacked files; undefined for the `host` image. */
  rootfs: string | undefined
  config: ImageConfig
}

interface Descriptor {
  mediaType?: string
  digest: string
  platform?: { os?: string; architecture?: string }
}

/** Unused root file systems that are kept, so that a rollback needs no unpacking. */
const spare = 4

/**
 * Images of the OCI layout as directories. A layer is unpacked once, under its diffID; an image's root is made of hard
 * links into its layers, so that a release that changes one small layer is ready at once and takes no space.
 */
export class ImageStore {
  readonly #layout: string
  readonly #layers: string
  readonly #roots: string
  readonly #log: Logger
  readonly #now: () => number
  readonly #mutex = new KeyedMutex()
  readonly #ready = new Map<string, PreparedImage>()

  constructor(options: { layout: string; directory: string; log: Logger; now: () => number }) {
    this.#layout = options.layout
    this.#layers = join(options.directory, 'layers')
    this.#roots = join(options.directory, 'rootfs')
    this.#log = options.log
    this.#now = options.now
  }

  /**
   * Makes an image ready to run. Only the digest counts, the name is for people; `…/host` (or `host`) is no image but an
   * empty directory from which the machine's own programs run. Throws CuddleError InvalidImageName or ErrImagePull.
   */
  async prepare(reference: string): Promise<PreparedImage> {
    const [name, digest] = reference.split('@')
    if (!digest && /(^|\/)host(:[\w.-]+)?$/.test(name)) return { id: `${name}`, rootfs: undefined, config: {} }
    if (!digest || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
      throw new CuddleError(
        'InvalidImageName',
        `cannot run image "${reference}": this node runs images by digest only (name@sha256:…)`,
      )
    }
    const known = this.#ready.get(digest)
    if (known && (known.rootfs === undefined || existsSync(known.rootfs))) return { ...known, id: reference }
    const prepared = await this.#mutex.run(digest, () => this.#prepare(reference, digest))
    this.#ready.set(digest, prepared)
    return prepared
  }

  /** Unpacks images as they are built, so that the pods that will run them find them ready. Until the signal aborts. */
  async prefetch(signal: AbortSignal): Promise<void> {
    const index = join(this.#layout, 'index.json')
    const seen = new Set(digestsIn(index))
    try {
      mkdirSync(this.#layout, { recursive: true })
      for await (const { filename } of watch(this.#layout, { signal })) {
        if (filename !== 'index.json') continue
        for (const digest of digestsIn(index)) {
          if (seen.has(digest)) continue
          seen.add(digest)
          await this.prepare(`prefetch@${digest}`).catch((error) => {
            this.#log.debug({ digest }, `image not unpacked ahead: ${errorMessage(error)}`)
          })
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#log.debug({}, `images are unpacked on demand only: ${errorMessage(error)}`)
    }
  }

  /** Removes root file systems and layers that no pod uses, but for the last few. */
  async collect(used: ReadonlySet<string>): Promise<void> {
    const roots = list(this.#roots).map((name) => ({ name, path: join(this.#roots, name) }))
    const unused = roots
      .filter(({ name }) => !used.has(`sha256:${name}`) && !this.#mutex.busy(`sha256:${name}`))
      .sort((a, b) => statSync(b.path).mtimeMs - statSync(a.path).mtimeMs)
    const dropped = unused.slice(spare)
    if (dropped.length === 0) return
    const gone = new Set(dropped.map(({ name }) => name))
    for (const { name, path } of dropped) {
      this.#ready.delete(`sha256:${name}`)
      rmSync(path, { recursive: true, force: true })
    }
    const kept = new Set<string>()
    for (const { name } of roots) {
      if (gone.has(name)) continue
      try {
        const { config } = await this.#manifest(`sha256:${name}`)
        for (const diff of config.rootfs?.diff_ids ?? []) kept.add(hex(diff))
      } catch (error) {
        this.#log.warn(
          { image: name, error: errorMessage(error) },
          'keeping all layers: an unpacked image cannot be read',
        )
        return
      }
    }
    for (const layer of list(this.#layers)) {
      if (!kept.has(layer) && !layer.includes('.')) rmSync(join(this.#layers, layer), { recursive: true, force: true })
    }
  }

  async #prepare(reference: string, digest: string): Promise<PreparedImage> {
    try {
      const { manifest, config } = await this.#manifest(digest)
      const root = join(this.#roots, hex(digest))
      if (existsSync(root)) {
        const now = this.#now() / 1000
        utimesSync(root, now, now)
      } else await this.#assemble(digest, root, manifest, config)
      return { id: reference, rootfs: root, config: config.config ?? {} }
    } catch (error) {
      if (error instanceof CuddleError && error.code === 'ErrImagePull') throw error
      throw new CuddleError('ErrImagePull', `cannot unpack image "${reference}": ${errorMessage(error)}`, {
        cause: error,
      })
    }
  }

  async #manifest(digest: string): Promise<{ manifest: { layers: Descriptor[] }; config: any }> {
    let manifest = await this.#json(digest, 'image')
    if (Array.isArray(manifest.manifests)) {
      const architecture = process.arch === 'x64' ? 'amd64' : process.arch
      const entries: Descriptor[] = manifest.manifests
      const match = entries.find(({ platform }) => platform?.architecture === architecture) ?? entries[0]
      if (!match) throw new CuddleError('ErrImagePull', `image index ${digest} is empty`)
      manifest = await this.#json(match.digest, 'manifest')
    }
    if (!Array.isArray(manifest.layers) || !manifest.config?.digest) {
      throw new CuddleError('ErrImagePull', `${digest} is no image manifest`)
    }
    return { manifest, config: await this.#json(manifest.config.digest, 'image config') }
  }

  async #json(digest: string, what: string): Promise<any> {
    const layout = await this.#open()
    if (!layout.has(digest)) {
      throw new CuddleError(
        'ErrImagePull',
        `${what} ${digest} is not in this node's image store; push or build it again`,
      )
    }
    return JSON.parse(layout.read(digest).toString())
  }

  async #assemble(digest: string, root: string, manifest: { layers: Descriptor[] }, config: any): Promise<void> {
    const { unpackImage } = await import('#image')
    const layout = await this.#open()
    for (const upper of manifest.layers.slice(1)) {
      const known = config.rootfs?.diff_ids?.[manifest.layers.indexOf(upper)]
      if (known && existsSync(join(this.#layers, hex(known)))) continue
      if (await hasWhiteouts(layout, upper)) return unpackImage(layout, digest, root)
    }
    const layers: string[] = []
    for (const [index, layer] of manifest.layers.entries()) {
      layers.push(await this.#layer(layout, layer, config.rootfs?.diff_ids?.[index] ?? layer.digest))
    }
    const temporary = `${root}.${process.pid}.tmp`
    rmSync(temporary, { recursive: true, force: true })
    mkdirSync(temporary, { recursive: true })
    for (const layer of layers) await overlay(layer, temporary)
    renameSync(temporary, root)
  }

  async #open(): Promise<Layout> {
    const { openLayout } = await import('#image')
    return openLayout(this.#layout)
  }

  #layer(layout: Layout, layer: Descriptor, diffId: string): Promise<string> {
    const path = join(this.#layers, hex(diffId))
    return this.#mutex.run(diffId, async () => {
      if (existsSync(path)) return path
      const { extractLayer } = await import('#image')
      const temporary = `${path}.${process.pid}.tmp`
      rmSync(temporary, { recursive: true, force: true })
      mkdirSync(temporary, { recursive: true })
      await extractLayer(layout.stream(layer.digest), temporary)
      renameSync(temporary, path)
      return path
    })
  }
}

/** A layer that removes files of lower ones cannot be kept as a directory of its own. */
async function hasWhiteouts(layout: Layout, layer: Descriptor): Promise<boolean> {
  const { readTar } = await import('#image')
  const blob = Readable.from(layout.stream(layer.digest), { objectMode: false })
  const type = layer.mediaType ?? ''
  const inflate = type.endsWith('gzip') ? createGunzip() : type.endsWith('zstd') ? createZstdDecompress() : undefined
  if (inflate) blob.on('error', (error) => inflate.destroy(error))
  for await (const entry of readTar(inflate ? blob.pipe(inflate) : blob)) {
    if (entry.path.split('/').pop()?.startsWith('.wh.')) return true
  }
  return false
}

function digestsIn(index: string): string[] {
  try {
    return JSON.parse(readFileSync(index, 'utf8')).manifests.map(({ digest }: Descriptor) => digest)
  } catch {
    return []
  }
}

function hex(digest: string): string {
  const match = /^sha256:([0-9a-f]{64})$/.exec(digest)
  if (!match) throw new CuddleError('ErrImagePull', `unsupported digest "${digest}"`)
  return match[1]
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^[0-9a-f]{64}$/.test(name))
  } catch {
    return []
  }
}

/** Lays a layer over a root, files as hard links. */
async function overlay(layer: string, root: string): Promise<void> {
  const directories: string[] = ['']
  for (let turn = 1; directories.length > 0; turn++) {
    // Thousands of links take tens of ms; others get their turn in between.
    if (turn % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
    const directory = directories.pop()!
    for (const entry of readdirSync(join(layer, directory), { withFileTypes: true })) {
      const from = join(layer, directory, entry.name)
      const to = join(root, directory, entry.name)
      if (entry.isDirectory()) {
        replacing(to, () => mkdirSync(to), true)
        directories.push(join(directory, entry.name))
      } else if (entry.isSymbolicLink()) replacing(to, () => symlinkSync(readlinkSync(from), to))
      else replacing(to, () => linkSync(from, to))
    }
  }
}

function replacing(path: string, make: () => void, keepDirectory = false): void {
  try {
    make()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (keepDirectory && lstatSync(path).isDirectory()) return
    rmSync(path, { recursive: true, force: true })
    make()
  }
}
