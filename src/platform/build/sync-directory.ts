import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { listTree } from '#image'
import { CuddleError, exec, sha256 } from '#lib'
import { checkLink, type Listing } from './listing.ts'

const ignored = new Set(['.git', '_build', 'node_modules', '.elixir_ls', '.hg', '.svn'])

/** Makes `src` hold the files of a folder, writing only those that differ. Leftovers are the caller's to remove. */
export async function syncDirectory(
  src: string,
  directory: string,
  path: string | undefined,
  signal?: AbortSignal,
): Promise<Listing> {
  const listing: Listing = new Map()
  for (const file of await filesOf(directory, path, signal)) {
    const from = join(directory, file)
    const to = join(src, file)
    const stats = lstatSync(from, { throwIfNoEntry: false })
    if (!stats || stats.isDirectory()) continue
    const before = lstatSync(to, { throwIfNoEntry: false })
    if (stats.isSymbolicLink()) {
      const target = readlinkSync(from)
      checkLink(file, target)
      listing.set(file, `120000 ${sha256(target)}`)
      if (before?.isSymbolicLink() && readlinkSync(to) === target) continue
      makeWay(src, file)
      symlinkSync(target, to)
      continue
    }
    if (!stats.isFile()) throw new CuddleError('bad-source', `${file} is neither a file nor a folder`)
    const mode = stats.mode & 0o111 ? 0o755 : 0o644
    const bytes = readFileSync(from)
    listing.set(file, `${mode.toString(8)} ${sha256(bytes)}`)
    if (before?.isFile() && before.size === bytes.length && readFileSync(to).equals(bytes)) {
      if ((before.mode & 0o777) !== mode) chmodSync(to, mode)
      continue
    }
    makeWay(src, file)
    writeFileSync(to, bytes, { mode })
    chmodSync(to, mode)
  }
  return listing
}

/** A folder that is a git work tree says itself what belongs to it. */
async function filesOf(directory: string, path: string | undefined, signal?: AbortSignal): Promise<string[]> {
  if (lstatSync(join(directory, '.git'), { throwIfNoEntry: false })) {
    const result = await exec('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: directory,
      env: {
        PATH: path,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
      },
      signal,
      maxBuffer: 64 * 1024 * 1024,
    }).catch(() => undefined)
    if (result?.code === 0) return result.stdout.split('\0').filter((file) => file !== '')
  }
  const skip = (file: string) => ignored.has(file.slice(file.lastIndexOf('/') + 1))
  return listTree(directory, { skip })
    .filter((entry) => entry.kind !== 'directory')
    .map((entry) => entry.path)
}

/** Clears the place of a file: an older file or link there, or one where a folder must be. */
export function makeWay(src: string, file: string): void {
  for (let at = file.indexOf('/'); at >= 0; at = file.indexOf('/', at + 1)) {
    const parent = join(src, file.slice(0, at))
    const stats = lstatSync(parent, { throwIfNoEntry: false })
    if (stats && !stats.isDirectory()) rmSync(parent)
  }
  rmSync(join(src, file), { recursive: true, force: true })
  mkdirSync(dirname(join(src, file)), { recursive: true })
}
