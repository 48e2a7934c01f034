import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError, exec } from '#lib'
import { checkLink, type Listing } from './listing.ts'
import { type Checkout, quickCheckOut, stamp } from './quick-checkout.ts'
import { syncDirectory } from './sync-directory.ts'
import type { BuildSource } from './types.ts'
import type { Workspace } from './workspace.ts'

/** Folders that build tools keep in a source; they stay between builds unless the source has them itself. */
const caches = new Set(['_build', 'deps', 'node_modules'])

/**
 * Makes `workspace.src` hold exactly the source, touching only files that differ, and keeping the build tools' caches.
 * @param before what the last checkout left, when nothing else was checked out since
 * @throws CuddleError `bad-source` for a submodule or a symlink that leaves the tree
 */
export async function checkOut(
  workspace: Workspace,
  source: BuildSource,
  path: string | undefined,
  before: Checkout | undefined,
  signal?: AbortSignal,
): Promise<Checkout> {
  if ('directory' in source) {
    rmSync(join(workspace.root, 'index'), { force: true })
    const listing = await syncDirectory(workspace.src, source.directory, path, signal)
    return { listing, trees: undefined, stamps: new Map() }
  }
  const quick = before && quickCheckOut(workspace.src, source, before)
  if (quick) return quick
  const env = {
    ...source.env,
    PATH: path,
    HOME: workspace.home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_INDEX_FILE: join(workspace.root, 'index'),
    GIT_DIR: source.gitDir,
    GIT_WORK_TREE: workspace.src,
    LC_ALL: 'C',
  }
  const git = async (...args: string[]) => {
    const result = await exec('git', args, { cwd: workspace.src, env, signal, maxBuffer: 64 * 1024 * 1024 })
    if (result.code === 0) return result.stdout
    if (signal?.aborted) throw new CuddleError('build-cancelled', 'the build was cancelled')
    throw new CuddleError('bad-source', `checking out ${source.commit} failed`, {
      details: result.stderr.trim().split('\n'),
    })
  }
  // A lock is left behind only by a git that was killed: builds of one app never overlap.
  rmSync(join(workspace.root, 'index.lock'), { force: true })
  const [listed] = await Promise.all([
    git('ls-tree', '-r', '-t', '-z', '--full-tree', source.commit),
    git('-c', 'core.hooksPath=/dev/null', 'read-tree', '--reset', '-u', source.commit),
  ])
  const listing: Listing = new Map()
  const trees = new Map<string, string>()
  for (const row of listed.split('\0')) {
    if (row === '') continue
    const tab = row.indexOf('\t')
    const [mode, , id] = row.slice(0, tab).split(' ')
    const file = row.slice(tab + 1)
    if (mode === '040000') {
      trees.set(file, id)
      continue
    }
    if (mode === '160000') {
      throw new CuddleError('bad-source', `${file} is a git submodule; a push does not bring its files along`, {
        hint: `commit the files themselves: git rm --cached ${file} && rm -rf ${file}/.git && git add ${file}`,
      })
    }
    if (mode === '120000') checkLink(file, await git('cat-file', 'blob', id))
    listing.set(file, `${mode} ${id}`)
  }
  const stamps = new Map<string, string>()
  stamp(workspace.src, stamps, listing.keys())
  return { listing, trees, stamps }
}

/** Removes what an earlier build or source left in the folder, except the caches: the same source is the same folder. */
export function removeLeftovers(src: string, listing: Listing): void {
  const directories = new Set<string>()
  for (const file of listing.keys()) {
    for (let at = file.indexOf('/'); at >= 0; at = file.indexOf('/', at + 1)) directories.add(file.slice(0, at))
  }
  const visit = (relative: string) => {
    for (const entry of readdirSync(join(src, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`
      if (entry.isDirectory() && directories.has(path)) visit(path)
      else if (!listing.has(path) && !(entry.isDirectory() && caches.has(entry.name))) {
        rmSync(join(src, path), { recursive: true, force: true })
      }
    }
  }
  visit('')
}

/** A small text file of the source, or undefined. Symlinks are not followed. */
export function readText(src: string, path: string): string | undefined {
  const file = join(src, path)
  if (!existsSync(file)) return undefined
  const stats = lstatSync(file)
  if (!stats.isFile()) return undefined
  if (stats.size > 1024 * 1024) throw new CuddleError('bad-source', `${path} is larger than 1 MiB`)
  return readFileSync(file, 'utf8')
}
