import { readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CuddleError } from '#lib'

/** One entry of a layer. Owner, group and time are not part of it: every layer has uid 0, gid 0, mtime 0. */
export interface TarEntry {
  /** Relative, `/` between parts, neither leading nor trailing slash. */
  path: string
  kind: 'file' | 'directory' | 'symlink'
  /** Files: an executable or not; everything else about the mode is normalised (0755 / 0644). */
  executable?: boolean
  /** A file's bytes, or where on this machine to read them. */
  data?: Uint8Array
  source?: string
  /** A file's size in bytes; needed with `source`, checked when it is read. */
  size?: number
  /** A symlink's target. */
  target?: string
}

const block = 512
const maxLayer = 2 ** 31 - 1

/**
 * Packs entries as a POSIX.1-2001 (ustar + pax) archive in path order, so that the same content is the same bytes on any
 * machine. Lets the event loop run every few megabytes.
 */
export async function packTar(entries: readonly TarEntry[], signal?: AbortSignal): Promise<Buffer> {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  const prefixes = sorted.map(paxHeader)
  let total = 2 * block
  for (const [index, entry] of sorted.entries()) total += prefixes[index].length + block + padded(sizeOf(entry))
  if (total > maxLayer) throw new CuddleError('layer-too-large', `a layer of ${total} bytes; the limit is 2 GiB`)
  const archive = Buffer.alloc(total)
  let offset = 0
  let sinceYield = 0
  for (const [index, entry] of sorted.entries()) {
    offset += prefixes[index].copy(archive, offset)
    writeHeader(archive, offset, entry, prefixes[index].length > 0)
    offset += block
    const size = sizeOf(entry)
    if (size > 0) contentOf(entry, size).copy(archive, offset)
    offset += padded(size)
    sinceYield += size + 16 * 1024
    if (sinceYield > 4 * 1024 * 1024) {
      sinceYield = 0
      await nextTurn()
      signal?.throwIfAborted()
    }
  }
  return archive
}

function sizeOf(entry: TarEntry): number {
  if (entry.kind !== 'file') return 0
  return entry.data ? entry.data.length : (entry.size ?? 0)
}

function contentOf(entry: TarEntry, size: number): Buffer {
  const bytes = entry.data ?? readFileSync(entry.source!)
  if (bytes.length !== size) throw new CuddleError('file-changed', `${entry.path} changed while its layer was packed`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function padded(size: number): number {
  return Math.ceil(size / block) * block
}

/** The file name field of a directory ends in a slash. */
function nameOf(entry: TarEntry): string {
  return entry.kind === 'directory' ? `${entry.path}/` : entry.path
}

function writeHeader(archive: Buffer, at: number, entry: TarEntry, extended: boolean): void {
  const [prefix, name] = extended ? ['', nameOf(entry)] : splitName(nameOf(entry))!
  archive.write(name, at, 100, 'utf8')
  const mode = entry.kind === 'symlink' ? 0o777 : entry.kind === 'directory' || entry.executable ? 0o755 : 0o644
  octal(archive, at + 100, 8, mode)
  octal(archive, at + 108, 8, 0)
  octal(archive, at + 116, 8, 0)
  octal(archive, at + 124, 12, sizeOf(entry))
  octal(archive, at + 136, 12, 0)
  archive.write(entry.kind === 'file' ? '0' : entry.kind === 'directory' ? '5' : '2', at + 156, 'latin1')
  if (entry.kind === 'symlink') archive.write(entry.target!, at + 157, 100, 'utf8')
  archive.write('ustar\0' + '00', at + 257, 'latin1')
  archive.write(prefix, at + 345, 155, 'utf8')
  seal(archive, at)
}

/** ustar holds names to 100 bytes, or 155 + 100 split at a slash; undefined when it does not fit. */
function splitName(name: string): [string, string] | undefined {
  const bytes = Buffer.byteLength(name)
  if (bytes !== name.length) return undefined
  if (bytes <= 100) return ['', name]
  const slash = name.lastIndexOf('/', 155)
  if (slash > 0 && bytes - slash - 1 <= 100 && bytes - slash - 1 > 0)
    return [name.slice(0, slash), name.slice(slash + 1)]
  return undefined
}

function paxHeader(entry: TarEntry): Buffer {
  const records: string[] = []
  if (!splitName(nameOf(entry))) records.push(paxRecord('path', nameOf(entry)))
  if (entry.kind === 'symlink' && !fits(entry.target!)) records.push(paxRecord('linkpath', entry.target!))
  if (records.length === 0) return Buffer.alloc(0)
  const body = Buffer.from(records.join(''))
  const archive = Buffer.alloc(block + padded(body.length))
  archive.write('PaxHeaders/entry', 0, 'latin1')
  octal(archive, 100, 8, 0o644)
  octal(archive, 108, 8, 0)
  octal(archive, 116, 8, 0)
  octal(archive, 124, 12, body.length)
  octal(archive, 136, 12, 0)
  archive.write('x', 156, 'latin1')
  archive.write('ustar\0' + '00', 257, 'latin1')
  seal(archive, 0)
  body.copy(archive, block)
  return archive
}

function fits(target: string): boolean {
  return Buffer.byteLength(target) === target.length && target.length <= 100
}

/** `LENGTH key=value\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  if (String(length).length !== String(rest).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function octal(archive: Buffer, at: number, width: number, value: number): void {
  archive.write(value.toString(8).padStart(width - 1, '0') + '\0', at, width, 'latin1')
}

function seal(archive: Buffer, at: number): void {
  archive.fill(0x20, at + 148, at + 156)
  let sum = 0
  for (let index = at; index < at + block; index++) sum += archive[index]
  archive.write(sum.toString(8).padStart(6, '0') + '\0 ', at + 148, 8, 'latin1')
}
