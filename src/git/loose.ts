import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'

/** Larger ones are git's business: reading one here keeps everybody waiting. Bytes, compressed. */
const largest = 256 * 1024

/** The folders of objects of a repository, those of a push that is not accepted yet first. */
export function objectFolders(gitDir: string, env: Record<string, string> = {}): string[] {
  const quarantine = env.GIT_OBJECT_DIRECTORY
  const own = join(gitDir, 'objects')
  return quarantine === undefined ? [own] : [quarantine, own]
}

/**
 * Reads an object that has a file of its own (gitrepository-layout, "objects/[0-9a-f][0-9a-f]"), as those of a small push do: in a
 * fraction of the time in which a git program starts. Undefined when it is packed, large, or not what its name says.
 */
export function readLoose(
  folders: readonly string[],
  id: string,
  type: 'commit' | 'tree' | 'blob',
): Buffer | undefined {
  if (!/^[0-9a-f]{40}$/.test(id)) return undefined
  for (const folder of folders) {
    const path = join(folder, id.slice(0, 2), id.slice(2))
    const size = statSync(path, { throwIfNoEntry: false })?.size
    if (size === undefined) continue
    if (size > largest) return undefined
    try {
      const bytes = inflateSync(readFileSync(path), { maxOutputLength: 16 * largest })
      if (createHash('sha1').update(bytes).digest('hex') !== id) return undefined
      const nul = bytes.indexOf(0)
      return bytes.toString('latin1', 0, nul).startsWith(`${type} `) ? bytes.subarray(nul + 1) : undefined
    } catch {
      return undefined
    }
  }
  return undefined
}

export interface TreeItem {
  /** As `ls-tree` prints it: six digits. */
  mode: string
  name: string
  id: string
}

/** The entries of a tree object (SHA-1). */
export function parseTree(body: Buffer): TreeItem[] {
  const items: TreeItem[] = []
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const nul = body.indexOf(0, space)
    items.push({
      mode: body.toString('latin1', at, space).padStart(6, '0'),
      name: body.toString('utf8', space + 1, nul),
      id: body.toString('hex', nul + 1, nul + 21),
    })
    at = nul + 21
  }
  return items
}

export interface CommitFacts {
  tree: string
  /** `NAME <ADDRESS>` */
  author: string
  /** The first paragraph of the message, in one line, as `%s` of git log. */
  subject: string
}

/** What a commit object says; undefined when it is written in another encoding than UTF-8. */
export function parseCommit(body: Buffer): CommitFacts | undefined {
  const text = body.toString('utf8')
  const end = text.indexOf('\n\n')
  const head = end < 0 ? text : text.slice(0, end)
  const field = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(head)?.[1]
  const tree = field('tree')
  const author = /^(.*>) -?\d+ [+-]\d+$/.exec(field('author') ?? '')?.[1]
  if (tree === undefined || author === undefined || field('encoding') !== undefined) return undefined
  const message = end < 0 ? '' : text.slice(end + 2)
  const [paragraph] = message.replace(/^\n+/, '').split(/\n[ \t]*\n/)
  const subject = paragraph
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join(' ')
  return { tree, author, subject }
}
