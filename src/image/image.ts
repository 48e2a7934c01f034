import { CuddleError, isObject, stableStringify } from '#lib'
import { digestOf, type Layout } from './layout.ts'
import { type Descriptor, type ImageConfig, type Layer, type Manifest, mediaTypes } from './types.ts'

export interface ImageSpec {
  /** From the bottom up. */
  layers: readonly Layer[]
  config: ImageConfig
  /** As GOARCH spells it: `amd64`, `arm64`. */
  architecture: string
  /** @default 'linux' */
  os?: string
  annotations?: Record<string, string>
}

/** Writes the config and the manifest of an image; the same input gives the same digest on any machine (nothing is dated). */
export function assembleImage(layout: Layout, image: ImageSpec): Descriptor & { written: number } {
  const { config } = image
  const document = {
    created: '1970-01-01T00:00:00Z',
    architecture: image.architecture,
    os: image.os ?? 'linux',
    config: {
      User: config.user,
      ExposedPorts: config.exposedPorts && Object.fromEntries(config.exposedPorts.map((port) => [port, {}])),
      Env:
        config.env &&
        Object.entries(config.env)
          .sort()
          .map(([name, value]) => `${name}=${value}`),
      Entrypoint: config.entrypoint,
      Cmd: config.cmd,
      WorkingDir: config.workingDir,
      Labels: config.labels,
    },
    rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.diffId) },
    history: image.layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'cuddle' })),
  }
  const configBlob = layout.write(Buffer.from(stableStringify(document)))
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: configBlob.digest, size: configBlob.size },
    layers: image.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    annotations: image.annotations,
  }
  const blob = layout.write(Buffer.from(stableStringify(manifest)))
  return {
    mediaType: mediaTypes.manifest,
    digest: blob.digest,
    size: blob.size,
    written: configBlob.written + blob.written,
  }
}

/** Reads and checks an image's manifest. @throws CuddleError `blob-missing`, `blob-damaged`, `bad-manifest` */
export function readManifest(layout: Layout, digest: string): Manifest {
  return parseManifest(layout.read(digest), digest)
}

export function parseManifest(bytes: Uint8Array, digest = digestOf(bytes)): Manifest {
  let manifest: unknown
  try {
    manifest = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new CuddleError('bad-manifest', `${digest} is not JSON`, { cause })
  }
  if (!isObject(manifest) || !isObject(manifest.config) || !Array.isArray(manifest.layers)) {
    throw new CuddleError('bad-manifest', `${digest} is not an image manifest`)
  }
  return manifest as Manifest
}

/** Reads how a container of the image runs, and its layers' diff ids. */
export function readConfig(layout: Layout, manifest: Manifest): { config: ImageConfig; diffIds: string[] } {
  const document = JSON.parse(layout.read(manifest.config.digest).toString('utf8'))
  const { config = {}, rootfs } = document
  return {
    config: {
      entrypoint: config.Entrypoint,
      cmd: config.Cmd,
      env: config.Env && Object.fromEntries(config.Env.map(splitVariable)),
      workingDir: config.WorkingDir,
      user: config.User,
      labels: config.Labels,
      exposedPorts: config.ExposedPorts && Object.keys(config.ExposedPorts),
    },
    diffIds: rootfs?.diff_ids ?? [],
  }
}

function splitVariable(text: string): [string, string] {
  const equals = text.indexOf('=')
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
}
