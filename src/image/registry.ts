import { CuddleError } from '#lib'
import { parseManifest, readManifest } from './image.ts'
import { digestOf, type Layout } from './layout.ts'
import { createRegistryClient, type RegistryClient, type RegistryOptions } from './registry-client.ts'
import { type Descriptor, type Index, mediaTypes } from './types.ts'

export interface Registry {
  /**
   * Sends an image under a tag, leaving out every blob that the registry has already or can mount from `mountFrom`.
   * @returns how many blobs and bytes were sent
   * @throws CuddleError `registry-unauthorized`, `registry-failed`
   */
  push(
    layout: Layout,
    digest: string,
    repository: string,
    tag: string,
    options?: { mountFrom?: string; signal?: AbortSignal; onProgress?: (progress: PushProgress) => void },
  ): Promise<{ blobs: number; bytes: number }>
  /** Asks whether a registry answers there, and accepts us. @throws CuddleError as `push` */
  check(signal?: AbortSignal): Promise<void>
  /**
   * Fetches an image by tag or digest into a layout, checking everything against its digest.
   * @param options.architecture chosen where the name stands for several images. @default 'amd64'
   */
  pull(
    layout: Layout,
    repository: string,
    reference: string,
    options?: { architecture?: string; signal?: AbortSignal },
  ): Promise<Descriptor>
}

/** How far a push is. The first word comes when it is known what the registry has. */
export interface PushProgress {
  /** Layers of the image, and how many of them the registry had. */
  layers: number
  there: number
  /** Bytes of what it had not, configuration included, and how many have been sent. */
  bytes: number
  sent: number
}

const chunkSize = 16 * 1024 * 1024
const atOnce = 4
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
const accepted = [mediaTypes.manifest, mediaTypes.index, dockerManifest, dockerList].join(', ')

/** A registry that speaks the distribution API (opencontainers/distribution-spec), e.g. `openRegistry({ url })`. */
export function openRegistry(options: RegistryOptions): Registry {
  const client = createRegistryClient(options)
  /** `repository digest` of blobs that were seen there or sent. */
  const present = new Set<string>()

  async function pull(
    layout: Layout,
    repository: string,
    reference: string,
    { architecture = 'amd64', signal }: { architecture?: string; signal?: AbortSignal } = {},
  ): Promise<Descriptor> {
    checkRepository(repository)
    const { response } = await client.request('GET', `/v2/${repository}/manifests/${encodeURIComponent(reference)}`, {
      headers: { accept: accepted },
      scope: `repository:${repository}:pull`,
      expect: [200],
      signal,
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    const digest = digestOf(bytes)
    if (reference.startsWith('sha256:') && digest !== reference) {
      throw new CuddleError('registry-failed', `the registry answered ${digest} when asked for ${reference}`)
    }
    const type = response.headers.get('content-type')?.split(';')[0] ?? ''
    if (type === mediaTypes.index || type === dockerList) {
      const chosen = choose(JSON.parse(Buffer.from(bytes).toString('utf8')), architecture)
      if (!chosen)
        throw new CuddleError('no-such-platform', `${repository}:${reference} has no image for linux/${architecture}`)
      return pull(layout, repository, chosen.digest, { architecture, signal })
    }
    const manifest = parseManifest(bytes, digest)
    await inParallel([manifest.config, ...manifest.layers], async (blob) => {
      if (layout.has(blob.digest, blob.size)) return
      const { response } = await client.request('GET', `/v2/${repository}/blobs/${blob.digest}`, {
        scope: `repository:${repository}:pull`,
        expect: [200],
        signal,
      })
      await layout.receive(response.body as unknown as AsyncIterable<Uint8Array>, blob)
    })
    layout.write(bytes, digest)
    return { mediaType: manifest.mediaType ?? type, digest, size: bytes.length }
  }

  return {
    pull,
    async check(signal) {
      const { response } = await client.request('GET', '/v2/', { scope: '', expect: [200], signal })
      await response.body?.cancel()
    },
    async push(layout, digest, repository, tag, { mountFrom, signal, onProgress } = {}) {
      checkRepository(repository)
      const manifest = readManifest(layout, digest)
      const sent = { blobs: 0, bytes: 0 }
      const send = async (blobs: Descriptor[]) => {
        const absent = await missing(client, repository, blobs, signal)
        const isAbsent = new Set(absent.map((blob) => blob.digest))
        const layers = manifest.layers.length
        const there = manifest.layers.filter((layer) => !isAbsent.has(layer.digest)).length
        const progress = { layers, there, bytes: absent.reduce((sum, blob) => sum + blob.size, 0), sent: 0 }
        onProgress?.({ ...progress })
        const advance = (bytes: number) => {
          progress.sent += bytes
          onProgress?.({ ...progress })
        }
        await inParallel(absent, async (blob) => {
          if (await sendBlob(client, layout, repository, blob, { mountFrom, signal, advance })) {
            sent.blobs++
            sent.bytes += blob.size
          }
        })
        for (const blob of blobs) present.add(`${repository} ${blob.digest}`)
      }
      const putManifest = async (expect: number[]) => {
        const { response } = await client.request('PUT', `/v2/${repository}/manifests/${encodeURIComponent(tag)}`, {
          headers: { 'content-type': manifest.mediaType },
          body: layout.read(digest),
          scope: `repository:${repository}:pull,push`,
          expect,
          signal,
        })
        await response.body?.cancel()
        return response.status
      }
      const blobs = [manifest.config, ...manifest.layers]
      await send(blobs.filter((blob) => !present.has(`${repository} ${blob.digest}`)))
      // The registry may have been swept since a blob was seen there: then it refuses, and everything is asked for again.
      if ((await putManifest([201, 400, 404])) === 201) return sent
      await send(blobs)
      await putManifest([201])
      return sent
    },
  }
}

/** Those of the blobs that the registry has not. */
async function missing(
  client: RegistryClient,
  repository: string,
  blobs: readonly Descriptor[],
  signal: AbortSignal | undefined,
): Promise<Descriptor[]> {
  const absent = new Set<Descriptor>()
  await inParallel(blobs, async (blob) => {
    const { response } = await client.request('HEAD', `/v2/${repository}/blobs/${blob.digest}`, {
      scope: `repository:${repository}:pull,push`,
      expect: [200, 404],
      signal,
    })
    if (response.status === 404) absent.add(blob)
  })
  return blobs.filter((blob) => absent.has(blob))
}

/** Sends one blob; false when the registry could take it from next door. */
async function sendBlob(
  client: RegistryClient,
  layout: Layout,
  repository: string,
  blob: Descriptor,
  {
    mountFrom,
    signal,
    advance,
  }: { mountFrom: string | undefined; signal: AbortSignal | undefined; advance: (bytes: number) => void },
): Promise<boolean> {
  const scope = `repository:${repository}:pull,push`
  const base = `/v2/${repository}/blobs`
  const mount = mountFrom ? `?${new URLSearchParams({ mount: blob.digest, from: mountFrom })}` : ''
  const started = await client.request('POST', `${base}/uploads/${mount}`, {
    scope: mountFrom ? `${scope} repository:${mountFrom}:pull` : scope,
    expect: [201, 202],
    signal,
  })
  if (started.response.status === 201) {
    advance(blob.size)
    return false
  }
  let location = locationOf(started)
  const bytes = layout.read(blob.digest)
  for (let at = 0; bytes.length > chunkSize && at < bytes.length; at += chunkSize) {
    const piece = bytes.subarray(at, at + chunkSize)
    location = locationOf(
      await client.request('PATCH', location, {
        headers: { 'content-type': 'application/octet-stream', 'content-range': `${at}-${at + piece.length - 1}` },
        body: piece,
        scope,
        expect: [202],
        signal,
      }),
    )
    advance(piece.length)
  }
  const final = new URL(location)
  final.searchParams.set('digest', blob.digest)
  await client.request('PUT', final.href, {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes.length > chunkSize ? undefined : bytes,
    scope,
    expect: [201],
    signal,
  })
  if (bytes.length <= chunkSize) advance(bytes.length)
  return true
}

function locationOf({ response, url }: { response: Response; url: string }): string {
  const location = response.headers.get('location')
  if (!location) throw new CuddleError('registry-failed', 'the registry did not say where to upload to')
  return new URL(location, url).href
}

function choose(index: Index, architecture: string): Descriptor | undefined {
  const manifests = (index.manifests ?? []) as (Descriptor & { platform?: { os: string; architecture: string } })[]
  return manifests.find(({ platform }) => platform?.os === 'linux' && platform.architecture === architecture)
}

function checkRepository(repository: string): void {
  if (/^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/.test(repository)) return
  throw new CuddleError('bad-repository', `${JSON.stringify(repository)} is not a repository name`)
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
}
