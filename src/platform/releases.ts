import { randomBytes } from 'node:crypto'
import { isAlreadyExists, type KubeObject, Secret } from '#kube'
import { CuddleError } from '#lib'
import { type CompileInput, compile, configSecret, cookieSecret } from '#manifests'
import type { AppSpec } from '#spec'
import { appUrl, type Context, readSettings, type Settings } from './context.ts'
import {
  App,
  type AppObject,
  apiVersion,
  type Cause,
  labels,
  Release,
  type ReleaseObject,
  type ReleaseSpec,
} from './kinds.ts'

/** What may differ from the release before: everything left out is taken over. */
export interface ReleaseChange {
  cause: Omit<Cause, 'user'>
  image?: { ref: string; kind: string; runtime: 'beam' | 'node' | 'generic'; build?: string }
  spec?: AppSpec
  /** The whole config, replacing the old one. */
  config?: Record<string, string>
  /** Config vars that are added where there are none of their names. */
  newConfig?: Record<string, string>
  releaseCommand?: boolean
}

/** For changes that come while another release is under way. */
export interface Waiting {
  /** Called once, with the release that is waited for. */
  onWait?: (number: number) => void
  signal?: AbortSignal
}

/** The app. @throws CuddleError `no-app` */
export async function getApp(context: Context, name: string): Promise<AppObject> {
  const app = await context.kube.find(App, name)
  if (app) return app
  throw new CuddleError('no-app', `no app is called "${name}"`, {
    hint: 'cuddle apps lists them; cuddle create NAME makes one',
  })
}

/** All releases of an app, newest first. */
export async function listReleases(context: Context, app: string): Promise<ReleaseObject[]> {
  const { items } = await context.kube.listAll(Release, { namespace: app })
  return items.filter((release) => release.spec.app === app).sort((a, b) => b.spec.number - a.spec.number)
}

/** Release `vN`. @throws CuddleError `no-release` */
export async function getRelease(context: Context, app: string, number: number): Promise<ReleaseObject> {
  const found = await context.kube.find(Release, `v${number}`, app)
  if (found) return found
  throw new CuddleError('no-release', `${app} has no release v${number}`, { hint: `cuddle releases -a ${app}` })
}

/** The release that serves, or undefined before the first. */
export async function currentRelease(context: Context, app: AppObject): Promise<ReleaseObject | undefined> {
  const number = app.status?.currentRelease
  return number === undefined ? undefined : context.kube.find(Release, `v${number}`, app.metadata.name)
}

/** A release that is over, one way or the other. */
export function isDone(release: ReleaseObject): boolean {
  return release.status?.phase === 'Succeeded' || release.status?.phase === 'Failed'
}

/** The config vars of a release. */
export async function releaseConfig(
  context: Context,
  release: ReleaseObject | undefined,
): Promise<Record<string, string>> {
  if (!release?.spec.configSecret) return {}
  const secret = await context.kube.find(Secret, release.spec.configSecret, release.metadata.namespace!)
  if (!secret) {
    throw new CuddleError(
      'no-config',
      `the config of ${release.spec.app} v${release.spec.number} is gone: secret ${release.spec.configSecret}`,
    )
  }
  return Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  )
}

/** The input of manifests for a release's fields. */
export function compileInput(
  fields: Pick<ReleaseSpec, 'app' | 'number' | 'image' | 'runtime' | 'spec'>,
  config: Record<string, string>,
  scale: Record<string, number>,
  settings: Settings,
): CompileInput {
  const { baseDomain, scheme, routerPort, ingressClassName } = settings
  return {
    app: fields.app,
    namespace: fields.app,
    spec: fields.spec as AppSpec,
    release: fields.number,
    image: fields.image ?? '',
    config,
    scale,
    environment: { baseDomain, scheme, routerPort, ingressClassName },
    runtime: fields.runtime ?? 'generic',
  }
}

/** The fields of the next release and its config Secret: a pure function of the one before and the change. */
export function nextRelease(
  before: ReleaseSpec | undefined,
  change: ReleaseChange,
  state: {
    app: string
    number: number
    user: string
    config: Record<string, string>
    scale: Record<string, number>
    settings: Settings
  },
): { spec: ReleaseSpec; secret: KubeObject | undefined } {
  const config = { ...change.newConfig, ...(change.config ?? state.config) }
  const fields: ReleaseSpec = {
    app: state.app,
    number: state.number,
    cause: { ...change.cause, user: state.user },
    image: change.image?.ref ?? before?.image,
    kind: change.image?.kind ?? before?.kind,
    runtime: change.image?.runtime ?? before?.runtime,
    build: change.image?.build ?? before?.build,
    spec: change.spec ?? before?.spec,
    releaseCommand: change.releaseCommand,
    objects: [],
  }
  if (!fields.image || !fields.spec) {
    const secret = configSecret({ app: state.app, namespace: state.app, release: state.number, config })
    return { spec: { ...fields, configSecret: secret?.metadata.name }, secret }
  }
  const input = compileInput(fields, config, state.scale, state.settings)
  const secret = configSecret(input)
  const objects = compile(input).filter((object) => object.kind !== 'Secret')
  return { spec: { ...fields, configSecret: secret?.metadata.name, objects }, secret }
}

/**
 * Makes the next release of an app and returns it at once; the platform's operator rolls it out.
 * Safe against others doing the same: the number is claimed by creating `vN`, and whoever comes second waits for the first
 * to end, so that no change is lost.
 */
export async function startRelease(
  context: Context,
  appName: string,
  change: ReleaseChange,
  { onWait, signal }: Waiting = {},
): Promise<ReleaseObject> {
  const { kube } = context
  const settings = await readSettings(kube)
  for (;;) {
    const app = await getApp(context, appName)
    const releases = await listReleases(context, appName)
    const [latest] = releases
    if (latest && !isDone(latest)) {
      // What this release takes over is known only when the one before it has ended.
      onWait?.(latest.spec.number)
      onWait = undefined
      await context.clock.sleep(50, signal)
      if (signal?.aborted)
        throw new CuddleError(
          'interrupted',
          `stopped waiting for ${appName} v${latest.spec.number}; nothing was changed`,
        )
      continue
    }
    const before = releases.find((release) => release.spec.number === app.status?.currentRelease)
    const number = (releases[0]?.spec.number ?? 0) + 1
    const { spec, secret } = nextRelease(before?.spec, change, {
      app: appName,
      number,
      user: context.user,
      config: await releaseConfig(context, before),
      scale: app.spec.scale ?? {},
      settings,
    })
    if (secret) {
      await kube.create(Secret, secret as never).catch((error) => {
        if (!isAlreadyExists(error)) throw error
      })
    }
    await ensureCookie(context, spec, settings)
    const release: ReleaseObject = {
      apiVersion,
      kind: 'Release',
      metadata: {
        name: `v${number}`,
        namespace: appName,
        labels: { [labels.app]: appName, 'app.kubernetes.io/managed-by': 'cuddle' },
        ownerReferences: [
          {
            apiVersion,
            kind: 'App',
            name: appName,
            uid: app.metadata.uid!,
            controller: false,
            blockOwnerDeletion: false,
          },
        ],
      },
      spec: JSON.parse(JSON.stringify(spec)),
    }
    try {
      return await kube.create(Release, release)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }
}

/** Makes the cookie of an app whose nodes form a cluster, once for all its releases. */
async function ensureCookie(context: Context, spec: ReleaseSpec, settings: Settings): Promise<void> {
  const wanted = spec.spec as AppSpec | undefined
  if (!wanted?.beam?.cluster || wanted.beam.cookie !== 'auto') return
  const secret = cookieSecret(compileInput(spec, {}, {}, settings), randomBytes(24).toString('hex'))
  await context.kube.create(Secret, secret as never).catch((error) => {
    if (!isAlreadyExists(error)) throw error
  })
}

/** Changes config vars: `null` removes one. @throws CuddleError when nothing would change or a name is unfit */
export async function setConfig(
  context: Context,
  appName: string,
  changes: Record<string, string | null>,
  waiting?: Waiting,
): Promise<ReleaseObject | undefined> {
  const app = await getApp(context, appName)
  const before = await releaseConfig(context, await currentRelease(context, app))
  const config = { ...before }
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete config[key]
    else config[key] = value
  }
  const { validConfig } = await import('#spec')
  const problems = validConfig(config)
  if (problems.length > 0) {
    throw new CuddleError('bad-config', `the config of ${appName} was not changed`, {
      details: problems.map((problem) => problem.message),
      hint: problems.find((problem) => problem.hint)?.hint,
    })
  }
  const changed = Object.keys(changes).filter((key) => before[key] !== config[key])
  if (changed.length === 0) return undefined
  const removed = changed.every((key) => changes[key] === null)
  return startRelease(
    context,
    appName,
    {
      cause: { kind: 'config', message: `${removed ? 'Unset' : 'Set'} ${changed.join(', ')}` },
      config,
    },
    waiting,
  )
}

/**
 * Makes a release that restores image, config and spec of an older one, with no build.
 * @param number the release to restore; the newest successful one before the current when left out
 */
export async function rollback(
  context: Context,
  appName: string,
  number?: number,
  waiting?: Waiting,
): Promise<ReleaseObject> {
  const app = await getApp(context, appName)
  const current = app.status?.currentRelease ?? 0
  const releases = await listReleases(context, appName)
  const target =
    number === undefined
      ? releases.find(
          (release) => release.spec.number < current && release.status?.phase === 'Succeeded' && release.spec.image,
        )
      : await getRelease(context, appName, number)
  if (!target) {
    throw new CuddleError('no-release', `${appName} has no earlier successful release to roll back to`, {
      hint: `cuddle releases -a ${appName}`,
    })
  }
  const name = `v${target.spec.number}`
  if (target.status?.phase !== 'Succeeded') {
    throw new CuddleError(
      'bad-release',
      `${appName} ${name} never went live (${target.status?.phase ?? 'Pending'}), so there is nothing to go back to`,
      {
        hint: `cuddle releases -a ${appName}`,
      },
    )
  }
  if (!target.spec.image)
    throw new CuddleError('bad-release', `${appName} ${name} holds no code, only config`, {
      hint: 'choose a later one',
    })
  return startRelease(
    context,
    appName,
    {
      cause: {
        kind: 'rollback',
        message: `Rollback to ${name}`,
        restores: target.spec.number,
        commit: target.spec.cause.commit,
        author: target.spec.cause.author,
      },
      image: {
        ref: target.spec.image,
        kind: target.spec.kind ?? 'procfile',
        runtime: target.spec.runtime ?? 'generic',
        build: target.spec.build,
      },
      spec: target.spec.spec as AppSpec,
      config: await releaseConfig(context, target),
    },
    waiting,
  )
}

export { appUrl }
