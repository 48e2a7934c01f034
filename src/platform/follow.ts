import { backoffDelay, CuddleError } from '#lib'
import type { Context } from './context.ts'
import { failureLines } from './diagnose.ts'
import { hotLines } from './hot-release/lines.ts'
import { App, Release, type ReleaseObject } from './kinds.ts'
import { currentRelease, isDone } from './releases.ts'

/**
 * Follows a release to its end and returns it. Progress goes to `write`, a line per change. Goes on through a restart of
 * the API server. @throws CuddleError `interrupted` when the signal aborts; the release goes on without us
 */
export async function followRelease(
  context: Context,
  app: string,
  number: number,
  write: (line: string) => void,
  signal?: AbortSignal,
): Promise<ReleaseObject> {
  const name = `v${number}`
  let said: string | undefined
  let told = 0
  const see = (release: ReleaseObject): boolean => {
    const lines = hotLines(release.status?.hot, name)
    for (const line of lines.slice(told)) write(line)
    told = Math.max(told, lines.length)
    const message = release.status?.message
    if (!isDone(release) && message && message !== said) {
      said = message
      write(`       ${message}`)
    }
    return isDone(release)
  }
  for (let failures = 0; !signal?.aborted; ) {
    try {
      const found = await context.kube.find(Release, name, app, { signal })
      if (!found) throw new CuddleError('no-release', `${app} ${name} is gone: the app was destroyed meanwhile`)
      if (see(found)) return found
      const events = context.kube.watch(Release, {
        namespace: app,
        fieldSelector: `metadata.name=${name}`,
        resourceVersion: found.metadata.resourceVersion,
        timeoutSeconds: 60,
        signal,
      })
      for await (const event of events) {
        if (event.type === 'ERROR') break
        if (event.type === 'DELETED')
          throw new CuddleError('no-release', `${app} ${name} is gone: the app was destroyed meanwhile`)
        if (event.type === 'MODIFIED' && see(event.object)) return event.object
      }
      failures = 0
    } catch (error) {
      if (error instanceof CuddleError || failures > 40) throw error
      await context.clock.sleep(backoffDelay(failures++, { initial: 100, max: 1_000 }), signal)
    }
  }
  throw new CuddleError('interrupted', `stopped watching ${app} ${name}; the rollout goes on`, {
    hint: `cuddle releases -a ${app}`,
  })
}

/** `vN` of the release whose pods serve, or undefined where none has code yet. */
export async function servingRelease(context: Context, app: string): Promise<string | undefined> {
  const found = await context.kube.find(App, app)
  const release = found && (await currentRelease(context, found))
  return release?.spec.image ? `v${release.spec.number}` : undefined
}

/** Throws the failure report of a release that failed; returns it when it is live. */
export async function expectLive(context: Context, app: string, release: ReleaseObject): Promise<ReleaseObject> {
  if (release.status?.phase === 'Succeeded') return release
  const failure = release.status?.failure
  const lines = failure
    ? failureLines(failure, `${app} v${release.spec.number}`, await servingRelease(context, app))
    : [`!     ${app} v${release.spec.number} failed: ${release.status?.message ?? 'no reason given'}`]
  throw new CuddleError('rollout-failed', `${app} v${release.spec.number} did not go live`, { details: lines })
}
