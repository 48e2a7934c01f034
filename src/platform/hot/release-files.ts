import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { type Layout, mediaTypes, readManifest, readTar } from '#image'
import type { ReleaseFiles } from './release-diff.ts'

/** What {@link listRelease} reads; of ERTS the name of one file is enough. */
const wanted = /^(lib\/[^/]+\/(ebin\/[^/]+\.(beam|app)|priv\/.+)|releases\/[^/]+\/([^/]+|consolidated\/[^/]+\.beam))$/

/** What a layer says of the release, in its order: a file, or (without bytes) that what lies there, and below, is gone. */
export type LayerFiles = readonly { path: string; bytes: Uint8Array | undefined }[]

/**
 * The files of the release in an image that our builder made (below `app/`), upper layers over lower ones, with
 * whiteouts (image-spec, layer.md). Paths as in the release.
 * @param without digests of layers that are left out
 * @param known layers that were read before, by digest
 * @throws CuddleError `blob-missing`, `bad-manifest`, `bad-archive`
 */
export async function readRelease(
  layout: Layout,
  digest: string,
  without: ReadonlySet<string> = new Set(),
  known: ReadonlyMap<string, Promise<LayerFiles>> = new Map(),
): Promise<ReleaseFiles> {
  const files = new Map<string, Uint8Array>()
  for (const layer of readManifest(layout, digest).layers) {
    if (without.has(layer.digest)) continue
    for (const { path, bytes } of await (known.get(layer.digest) ?? readLayer(layout, layer))) {
      if (bytes) files.set(path, bytes)
      else {
        for (const name of [...files.keys()])
          if (name === path || name.startsWith(path.replace(/\/?$/, '/'))) files.delete(name)
      }
    }
  }
  return files
}

/** One layer of an image. @throws CuddleError as {@link readRelease} */
export async function readLayer(layout: Layout, layer: { digest: string; mediaType: string }): Promise<LayerFiles> {
  const files: { path: string; bytes: Uint8Array | undefined }[] = []
  const packed = Readable.from(layout.stream(layer.digest), { objectMode: false })
  const inflater =
    layer.mediaType === mediaTypes.zstd
      ? createZstdDecompress()
      : layer.mediaType === mediaTypes.gzip
        ? createGunzip()
        : undefined
  if (inflater) packed.on('error', (error) => inflater.destroy(error))
  for await (const entry of readTar(inflater ? packed.pipe(inflater) : packed)) {
    const [, path] = /^(?:\.\/)?app\/(.+?)\/?$/.exec(entry.path) ?? []
    if (path === undefined) continue
    const hidden = /^(.*\/)?\.wh\.(.+)$/.exec(path)
    if (hidden) {
      const gone = hidden[2] === '.wh..opq' ? (hidden[1] ?? '') : `${hidden[1] ?? ''}${hidden[2]}`
      files.push({ path: gone, bytes: undefined })
      continue
    }
    const erts = /^erts-[^/]+/.exec(path)
    if (erts) files.push({ path: erts[0], bytes: new Uint8Array() })
    if (entry.type !== '0' || !wanted.test(path)) continue
    const pieces: Buffer[] = []
    for await (const piece of entry.content) pieces.push(Buffer.from(piece))
    files.push({ path, bytes: Buffer.concat(pieces) })
  }
  return files
}
