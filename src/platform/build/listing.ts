import { posix } from 'node:path'
import { CuddleError } from '#lib'

/** The files of a source: path → what identifies the content (git's blob id and mode, or a hash). */
export type Listing = Map<string, string>

/** @throws CuddleError `bad-source` when a symlink leads out of the source */
export function checkLink(file: string, target: string): void {
  const resolved = posix.normalize(posix.join(posix.dirname(file), target))
  if (target.startsWith('/') || resolved === '..' || resolved.startsWith('../')) {
    throw new CuddleError('bad-source', `${file} is a symlink to ${target}, which is outside of the source`)
  }
}

/** The paths that differ between two listings. */
export function changedPaths(before: Listing, after: Listing): string[] {
  const changed: string[] = []
  for (const [path, id] of after) if (before.get(path) !== id) changed.push(path)
  for (const path of before.keys()) if (!after.has(path)) changed.push(path)
  return changed.sort()
}
