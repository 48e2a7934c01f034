import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError, sha256 } from '#lib'
import type { TarEntry } from './tar.ts'

/** An entry found on disk, with what tells cheaply whether it changed since. */
export interface TreeEntry extends TarEntry {
  /** Inode, size, mode and change time: as git judges a file unchanged. */
  stamp: string
}

/**
 * Everything below a directory as layer entries, in path order.
 * @param options.prefix put before every path (`app`); @param options.skip leaves a path (relative to `directory`) and what is below it out
 * @throws CuddleError `unsupported-file` for a device, socket or fifo, naming it
 */
export function listTree(
  directory: string,
  options: { prefix?: string; skip?: (path: string, kind: TarEntry['kind']) => boolean } = {},
): TreeEntry[] {
  const entries: TreeEntry[] = []
  const visit = (relative: string) => {
    for (const name of readdirSync(join(directory, relative)).sort()) {
      const path = relative === '' ? name : `${relative}/${name}`
      const source = join(directory, path)
      const stats = lstatSync(source, { bigint: true })
      const kind = stats.isDirectory()
        ? 'directory'
        : stats.isSymbolicLink()
          ? 'symlink'
          : stats.isFile()
            ? 'file'
            : undefined
      if (!kind) throw new CuddleError('unsupported-file', `${path} is neither a file, a directory nor a symlink`)
      if (options.skip?.(path, kind)) continue
      const entry: TreeEntry = {
        path: options.prefix ? `${options.prefix}/${path}` : path,
        kind,
        stamp: `${stats.ino}:${stats.size}:${stats.mode}:${stats.ctimeNs}`,
      }
      if (kind === 'file') {
        entry.source = source
        entry.size = Number(stats.size)
        entry.executable = (Number(stats.mode) & 0o111) !== 0
      } else if (kind === 'symlink') entry.target = readlinkSync(source)
      else entry.stamp = ''
      entries.push(entry)
      if (kind === 'directory') visit(path)
    }
  }
  visit('')
  return entries
}

/** A key that changes when a path, a mode, a target or a file behind the entries does; reads no content. */
export function treeKey(entries: readonly TreeEntry[]): string {
  return sha256(
    entries.map((entry) => `${entry.path}\0${entry.kind}\0${entry.stamp}\0${entry.target ?? ''}`).join('\n'),
  )
}

/** The directories above `path` (`a`, `a/b` for `a/b/c`) as entries. */
export function parentEntries(path: string): TarEntry[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => ({ path: parts.slice(0, index + 1).join('/'), kind: 'directory' }))
}
