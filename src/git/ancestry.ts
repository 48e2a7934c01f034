import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inflate } from 'node:zlib'
import { exec } from '#lib'

const inflated = promisify(inflate)
/** Commits that are looked at before git is asked. */
const maxSteps = 20

/**
 * True when `old` is part of the history of `id`. A usual push brings a few commits on top of the old one: their loose
 * objects tell it in a fraction of a millisecond; for the rest git is asked. Undefined when nobody knows (shallow).
 */
export async function isAncestor(
  old: string,
  id: string,
  options: { gitDir: string; env: Record<string, string> },
): Promise<boolean | undefined> {
  const folders = [options.env['GIT_QUARANTINE_PATH'], join(options.gitDir, 'objects')].filter(
    (path) => path !== undefined,
  )
  let next = id
  for (let step = 0; step < maxSteps; step++) {
    const parents = await parentsOf(next, folders)
    if (!parents) break
    if (parents.includes(old)) return true
    if (parents.length !== 1) break
    next = parents[0]
  }
  const { code } = await exec('git', ['merge-base', '--is-ancestor', old, id], {
    cwd: options.gitDir,
    env: options.env,
  })
  return code === 0 ? true : code === 1 ? false : undefined
}

/** The parents of a commit that lies as a loose object in one of the folders. */
async function parentsOf(id: string, folders: readonly string[]): Promise<string[] | undefined> {
  for (const folder of folders) {
    try {
      const object = await inflated(await readFile(join(folder, id.slice(0, 2), id.slice(2))), {
        maxOutputLength: 1 << 20,
      })
      const header = object.toString('latin1').split('\n\n', 1)[0]
      if (!header.startsWith('commit ')) return undefined
      return [...header.matchAll(/\nparent ([0-9a-f]{40})/g)].map((match) => match[1])
    } catch {
      // Not here, or packed: the next folder, or git, will know.
    }
  }
  return undefined
}
