/** A pointer to content (image-spec, descriptor.md). */
export interface Descriptor {
  mediaType: string
  /** `sha256:HEX` of the blob. */
  digest: string
  /** Bytes. */
  size: number
  annotations?: Record<string, string>
}

/** A layer: the blob, and the digest of the tar inside of it. */
export interface Layer extends Descriptor {
  /** `sha256:HEX` of the uncompressed archive. */
  diffId: string
}

export interface Index {
  schemaVersion: 2
  mediaType: string
  manifests: Descriptor[]
}

export interface Manifest {
  schemaVersion: 2
  mediaType: string
  config: Descriptor
  layers: Descriptor[]
  annotations?: Record<string, string>
}

/** How a container of the image runs (image-spec, config.md), in this project's spelling. */
export interface ImageConfig {
  entrypoint?: string[]
  cmd?: string[]
  env?: Record<string, string>
  workingDir?: string
  user?: string
  labels?: Record<string, string>
  /** Ports such as `8080/tcp`. */
  exposedPorts?: string[]
}

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  tar: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const
