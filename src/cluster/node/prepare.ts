import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join, normalize } from 'node:path'
import { ConfigMap, type objects, Secret, Service } from '#kube'
import { CuddleError } from '#lib'
import type { NodeContext } from './context.ts'
import type { PodDirectory } from './directory.ts'
import { distributionFlags } from './distribution.ts'
import type { DownwardContext } from './downward.ts'
import { containerEnvironment, type EnvSources, environmentRefs } from './env.ts'
import { expand } from './expand.ts'
import type { PreparedImage } from './images.ts'
import type { BindMount, Namespaces } from './mounts.ts'
import { writeResolver } from './resolver.ts'
import type { VolumePaths } from './volumes.ts'

/** A container ready to be started. */
export interface Prepared {
  command: string[]
  env: Record<string, string>
  cwd: string
  imageID: string
  /** What the container shall see at other places than the machine has it; undefined = it sees the machine as it is. */
  view: { kind: Namespaces; mounts: BindMount[] } | undefined
  /** Bound over a file of the machine, where there is no view. */
  file: BindMount | undefined
}

/**
 * Gets image and environment and finds the program. Throws CuddleErrors whose codes are the reasons that Kubernetes
 * shows: ErrImagePull, InvalidImageName, CreateContainerConfigError, StartError.
 */
export async function prepareContainer(
  node: NodeContext,
  context: DownwardContext,
  container: objects.Container,
  directory: PodDirectory,
  volumes: VolumePaths,
): Promise<Prepared> {
  const [image, sources] = await Promise.all([
    node.images.prepare(container.image ?? ''),
    environmentSources(node, context.pod, container),
  ])
  const given = containerEnvironment(container, context, sources)
  const mounts = mountsOf(container, volumes)
  const argv = container.command?.length
    ? [...container.command, ...(container.args ?? [])]
    : [...(image.config.Entrypoint ?? []), ...(container.args?.length ? container.args : (image.config.Cmd ?? []))]
  const words = argv.map((word) => expand(word, given))
  if (words.length === 0) {
    throw new CuddleError(
      'CreateContainerConfigError',
      `container ${container.name} has no command and neither has its image`,
    )
  }
  const kind = await node.namespaces()
  // In a user namespace everyone is root, which is too much to pay for a file.
  const { resolvConf, inetrc } = writeResolver(directory.make(), context.pod, await node.nameserver, kind === 'root')
  const view = viewOf(kind, image, mounts, resolvConf)
  // Only what the spec says is moved: the paths of this node are where they are, below /tmp too.
  const placed = view ? given : relocated(given, mounts)
  const env = withDefaults(node, context, image, directory, {
    ...(inetrc && { ERL_INETRC: inetrc }),
    ...mountVariables(mounts, view !== undefined),
    ...placed,
  })
  const cwd = workingDirectory(image, container, directory)
  const program = findProgram(words[0], image, cwd, env['PATH'], view?.mounts)
  const prepared = {
    command: [program, ...words.slice(1)],
    env,
    cwd,
    imageID: image.id,
    view,
    file: view ? undefined : resolvConf,
  }
  return view ? seenFromInside(prepared, image, view.mounts) : prepared
}

/** A private view is made for mounts that a variable cannot stand for; TMPDIR is enough for /tmp. */
function viewOf(
  kind: Namespaces | undefined,
  image: PreparedImage,
  mounts: readonly Mount[],
  file: BindMount | undefined,
): Prepared['view'] {
  if (!kind || mounts.every(({ mountPath }) => mountPath === '/tmp')) return undefined
  const binds = mounts.map(({ path, mountPath }) => ({ source: path, target: mountPath }))
  const own = image.config.WorkingDir
  if (image.rootfs && own && own !== '/') binds.push({ source: join(image.rootfs, own), target: normalize(own) })
  if (file && !binds.some(({ target }) => file.target.startsWith(`${target}/`))) binds.push(file)
  return { kind, mounts: binds }
}

function seenFromInside(prepared: Prepared, image: PreparedImage, mounts: readonly BindMount[]): Prepared {
  const inside = (path: string) => {
    const seen = image.rootfs && path.startsWith(`${image.rootfs}/`) ? path.slice(image.rootfs.length) : path
    const reachable = mounts.some(({ target }) => seen === target || seen.startsWith(`${target}/`))
    return seen !== path && reachable ? seen : path
  }
  const hidden = (path: string) => mounts.some(({ target }) => path.startsWith(`${target}/`))
  const { cwd, env, command } = prepared
  const home = hidden(env['HOME']) ? '/tmp' : env['HOME']
  const place = inside(cwd)
  return {
    ...prepared,
    command: [inside(command[0]), ...command.slice(1)],
    env: { ...env, HOME: home },
    cwd: place === cwd && hidden(cwd) ? '/' : place,
  }
}

interface Mount {
  volume: string
  mountPath: string
  /** Where it really is. */
  path: string
}

function mountsOf(container: objects.Container, volumes: VolumePaths): Mount[] {
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath, subPath }) => {
    const path = volumes[name]
    return path
      ? [{ volume: name, mountPath: normalize(mountPath), path: subPath ? join(path, normalize(`/${subPath}`)) : path }]
      : []
  })
}

/** A process pod sees the machine's file system, so it is told where its volumes are. */
function mountVariables(mounts: readonly Mount[], inPlace: boolean): Record<string, string> {
  const env: Record<string, string> = {}
  for (const { volume, mountPath, path } of mounts) {
    env[`CUDDLE_VOLUME_${volume.toUpperCase().replaceAll('-', '_')}`] = inPlace ? mountPath : path
    if (mountPath === '/tmp') env['TMPDIR'] = inPlace ? mountPath : path
  }
  return env
}

/** Variables that name places in a mount (`ERL_CRASH_DUMP=/tmp/erl_crash.dump`) name them where they really are. */
function relocated(env: Record<string, string>, mounts: readonly Mount[]): Record<string, string> {
  if (mounts.length === 0) return env
  const out: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    out[name] = value.replace(/(?<![^ ])\/[^ ]*/g, (place) => {
      const mount = mounts.find(({ mountPath }) => place === mountPath || place.startsWith(`${mountPath}/`))
      return mount ? mount.path + place.slice(mount.mountPath.length) : place
    })
  }
  return out
}

async function environmentSources(
  node: NodeContext,
  pod: objects.Pod,
  container: objects.Container,
): Promise<EnvSources> {
  const namespace = pod.metadata.namespace!
  const { configMaps, secrets } = environmentRefs(container)
  const links = pod.spec?.enableServiceLinks !== false
  const [maps, hidden, services, master] = await Promise.all([
    Promise.all(configMaps.map((name) => node.kube.find(ConfigMap, name, namespace))),
    Promise.all(secrets.map((name) => node.kube.find(Secret, name, namespace))),
    links ? node.kube.listAll(Service, { namespace }).then(({ items }) => items) : [],
    node.kubernetesService(),
  ])
  const inPod = services.filter(({ metadata }) => metadata.name !== 'kubernetes' || namespace !== 'default')
  return {
    configMap: (name) => maps[configMaps.indexOf(name)],
    secret: (name) => hidden[secrets.indexOf(name)],
    services: master ? [...inPod, master] : inPod,
  }
}

/** What a container finds besides what its spec says; the spec always wins. */
function withDefaults(
  node: NodeContext,
  { pod, podIP }: DownwardContext,
  image: PreparedImage,
  directory: PodDirectory,
  given: Record<string, string>,
): Record<string, string> {
  const fromImage: Record<string, string> = {}
  for (const line of image.config.Env ?? []) {
    const equals = line.indexOf('=')
    if (equals > 0) fromImage[line.slice(0, equals)] = line.slice(equals + 1)
  }
  const env: Record<string, string> = {
    LANG: node.hostEnv['LANG'] || 'C.UTF-8',
    HOME: directory.make('home'),
    HOSTNAME: pod.spec?.hostname ?? pod.metadata.name ?? '',
    POD_IP: podIP,
    HOST: podIP,
    ...fromImage,
    ...given,
    CUDDLE_NODE: node.mark,
  }
  if (env['ERL_ZFLAGS']) env['ERL_ZFLAGS'] = distributionFlags(env['ERL_ZFLAGS'], podIP)
  // Programs of the host stay reachable: the image of a process pod need not bring a shell.
  const path = [given['PATH'] ?? fromImage['PATH'], node.hostEnv['PATH'] ?? '/usr/local/bin:/usr/bin:/bin']
  env['PATH'] = [...new Set(path.flatMap((part) => part?.split(':') ?? []))].filter(Boolean).join(':')
  return env
}

/** The image's directory on this machine: process pods are not chrooted, so relative paths are what works everywhere. */
function workingDirectory(image: PreparedImage, container: objects.Container, directory: PodDirectory): string {
  const asked = container.workingDir || image.config.WorkingDir || '/'
  const path = image.rootfs
    ? join(image.rootfs, normalize(`/${asked}`))
    : container.workingDir || directory.make('work')
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path
  throw new CuddleError('StartError', `working directory "${asked}" does not exist in image ${container.image}`)
}

/** A program by the rules of exec(3), an absolute path first in the image when it lies in the image's own directory. */
function findProgram(
  program: string,
  image: PreparedImage,
  cwd: string,
  path = '',
  mounts: readonly BindMount[] = [],
): string {
  if (mounts.some(({ target, source }) => program.startsWith(`${target}/`) && !source.startsWith(`${image.rootfs}/`))) {
    return program
  }
  const inImage = image.rootfs && isAbsolute(program) ? join(image.rootfs, normalize(program)) : undefined
  const own =
    image.config.WorkingDir && image.config.WorkingDir !== '/' && program.startsWith(`${image.config.WorkingDir}/`)
  const candidates = program.includes('/')
    ? isAbsolute(program)
      ? own
        ? [inImage, program]
        : [program, inImage]
      : [join(cwd, program)]
    : path.split(':').map((directory) => join(directory, program))
  let unusable = ''
  for (const candidate of candidates) {
    if (!candidate || !statSync(candidate, { throwIfNoEntry: false })?.isFile()) continue
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {
      unusable = candidate
    }
  }
  if (unusable) throw new CuddleError('StartError', `exec: "${program}": permission denied`)
  throw new CuddleError(
    'StartError',
    program.includes('/')
      ? `exec: "${program}": no such file or directory`
      : `exec: "${program}": executable file not found in $PATH`,
  )
}
