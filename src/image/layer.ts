import { promisify } from 'node:util'
import { constants, gzip, gzipSync, zstdCompress, zstdCompressSync } from 'node:zlib'
import { digestOf, type Layout } from './layout.ts'
import { packTar, type TarEntry } from './tar.ts'
import { type Layer, mediaTypes } from './types.ts'

export interface LayerOptions {
  /**
   * zstd (level 3) is three times faster than gzip -1, smaller, and its output does not depend on the CPU, as that of
   * Node's vectorised gzip does; skopeo, buildah, containerd from 1.5 and Docker from 23 read it. gzip is for older ones.
   * @default 'zstd'
   */
  compression?: 'zstd' | 'gzip' | 'none'
  signal?: AbortSignal
}

export interface BuiltLayer extends Layer {
  /** True when the blob was there already. */
  reused: boolean
  /** Bytes written to the layout. */
  written: number
}

/** Below this size a trip to the thread pool costs more than the work. */
const inline = 256 * 1024

/**
 * Packs entries into a layer of the layout. The same entries give the same digest on any machine; an archive that was
 * compressed before is recognised by its diff id and not compressed again.
 */
export async function buildLayer(
  layout: Layout,
  entries: readonly TarEntry[],
  options: LayerOptions = {},
): Promise<BuiltLayer> {
  const { compression = 'zstd', signal } = options
  const archive = await packTar(entries, signal)
  const diffId = digestOf(archive)
  const mediaType = mediaTypes[compression === 'none' ? 'tar' : compression]
  const known = layout.recallLayer(diffId)
  if (known?.mediaType === mediaType) return { ...known, diffId, reused: true, written: 0 }
  const bytes = await compress(archive, compression)
  const { digest, size, written } = layout.write(bytes)
  const descriptor = { mediaType, digest, size }
  layout.rememberLayer(diffId, descriptor)
  return { ...descriptor, diffId, reused: written === 0, written }
}

async function compress(archive: Buffer, compression: 'zstd' | 'gzip' | 'none'): Promise<Buffer> {
  const small = archive.length <= inline
  if (compression === 'none') return archive
  if (compression === 'gzip') {
    const bytes = small ? gzipSync(archive, { level: 6 }) : await promisify(gzip)(archive, { level: 6 })
    bytes[9] = 255 // the header names the operating system; unknown is the same everywhere (RFC 1952)
    return bytes
  }
  const options = { params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } }
  return small ? zstdCompressSync(archive, options) : promisify(zstdCompress)(archive, options)
}
