import { createHash } from 'node:crypto'
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { CuddleError, randomSuffix } from '#lib'
import { readConfig, readManifest } from './image.ts'
import type { Layout } from './layout.ts'
import { mediaTypes } from './types.ts'
import { type RawEntry, readTar } from './untar.ts'

export interface ExtractLimits {
  /** Bytes of all files together, unpacked. @default 4 GiB */
  maxBytes?: number
  /** @default 500,000 */
  maxEntries?: number
}

/**
 * Unpacks an archive (tar, tar+gzip or tar+zstd, told by its first bytes) into an existing directory, with OCI
 * whiteouts (image-spec, layer.md). Nothing is ever written outside of the directory.
 * @throws CuddleError `unsafe-archive` naming the entry: a path or link that leaves the directory, a device, a fifo, a
 * setuid or setgid file; `archive-too-large` past the limits; `bad-archive` when it is damaged
 */
export async function extractLayer(
  input: AsyncIterable<Uint8Array> | Uint8Array,
  directory: string,
  limits: ExtractLimits = {},
): Promise<{ bytes: number; entries: number }> {
  const { maxBytes = 4 * 2 ** 30, maxEntries = 500_000 } = limits
  const target = new Target(directory)
  const total = { bytes: 0, entries: 0 }
  let sinceYield = 0
  for await (const entry of readTar(decompress(input instanceof Uint8Array ? [input] : input))) {
    if (++total.entries > maxEntries) throw tooLarge(`more than ${maxEntries} entries`)
    total.bytes += entry.size
    if (total.bytes > maxBytes) throw tooLarge(`more than ${maxBytes} bytes, at ${show(entry)}`)
    await target.put(entry)
    sinceYield += entry.size + 32 * 1024
    if (sinceYield > 4 * 1024 * 1024) {
      sinceYield = 0
      await nextTurn()
    }
  }
  return total
}

/**
 * Unpacks all layers of an image into `directory`, which appears whole or not at all; a directory that is there
 * already is left as it is. Every layer is checked against its digest.
 */
export async function unpackImage(
  layout: Layout,
  digest: string,
  directory: string,
  limits: ExtractLimits = {},
): Promise<void> {
  if (lstatSync(directory, { throwIfNoEntry: false })) return
  const manifest = readManifest(layout, digest)
  const { diffIds } = readConfig(layout, manifest)
  const temporary = `${directory}.${randomSuffix()}.tmp`
  mkdirSync(temporary, { recursive: true })
  try {
    for (const [index, layer] of manifest.layers.entries()) {
      const hash = createHash('sha256')
      await extractLayer(tap(layout.stream(layer.digest), hash), temporary, limits)
      if (`sha256:${hash.digest('hex')}` !== layer.digest) {
        throw new CuddleError('blob-damaged', `layer ${diffIds[index] ?? index} of ${digest} does not match its digest`)
      }
    }
    renameSync(temporary, directory)
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    if (!lstatSync(directory, { throwIfNoEntry: false })) throw error
  }
}

async function* tap(chunks: AsyncIterable<Buffer>, hash: { update(chunk: Buffer): unknown }): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
}

/** The media type that the first bytes of an archive tell. */
export function sniff(head: Uint8Array): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return mediaTypes.gzip
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return mediaTypes.zstd
  return mediaTypes.tar
}

async function* decompress(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: AsyncGenerator<Uint8Array> | undefined
  const source = (async function* () {
    yield* chunks
  })()
  let head: Uint8Array = new Uint8Array(0)
  for (let next = await source.next(); !next.done; next = await source.next()) {
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
    if (head.length >= 4) break
  }
  rest = (async function* () {
    yield head
    yield* source
  })()
  const type = sniff(head)
  if (type === mediaTypes.tar) {
    yield* rest
    return
  }
  const inflater = type === mediaTypes.gzip ? createGunzip() : createZstdDecompress()
  const readable = Readable.from(rest, { objectMode: false })
  readable.on('error', (error) => inflater.destroy(error))
  try {
    yield* readable.pipe(inflater)
  } catch (cause) {
    if (cause instanceof CuddleError) throw cause
    throw new CuddleError('bad-archive', 'the archive is damaged: it does not decompress', { cause })
  } finally {
    readable.destroy()
  }
}

class Target {
  readonly #root: string
  /** Parents known to be real directories inside of the root; links invalidate it. */
  readonly #checked = new Map<string, string>()

  constructor(directory: string) {
    this.#root = realpathSync(directory)
    this.#checked.set('', this.#root)
  }

  async put(entry: RawEntry): Promise<void> {
    const path = safePath(entry)
    if (path === '') return
    if (entry.type === 'g') return
    const name = basename(path)
    const parent = this.#parent(entry, path)
    if (name === '.wh..wh..opq') {
      for (const child of readdirSync(parent)) rmSync(join(parent, child), { recursive: true, force: true })
      this.#forget()
      return
    }
    if (name.startsWith('.wh.')) {
      const hidden = name.slice(4)
      if (hidden === '' || hidden === '.' || hidden === '..') throw unsafe(entry, 'is a whiteout of no name')
      rmSync(join(parent, hidden), { recursive: true, force: true })
      this.#forget()
      return
    }
    const file = join(parent, name)
    const before = lstatSync(file, { throwIfNoEntry: false })
    if (entry.type === '5') {
      if (before && !before.isDirectory()) rmSync(file)
      if (!before?.isDirectory()) mkdirSync(file, 0o755)
      return
    }
    if (before) {
      rmSync(file, { recursive: true, force: true })
      if (!before.isFile()) this.#forget()
    }
    if (entry.type === '0') await this.#file(entry, file)
    else if (entry.type === '2') this.#symlink(entry, parent, file)
    else if (entry.type === '1') this.#hardLink(entry, file)
    else throw unsafe(entry, unsupported[entry.type] ?? `has the unknown type ${JSON.stringify(entry.type)}`)
  }

  async #file(entry: RawEntry, file: string): Promise<void> {
    if (entry.mode & 0o6000) throw unsafe(entry, 'has the setuid or setgid bit')
    const fd = openSync(file, 'wx', entry.mode & 0o111 ? 0o755 : 0o644)
    try {
      for await (const piece of entry.content) {
        for (let offset = 0; offset < piece.length; ) offset += writeSync(fd, piece, offset)
      }
    } finally {
      closeSync(fd)
    }
  }

  /**
   * A target must be `../`s first and names after: then counting the `../`s from the link's real parent is what the
   * kernel does, and every name it goes through was checked in the same way.
   */
  #symlink(entry: RawEntry, parent: string, file: string): void {
    const parts = entry.target.split('/').filter((part) => part !== '' && part !== '.')
    const ups = parts.findIndex((part) => part !== '..')
    const leading = ups < 0 ? parts.length : ups
    const depth = parent === this.#root ? 0 : parent.slice(this.#root.length + 1).split(sep).length
    if (entry.target === '' || entry.target.includes('\0')) throw unsafe(entry, 'is a symlink to nothing')
    if (entry.target.startsWith('/') || leading > depth || parts.slice(leading).includes('..')) {
      throw unsafe(entry, `is a symlink to ${JSON.stringify(entry.target)}, which leaves the directory`)
    }
    symlinkSync(entry.target, file)
    this.#forget()
  }

  #hardLink(entry: RawEntry, file: string): void {
    const source = safePath({ ...entry, path: entry.target })
    const from = join(this.#parent(entry, source), basename(source))
    if (!lstatSync(from, { throwIfNoEntry: false })?.isFile()) {
      throw unsafe(entry, `is a hard link to ${JSON.stringify(entry.target)}, which is no file of the archive`)
    }
    linkSync(from, file)
  }

  /** The real directory that holds `path`, made when it is missing. */
  #parent(entry: RawEntry, path: string): string {
    const relative = path.includes('/') ? dirname(path) : ''
    const known = this.#checked.get(relative)
    if (known) return known
    const above = this.#parent(entry, relative)
    const own = join(above, basename(relative))
    const stats = lstatSync(own, { throwIfNoEntry: false })
    if (!stats) mkdirSync(own, 0o755)
    let real: string
    try {
      real = realpathSync(own)
    } catch (cause) {
      throw new CuddleError('unsafe-archive', `${show(entry)} lies below a symlink that leads nowhere`, { cause })
    }
    if (real !== this.#root && !real.startsWith(this.#root + sep))
      throw unsafe(entry, 'lies below a link out of the directory')
    if (!lstatSync(real).isDirectory()) throw unsafe(entry, 'lies below something that is no directory')
    this.#checked.set(relative, real)
    return real
  }

  #forget(): void {
    this.#checked.clear()
    this.#checked.set('', this.#root)
  }
}

const unsupported: Record<string, string> = {
  3: 'is a character device',
  4: 'is a block device',
  6: 'is a fifo',
}

/** The entry's path without `./` and trailing slashes; the empty string for the root itself. */
function safePath(entry: Pick<RawEntry, 'path'>): string {
  const { path } = entry
  if (path.startsWith('/')) throw unsafe(entry, 'has an absolute path')
  if (path.includes('\0')) throw unsafe(entry, 'has a NUL in its path')
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw unsafe(entry, 'leaves the directory')
  return parts.join('/')
}

function show(entry: Pick<RawEntry, 'path'>): string {
  return JSON.stringify(entry.path.length > 200 ? entry.path.slice(0, 200) + '…' : entry.path)
}

function unsafe(entry: Pick<RawEntry, 'path'>, what: string): CuddleError {
  return new CuddleError('unsafe-archive', `refused: entry ${show(entry)} ${what}`)
}

function tooLarge(what: string): CuddleError {
  return new CuddleError('archive-too-large', `the archive unpacks to ${what}`)
}
