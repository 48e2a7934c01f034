import { Secret } from '#kube'
import { CuddleError } from '#lib'
import type { CompileInput } from '#manifests'
import type { AppSpec, Scale } from '#spec'
import type { Context, Settings } from './context.ts'
import { App, type AppObject, Release, type ReleaseObject, type ReleaseSpec } from './kinds.ts'
import { withSizes } from './sizes.ts'

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
  fields: Pick<ReleaseSpec, 'app' | 'number' | 'image' | 'runtime' | 'spec' | 'sizes'>,
  config: Record<string, string>,
  scale: Record<string, number | Scale>,
  settings: Settings,
): CompileInput {
  const { baseDomain, scheme, routerPort, ingressClassName, privateRegistry } = settings
  return {
    app: fields.app,
    namespace: fields.app,
    spec: withSizes(fields.spec as AppSpec, fields.sizes),
    release: fields.number,
    image: fields.image ?? '',
    config,
    scale,
    environment: { baseDomain, scheme, routerPort, ingressClassName, privateRegistry },
    runtime: fields.runtime ?? 'generic',
  }
}
