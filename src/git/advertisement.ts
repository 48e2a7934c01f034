import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { flush, packet } from './pkt-line.ts'

/** What a receive-pack of this machine can do, as it said itself: learned from the first advertisement. */
export function capabilitiesIn(advertisement: Buffer): string | undefined {
  const nul = advertisement.indexOf(0)
  if (nul < 0) return undefined
  const end = advertisement.indexOf('\n', nul)
  return end < 0 ? undefined : advertisement.toString('utf8', nul + 1, end)
}

/**
 * The refs of a repository as `git receive-pack --advertise-refs` lists them (gitprotocol-pack), read from its files: a
 * push then starts one process less. Undefined when there is anything that git should rather say itself: a shallow or
 * borrowed history, a symbolic ref.
 */
export async function advertisedRefs(gitDir: string, capabilities: string): Promise<string | undefined> {
  const [shallow, alternates, packed, entries] = await Promise.all([
    read(join(gitDir, 'shallow')),
    read(join(gitDir, 'objects/info/alternates')),
    read(join(gitDir, 'packed-refs')),
    readdir(join(gitDir, 'refs'), { recursive: true, withFileTypes: true }),
  ])
  if (shallow !== undefined || alternates !== undefined) return undefined
  const refs = new Map<string, string>()
  for (const line of packed?.split('\n') ?? []) {
    const match = /^([0-9a-f]{40}) (refs\/\S+)$/.exec(line)
    if (match) refs.set(match[2], match[1])
  }
  const base = join(gitDir, 'refs').length + 1
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.endsWith('.lock')) continue
    const path = join(entry.parentPath, entry.name)
    const id = (await read(path))?.trim()
    if (id === undefined || !/^[0-9a-f]{40}$/.test(id)) return undefined
    refs.set(`refs/${path.slice(base)}`, id)
  }
  const names = [...refs.keys()].filter((name) => !name.startsWith('refs/cuddle/')).sort()
  if (names.length === 0) return packet(`${'0'.repeat(40)} capabilities^{}\0${capabilities}\n`) + flush
  const lines = names.map((name, index) =>
    packet(`${refs.get(name)} ${name}${index === 0 ? `\0${capabilities}` : ''}\n`),
  )
  return lines.join('') + flush
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
