import { CuddleError } from '#lib'
import type { AppSpec } from '#spec'
import type { Context } from './context.ts'
import type { ReleaseObject } from './kinds.ts'
import { getApp, getRelease, listReleases, releaseConfig } from './releases.ts'
import { startRelease, type Waiting } from './start-release.ts'

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
      sizes: target.spec.sizes ?? {},
      config: await releaseConfig(context, target),
    },
    waiting,
  )
}
