import { closeSync, openSync, readSync } from 'node:fs'

/** What a program or library asks of the system it runs on. */
export interface ElfNeeds {
  /** Names of shared libraries: `libc.so.6`. */
  libraries: string[]
  /** Path of the dynamic loader, for programs. */
  loader?: string
}

const segment = { load: 1, dynamic: 2, interpreter: 3 }
const tag = { end: 0, needed: 1, strings: 5 }
const longestName = 4096

/** Reads the dynamic section of a 64-bit little-endian ELF file (System V ABI, gABI 4+); undefined for any other file. */
export function readElf(path: string): ElfNeeds | undefined {
  const file = openSync(path, 'r')
  try {
    return parse((offset, length) => {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
    })
  } finally {
    closeSync(file)
  }
}

function parse(read: (offset: number, length: number) => Buffer): ElfNeeds | undefined {
  const head = read(0, 64)
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined
  const [at, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)]
  const table = read(at, size * count)
  const segments = Array.from({ length: Math.floor(table.length / size) }, (_, index) => {
    const entry = table.subarray(index * size)
    const number = (offset: number) => Number(entry.readBigUInt64LE(offset))
    return { type: entry.readUInt32LE(0), offset: number(8), address: number(16), size: number(32) }
  })
  const of = (type: number) => segments.find((entry) => entry.type === type)
  const text = (bytes: Buffer) => bytes.toString('latin1', 0, Math.max(0, bytes.indexOf(0)))
  const interpreter = of(segment.interpreter)
  const loader = interpreter && text(read(interpreter.offset, Math.min(interpreter.size, longestName)))
  const needs: ElfNeeds = { libraries: [], ...(loader && { loader }) }
  const dynamic = of(segment.dynamic)
  if (!dynamic) return needs
  const names: number[] = []
  let strings = 0
  const entries = read(dynamic.offset, dynamic.size)
  for (let offset = 0; offset + 16 <= entries.length; offset += 16) {
    const kind = Number(entries.readBigInt64LE(offset))
    const value = Number(entries.readBigUInt64LE(offset + 8))
    if (kind === tag.end) break
    if (kind === tag.needed) names.push(value)
    if (kind === tag.strings) strings = value
  }
  // The string table is given by its address in memory; the segment that holds it says where it is in the file.
  const home = segments.find(
    ({ type, address, size }) => type === segment.load && strings >= address && strings < address + size,
  )
  if (!home) return needs
  const start = strings - home.address + home.offset
  needs.libraries = names.map((name) => text(read(start + name, 256))).filter((name) => name !== '')
  return needs
}
