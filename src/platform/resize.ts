import { CuddleError } from '#lib'
import type { Context } from './context.ts'
import type { ReleaseObject } from './kinds.ts'
import { currentRelease, getApp } from './releases.ts'
import { type ProcessSize, sizesOf } from './sizes.ts'
import { startRelease, type Waiting } from './start-release.ts'

/** The sizes of all processes of the current release; none before the first deploy. */
export async function readSizes(context: Context, app: string): Promise<Record<string, ProcessSize>> {
  const release = await currentRelease(context, await getApp(context, app))
  return release?.spec.spec ? sizesOf(release.spec) : {}
}

/**
 * Gives the pods of a process another size, as a release.
 * @param words as `readSize` of #spec takes them; undefined gives the size of the spec back
 * @returns undefined when that is its size already
 * @throws CuddleError `no-process`, `usage`
 */
export async function resizeProcess(
  context: Context,
  app: string,
  process: string,
  words: readonly string[] | undefined,
  waiting?: Waiting,
): Promise<ReleaseObject | undefined> {
  const release = await currentRelease(context, await getApp(context, app))
  const known = release?.spec.spec ? sizesOf(release.spec) : {}
  if (!release || !Object.hasOwn(known, process)) {
    throw new CuddleError('no-process', `${app} has no process "${process}"`, {
      hint: `it has ${Object.keys(known).join(', ') || 'none yet: deploy first'}`,
    })
  }
  const { [process]: before, ...others } = release.spec.sizes ?? {}
  if (words === undefined) {
    if (!before) return undefined
    const cause = { kind: 'resize' as const, message: `Resize ${process} as cuddle.yaml says` }
    return startRelease(context, app, { cause, sizes: others }, waiting)
  }
  const { readSize } = await import('#spec')
  const { cpu, memory, byHand } = known[process]
  const read = readSize(words, { cpu, memory })
  if (!('value' in read)) throw new CuddleError('usage', read.message, { hint: read.hint })
  const size = read.value
  if (byHand && size.cpu === cpu && size.memory === memory) return undefined
  const cause = { kind: 'resize' as const, message: `Resize ${process} to ${size.cpu} CPU, ${size.memory}` }
  return startRelease(context, app, { cause, sizes: { ...others, [process]: size } }, waiting)
}
