import { CuddleError } from '#lib'
import type { Context } from './context.ts'
import type { ReleaseObject } from './kinds.ts'
import { currentRelease, getApp, releaseConfig } from './releases.ts'
import { startRelease, type Waiting } from './start-release.ts'

/** Changes config vars: `null` removes one. @throws CuddleError when nothing would change or a name is unfit */
export async function setConfig(
  context: Context,
  appName: string,
  changes: Record<string, string | null>,
  waiting?: Waiting,
): Promise<ReleaseObject | undefined> {
  const app = await getApp(context, appName)
  const before = await releaseConfig(context, await currentRelease(context, app))
  // A Map: a name like __proto__ must arrive where names are judged.
  const wanted = new Map(Object.entries(before))
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) wanted.delete(key)
    else wanted.set(key, value)
  }
  const config = Object.fromEntries(wanted)
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
