import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigMap, type Kube, type objects, PersistentVolume, PersistentVolumeClaim, Secret } from '#kube'
import { CuddleError, equal, shortHash } from '#lib'
import type { NodeContext } from './context.ts'
import type { PodDirectory } from './directory.ts'
import { type DownwardContext, fieldValue, resourceValue } from './downward.ts'

/** Where each volume of a pod lies on this machine, by name. */
export type VolumePaths = Record<string, string>

/**
 * Makes or refreshes a pod's volumes. Throws CuddleError FailedMount when something required is missing or the kind of
 * volume is not offered here.
 */
export async function setUpVolumes(
  node: NodeContext,
  context: DownwardContext,
  directory: PodDirectory,
): Promise<VolumePaths> {
  const paths: VolumePaths = {}
  for (const volume of context.pod.spec?.volumes ?? [])
    paths[volume.name] = await setUp(node, context, directory, volume)
  return paths
}

/** Volumes whose content follows an object of the API. */
export function hasLiveVolumes(pod: objects.Pod): boolean {
  return (pod.spec?.volumes ?? []).some(
    (volume) => volume.configMap || volume.secret || volume.projected || volume.downwardAPI,
  )
}

async function setUp(
  node: NodeContext,
  context: DownwardContext,
  directory: PodDirectory,
  volume: objects.Volume,
): Promise<string> {
  const namespace = context.pod.metadata.namespace!
  const path = directory.volume(volume.name)
  if (volume.emptyDir) return made(path)
  if (volume.persistentVolumeClaim) return claimPath(node, namespace, volume.persistentVolumeClaim.claimName)
  if (volume.hostPath) return hostPath(volume.hostPath)
  const source = volume as objects.VolumeProjection & { defaultMode?: number }
  const projections = volume.projected?.sources ?? [
    {
      ...(volume.configMap && { configMap: volume.configMap }),
      ...(volume.secret && { secret: { ...volume.secret, name: volume.secret.secretName } }),
      ...(source.downwardAPI && { downwardAPI: source.downwardAPI }),
    } as objects.VolumeProjection,
  ]
  if (!volume.projected && !volume.configMap && !volume.secret && !volume.downwardAPI) {
    throw new CuddleError('FailedMount', `volume "${volume.name}": this kind of volume is not offered on this node`)
  }
  const mode = (volume.projected ?? volume.configMap ?? volume.secret ?? volume.downwardAPI)?.defaultMode ?? 0o644
  const files = new Map<string, { data: Buffer; mode: number }>()
  for (const projection of projections) await project(node, context, projection, mode, files)
  publish(made(path), files)
  return path
}

function hostPath({ path, type = '' }: objects.HostPathVolumeSource): string {
  return type.endsWith('OrCreate') ? made(path) : path
}

/** Volumes that were made for a claim are called so; their directories are named by the uid that is in the name. */
const provisioned = /^pvc-([0-9a-f-]{36})$/

/** Where a claim's data lies: in a directory of its own, or where the volume says that somebody made for it by hand. */
async function claimPath(node: NodeContext, namespace: string, name: string): Promise<string> {
  const claim = await node.kube.find(PersistentVolumeClaim, name, namespace)
  if (!claim) throw new CuddleError('FailedMount', `persistentvolumeclaim "${name}" not found`)
  if (claim.status?.phase !== 'Bound')
    throw new CuddleError('FailedMount', `persistentvolumeclaim "${name}" is not bound`)
  const { volumeName = `pvc-${claim.metadata.uid}` } = claim.spec ?? {}
  const [, uid] = provisioned.exec(volumeName) ?? []
  if (uid) return made(join(node.claims, uid))
  const { spec } = (await node.kube.find(PersistentVolume, volumeName)) ?? {}
  if (spec?.hostPath) return hostPath(spec.hostPath)
  if (spec?.local) return spec.local.path
  const what = spec ? 'is of a kind that is not offered on this node' : 'not found'
  throw new CuddleError('FailedMount', `persistentvolume "${volumeName}" of claim "${name}" ${what}`)
}

/** Clears the directories of volumes that are gone, and of claims that never had one. */
export async function collectClaims(kube: Kube, directory: string): Promise<void> {
  // First the directories, then the claims: one that is made between the two is not taken for left behind.
  const names = existsSync(directory) ? readdirSync(directory) : []
  if (names.length === 0) return
  const [claims, volumes] = [await kube.listAll(PersistentVolumeClaim), await kube.listAll(PersistentVolume)]
  const kept = new Set([
    ...claims.items.map(({ metadata }) => metadata.uid),
    ...volumes.items.map(({ metadata }) => provisioned.exec(metadata.name!)?.[1]),
  ])
  for (const name of names) if (!kept.has(name)) rmSync(join(directory, name), { recursive: true, force: true })
}

async function project(
  node: NodeContext,
  context: DownwardContext,
  source: objects.VolumeProjection,
  mode: number,
  files: Map<string, { data: Buffer; mode: number }>,
): Promise<void> {
  const namespace = context.pod.metadata.namespace!
  for (const item of source.downwardAPI?.items ?? []) {
    const value = item.fieldRef
      ? fieldValue(item.fieldRef.fieldPath, context)
      : resourceValue(item.resourceFieldRef as any, '', context)
    files.set(relative(item.path), { data: Buffer.from(value ?? ''), mode: item.mode ?? mode })
  }
  const ref = source.configMap ?? source.secret
  if (!ref) return
  const kind = source.configMap ? 'configmap' : 'secret'
  const name = ref.name ?? ''
  const found = source.configMap
    ? await node.kube.find(ConfigMap, name, namespace)
    : await node.kube.find(Secret, name, namespace)
  if (!found) {
    if (ref.optional) return
    throw new CuddleError('FailedMount', `references non-existent ${kind} "${name}"`)
  }
  const data = new Map<string, Buffer>()
  for (const [key, value] of Object.entries(found.data ?? {})) {
    data.set(key, Buffer.from(value, source.secret ? 'base64' : 'utf8'))
  }
  for (const [key, value] of Object.entries((found as objects.ConfigMap).binaryData ?? {})) {
    data.set(key, Buffer.from(value, 'base64'))
  }
  const items = ref.items ?? [...data.keys()].map((key): objects.KeyToPath => ({ key, path: key }))
  for (const item of items) {
    const value = data.get(item.key)
    if (value) files.set(relative(item.path), { data: value, mode: item.mode ?? mode })
    else if (!ref.optional)
      throw new CuddleError('FailedMount', `references non-existent key "${item.key}" of ${kind} "${name}"`)
  }
}

/**
 * Replaces the files of a volume in one step, as the kubelet's atomic writer does: real files in a new directory,
 * `..data` a link to it that is renamed over the old one, and a link per file that goes through `..data`.
 */
export function publish(volume: string, files: ReadonlyMap<string, { data: Buffer; mode: number }>): void {
  const names = [...files.keys()].sort()
  const content = names.map((name) => [name, files.get(name)!.mode, files.get(name)!.data.toString('base64')])
  const version = `..${shortHash(content, 16)}`
  const current = link(join(volume, '..data'))
  if (current === version && equal(visible(volume), topLevel(names))) return
  rmSync(join(volume, version), { recursive: true, force: true })
  mkdirSync(join(volume, version))
  for (const name of names) {
    const path = join(volume, version, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, files.get(name)!.data, { mode: files.get(name)!.mode })
  }
  symlinkSync(version, join(volume, '..data_tmp'))
  renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
  const wanted = topLevel(names)
  for (const name of wanted) {
    if (link(join(volume, name)) === undefined) symlinkSync(join('..data', name), join(volume, name))
  }
  for (const name of visible(volume)) if (!wanted.includes(name)) rmSync(join(volume, name), { force: true })
  if (current && current !== version) rmSync(join(volume, current), { recursive: true, force: true })
}

function topLevel(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.split('/')[0]))].sort()
}

function visible(volume: string): string[] {
  return readdirSync(volume)
    .filter((name) => !name.startsWith('..'))
    .sort()
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function relative(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (path.startsWith('/') || parts.some((part) => part === '..' || part.startsWith('..')) || parts.length === 0) {
    throw new CuddleError('FailedMount', `volume path "${path}" leads out of the volume`)
  }
  return parts.join('/')
}

function made(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}
