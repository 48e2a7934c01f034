import { createHash } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { CuddleError, randomSuffix, stableStringify, writeFileAtomic } from '#lib'
import type { Descriptor, Index } from './types.ts'
import { mediaTypes } from './types.ts'

/** An OCI image layout (image-spec, image-layout.md): a directory of blobs named by their SHA-256, and an index of names. */
export interface Layout {
  readonly directory: string
  /** Where a blob lies (or would). @throws CuddleError `bad-digest` when it is no `sha256:HEX` */
  blobPath(digest: string): string
  /** Whether the blob is there (with this size, when it is given). */
  has(digest: string, size?: number): boolean
  /** Reads a small blob whole and checks it against its digest. @throws CuddleError `blob-missing`, `blob-damaged` */
  read(digest: string): Buffer
  /** Reads a blob in pieces, unchecked. */
  stream(digest: string): AsyncIterable<Buffer>
  /** Writes a blob durably unless it is there already; returns its digest, and the bytes that were written (0 when it was there). */
  write(bytes: Uint8Array, digest?: string): { digest: string; size: number; written: number }
  /** Writes a blob from pieces. @throws CuddleError `blob-damaged` when it is not what the descriptor says */
  receive(chunks: AsyncIterable<Uint8Array>, descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<void>
  /** Gives an image a name in index.json; a name points to one image only. */
  tag(name: string, descriptor: Descriptor): void
  /** The named images. */
  refs(): Map<string, Descriptor>
  /** Forgets a name; the blobs stay until they are pruned. */
  untag(name: string): void
  /** Remembers, outside of the index, which blob an uncompressed layer became. */
  rememberLayer(diffId: string, descriptor: Descriptor): void
  recallLayer(diffId: string): Descriptor | undefined
}

const refName = 'org.opencontainers.image.ref.name'
const hex = /^sha256:[0-9a-f]{64}$/

/** Opens the layout in a directory, making an empty one when there is none. One process writes, any may read. */
export function openLayout(directory: string): Layout {
  const blobs = join(directory, 'blobs', 'sha256')
  const layers = join(directory, 'cuddle-layers')
  mkdirSync(blobs, { recursive: true })
  mkdirSync(layers, { recursive: true })
  const marker = join(directory, 'oci-layout')
  if (!existsSync(marker)) writeFileAtomic(marker, '{"imageLayoutVersion":"1.0.0"}')
  const indexPath = join(directory, 'index.json')
  if (!existsSync(indexPath)) writeIndex([])

  function blobPath(digest: string): string {
    if (!hex.test(digest)) throw new CuddleError('bad-digest', `${JSON.stringify(digest)} is not a sha256 digest`)
    return join(blobs, digest.slice(7))
  }

  function readIndex(): Descriptor[] {
    const index = JSON.parse(readFileSync(indexPath, 'utf8')) as Index
    if (index.schemaVersion !== 2 || !Array.isArray(index.manifests)) {
      throw new CuddleError('bad-layout', `${indexPath} is not an OCI image index`)
    }
    return index.manifests
  }

  function writeIndex(manifests: Descriptor[]): void {
    writeFileAtomic(indexPath, JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }))
  }

  const others = (name: string) => readIndex().filter((entry) => entry.annotations?.[refName] !== name)

  return {
    directory,
    blobPath,
    has(digest, size) {
      const stats = statSync(blobPath(digest), { throwIfNoEntry: false })
      return stats !== undefined && (size === undefined || stats.size === size)
    },
    read(digest) {
      let bytes: Buffer
      try {
        bytes = readFileSync(blobPath(digest))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        throw new CuddleError('blob-missing', `${digest} is not in ${directory}`, { cause: error })
      }
      if (digestOf(bytes) !== digest) {
        throw new CuddleError('blob-damaged', `the content of ${digest} in ${directory} does not match its digest`)
      }
      return bytes
    },
    stream(digest) {
      return createReadStream(blobPath(digest), { highWaterMark: 256 * 1024 })
    },
    write(bytes, digest = digestOf(bytes)) {
      const path = blobPath(digest)
      const stats = statSync(path, { throwIfNoEntry: false })
      if (stats?.size === bytes.length) return { digest, size: bytes.length, written: 0 }
      const temporary = `${path}.${randomSuffix()}.tmp`
      const fd = openSync(temporary, 'wx', 0o644)
      try {
        for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset)
        fsyncSync(fd)
      } catch (error) {
        rmSync(temporary, { force: true })
        throw error
      } finally {
        closeSync(fd)
      }
      renameSync(temporary, path)
      return { digest, size: bytes.length, written: bytes.length }
    },
    async receive(chunks, { digest, size }) {
      const path = blobPath(digest)
      const temporary = `${path}.${randomSuffix()}.tmp`
      const hash = createHash('sha256')
      const fd = openSync(temporary, 'wx', 0o644)
      try {
        let received = 0
        for await (const chunk of chunks) {
          received += chunk.length
          if (received > size) break
          hash.update(chunk)
          for (let offset = 0; offset < chunk.length; ) offset += writeSync(fd, chunk, offset)
        }
        if (received !== size || `sha256:${hash.digest('hex')}` !== digest) {
          throw new CuddleError('blob-damaged', `what was received for ${digest} is something else`)
        }
        fsyncSync(fd)
        renameSync(temporary, path)
      } finally {
        closeSync(fd)
        rmSync(temporary, { force: true })
      }
    },
    tag(name, descriptor) {
      const entry = { ...descriptor, annotations: { ...descriptor.annotations, [refName]: name } }
      const before = readIndex()
      const same = before.find((item) => item.annotations?.[refName] === name)
      if (same && stableStringify(same) === stableStringify(entry)) return
      writeIndex([...others(name), entry])
    },
    refs() {
      const named = readIndex().filter((entry) => entry.annotations?.[refName])
      return new Map(named.map((entry) => [entry.annotations![refName], entry]))
    },
    untag(name) {
      writeIndex(others(name))
    },
    rememberLayer(diffId, descriptor) {
      // A memory that is lost or torn by a crash only costs the compression again, so it is not synced.
      writeFileSync(join(layers, diffId.slice(7)), JSON.stringify(descriptor))
    },
    recallLayer(diffId) {
      try {
        const known = JSON.parse(readFileSync(join(layers, diffId.slice(7)), 'utf8')) as Descriptor
        return this.has(known.digest, known.size) ? known : undefined
      } catch {
        return undefined
      }
    },
  }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/**
 * Deletes every blob that none of the kept images (by manifest digest) needs, and the names of images that go.
 * @returns how many blobs went and how many bytes that freed
 */
export function pruneLayout(layout: Layout, keepDigests: Iterable<string>): { blobs: number; bytes: number } {
  const keep = new Set<string>()
  for (const digest of keepDigests) {
    if (!layout.has(digest)) continue
    keep.add(digest)
    const manifest = JSON.parse(layout.read(digest).toString()) as { config?: Descriptor; layers?: Descriptor[] }
    for (const part of [manifest.config, ...(manifest.layers ?? [])]) if (part) keep.add(part.digest)
  }
  for (const [name, descriptor] of layout.refs()) if (!keep.has(descriptor.digest)) layout.untag(name)
  const freed = { blobs: 0, bytes: 0 }
  const blobs = join(layout.directory, 'blobs', 'sha256')
  for (const name of readdirSync(blobs)) {
    if (keep.has(`sha256:${name}`)) continue
    freed.bytes += statSync(join(blobs, name)).size
    freed.blobs++
    rmSync(join(blobs, name))
  }
  const layers = join(layout.directory, 'cuddle-layers')
  for (const name of readdirSync(layers)) {
    if (!layout.recallLayer(`sha256:${name}`)) rmSync(join(layers, name), { force: true })
  }
  return freed
}
