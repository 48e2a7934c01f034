import { randomBytes } from 'node:crypto'
import { isAlreadyExists, type Kube, type KubeObject, Secret } from '#kube'
import { CuddleError } from '#lib'
import { compile, configSecret, cookieSecret, reachable } from '#manifests'
import type { AppSpec, Scale, Size } from '#spec'
import { type Context, readSettings, type Settings } from './context.ts'
import { apiVersion, type Cause, labels, Release, type ReleaseObject, type ReleaseSpec } from './kinds.ts'
import { copyRegistryAuth, readRegistryAuth } from './registry-auth.ts'
import { compileInput, getApp, isDone, listReleases, releaseConfig } from './releases.ts'
import { scaleByHand } from './scale.ts'

/** What may differ from the release before: everything left out is taken over. */
export interface ReleaseChange {
  cause: Omit<Cause, 'user'>
  image?: { ref: string; kind: string; runtime: 'beam' | 'node' | 'generic'; build?: string }
  spec?: AppSpec
  /** All sizes that were set by hand, by process. */
  sizes?: Record<string, Size>
  /** The whole config, replacing the old one. */
  config?: Record<string, string>
  /** Config vars that are added where there are none of their names. */
  newConfig?: Record<string, string>
  releaseCommand?: boolean
  rollout?: ReleaseSpec['rollout']
}

/** For changes that come while another release is under way. */
export interface Waiting {
  /** Called once, with the release that is waited for. */
  onWait?: (number: number) => void
  signal?: AbortSignal
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
    scale: Record<string, number | Scale>
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
    sizes: change.sizes ?? before?.sizes,
    releaseCommand: change.releaseCommand,
    rollout: change.rollout,
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
    const [app, releases] = await Promise.all([getApp(context, appName), listReleases(context, appName)])
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
      scale: scaleByHand(app.spec),
      settings,
    })
    await Promise.all([
      secret && createOnce(kube, secret),
      ensureCookie(context, spec, scaleByHand(app.spec), settings),
    ])
    if (settings.privateRegistry) {
      const text = await readRegistryAuth(kube)
      if (text !== undefined) await copyRegistryAuth(kube, appName, text)
    }
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

/** Makes the cookie of an app whose nodes can be reached, once for all its releases. */
async function ensureCookie(
  context: Context,
  spec: ReleaseSpec,
  scale: Record<string, number | Scale>,
  settings: Settings,
): Promise<void> {
  if ((spec.spec as AppSpec | undefined)?.beam?.cookie !== 'auto') return
  const input = compileInput(spec, {}, scale, settings)
  if (!reachable(input)) return
  const secret = cookieSecret(input, randomBytes(24).toString('hex'))
  await createOnce(context.kube, secret)
}

async function createOnce(kube: Kube, secret: KubeObject): Promise<void> {
  await kube.create(Secret, secret as never).catch((error) => {
    if (!isAlreadyExists(error)) throw error
  })
}
