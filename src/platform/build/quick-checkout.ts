import { chmodSync, lstatSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { objectFolders, parseCommit, parseTree, readLoose } from '#git'
import type { Listing } from './listing.ts'
import { makeWay } from './sync-directory.ts'
import type { BuildSource } from './types.ts'

/** What a checkout left, for the next one. */
export interface Checkout {
  listing: Listing
  /** Git's ids of the folders, by path; undefined where the source was no commit. */
  trees: Map<string, string> | undefined
  /** What tells whether a file is still as it was written. */
  stamps: Map<string, string>
}

/** Beyond so many changed files git is as fast. */
const most = 64
/** Its rules are git's to apply. */
const attributes = /(^|\/)\.gitattributes$/

/**
 * Checks out a commit that differs little from the one before, without starting git: reads what changed from the objects of the
 * push and writes that. Files that somebody else has changed since, links, attributes, packed objects: all that is left to git.
 *
 * @returns undefined when git has to do it, which then finds what was written here to be other than its index says
 */
export function quickCheckOut(
  src: string,
  source: Extract<BuildSource, { gitDir: string }>,
  before: Checkout,
): Checkout | undefined {
  const folders = objectFolders(source.gitDir, source.env)
  const commit = readLoose(folders, source.commit, 'commit')
  const root = commit && parseCommit(commit)?.tree
  if (root === undefined || before.trees === undefined) return undefined
  const found = compare(root, before as Checkout & { trees: Map<string, string> }, (id) =>
    readLoose(folders, id, 'tree'),
  )
  if (!found) return undefined
  const blobs: [path: string, executable: boolean, blob: Buffer][] = []
  for (const [path, entry] of found.changed) {
    const [mode, id] = entry.split(' ')
    const blob = readLoose(folders, id, 'blob')
    if (!blob || !/^100(644|755)$/.test(mode)) return undefined
    blobs.push([path, mode === '100755', blob])
  }
  const stamps = new Map<string, string>()
  for (const path of found.listing.keys()) {
    if (found.changed.has(path)) continue
    const stamp = stampOf(src, path)
    if (stamp === undefined || stamp !== before.stamps.get(path)) return undefined
    stamps.set(path, stamp)
  }
  for (const [path, executable, blob] of blobs) {
    makeWay(src, path)
    writeFileSync(join(src, path), blob)
    chmodSync(join(src, path), executable ? 0o755 : 0o644)
    stamps.set(path, stampOf(src, path) ?? '')
  }
  return { listing: found.listing, trees: found.trees, stamps }
}

/** The files and folders of a tree, and which files are other than before; undefined when git should look. */
function compare(
  root: string,
  before: { listing: Listing; trees: Map<string, string> },
  treeOf: (id: string) => Buffer | undefined,
): { listing: Listing; trees: Map<string, string>; changed: Map<string, string> } | undefined {
  const listing: Listing = new Map()
  const trees = new Map<string, string>()
  const changed = new Map<string, string>()
  const take = (path: string): void => {
    for (const [name, id] of before.trees) if (name === path || name.startsWith(`${path}/`)) trees.set(name, id)
    for (const [name, entry] of before.listing) if (name.startsWith(`${path}/`)) listing.set(name, entry)
  }
  const walk = (id: string, folder: string): boolean => {
    const body = treeOf(id)
    if (!body) return false
    for (const { mode, name, id } of parseTree(body)) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (name.includes('\ufffd')) return false
      if (mode === '040000') {
        if (before.trees.get(path) === id) take(path)
        else {
          trees.set(path, id)
          if (!walk(id, path)) return false
        }
        continue
      }
      const entry = `${mode} ${id}`
      listing.set(path, entry)
      if (before.listing.get(path) !== entry) changed.set(path, entry)
      if (changed.size > most) return false
    }
    return true
  }
  if (!walk(root, '')) return undefined
  const ruled = [...listing.keys(), ...before.listing.keys()].some((path) => attributes.test(path))
  return ruled ? undefined : { listing, trees, changed }
}

/** Writes down how files are now, for {@link quickCheckOut} to see whether anybody changed them. */
export function stamp(src: string, stamps: Map<string, string>, paths: Iterable<string>): void {
  for (const path of paths) {
    const now = stampOf(src, path)
    if (now === undefined) stamps.delete(path)
    else stamps.set(path, now)
  }
}

function stampOf(src: string, path: string): string | undefined {
  const stats = lstatSync(join(src, path), { bigint: true, throwIfNoEntry: false })
  return stats && `${stats.ino}:${stats.size}:${stats.mtimeNs}`
}
