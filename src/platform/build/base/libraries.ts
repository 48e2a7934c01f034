import { lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { exec } from '#lib'
import { readElf } from './elf.ts'

/** Where this machine's loader finds libraries, by name. */
export type LibraryPaths = ReadonlyMap<string, string>

/** The loader's cache (ldconfig(8)). Of a name that is there for several architectures the first, which is the native one. */
export async function libraryPaths(path: string | undefined): Promise<LibraryPaths> {
  // It is in /sbin, which is not on everybody's PATH.
  const env = { PATH: `${path ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  const { stdout } = await exec('ldconfig', ['-p'], { env }).catch(() => ({ stdout: '' }))
  const found = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const [, name, file] = /^\s+(\S+) \(.*\) => (\/\S+)$/.exec(line) ?? []
    if (name && file && !found.has(name)) found.set(name, file)
  }
  return found
}

/**
 * The files, links included, that programs and libraries need to be loaded, and what those need. Names that the machine
 * does not have either are left out: they come with the app, or its program runs nowhere.
 */
export function libraryClosure(files: Iterable<string>, paths: LibraryPaths): Set<string> {
  const wanted = new Set<string>()
  const queue = [...files]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    // Of a link, what it leads to is among the files as well.
    const needs = lstatSync(file).isFile() ? readElf(file) : undefined
    if (!needs) continue
    const libraries = needs.libraries.flatMap((name) => paths.get(name) ?? [])
    for (const library of [...libraries, ...(needs.loader ? [needs.loader] : [])]) {
      for (const path of linkChain(library)) {
        if (wanted.has(path)) continue
        wanted.add(path)
        queue.push(path)
      }
    }
  }
  return wanted
}

/** A path, and where it leads to as long as it is a link, each with its folder's true name. Empty when it leads nowhere. */
export function linkChain(path: string): string[] {
  const chain: string[] = []
  for (let at = path; ; ) {
    try {
      at = join(realpathSync(dirname(at)), basename(at))
      if (chain.includes(at)) return []
      chain.push(at)
      if (!lstatSync(at).isSymbolicLink()) return chain
      at = resolve(dirname(at), readlinkSync(at))
    } catch {
      return []
    }
  }
}
