import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerLog } from './log.ts'
import { timestamp, unframe, wholeLines } from './log-lines.ts'

export interface LogReadOptions {
  follow?: boolean
  /** Only the last so many lines of what is there. */
  tailLines?: number
  /** Wall clock, ms: older lines are left out. */
  sinceMs?: number
  timestamps?: boolean
  limitBytes?: number
}

const chunkBytes = 128 * 1024

/** A container's log as clients read it, in pieces; with `follow`, until the container has ended or the signal aborts. */
export async function* readLog(
  log: ContainerLog,
  options: LogReadOptions,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (!log.finished) log.poke()
  const since = options.sinceMs === undefined ? undefined : timestamp(options.sinceMs)
  const format = { timestamps: options.timestamps ?? false, since }
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY
  const oldest = Math.max(0, log.cursor.generation - 1)
  let position = options.tailLines === undefined ? { generation: oldest, offset: 0 } : tail(log, options.tailLines)
  while (left > 0 && !signal.aborted) {
    const ended = log.finished
    for (;;) {
      const piece = read(log, position)
      if (!piece) break
      position = piece.next
      const text = unframe(piece.lines, format)
      if (text.length > 0) yield text.length > left ? text.subarray(0, left) : text
      left -= text.length
      if (left <= 0 || signal.aborted) return
    }
    if (!options.follow || ended) return
    // What is appended between the read and this line cannot exist: both run in one turn of the event loop.
    if (log.finished || !atEnd(log, position)) continue
    await log.changed(signal)
  }
}

interface Position {
  generation: number
  offset: number
}

function atEnd(log: ContainerLog, position: Position): boolean {
  return position.generation >= log.cursor.generation && position.offset >= log.cursor.size
}

function read(log: ContainerLog, position: Position): { lines: Buffer; next: Position } | undefined {
  let { generation, offset } = position
  // A follower that was overtaken by two rotations goes on with the oldest file that is left.
  if (generation < log.cursor.generation - 1) {
    generation = log.cursor.generation - 1
    offset = 0
  }
  for (; generation <= log.cursor.generation; generation++, offset = 0) {
    const chunk = slice(log, generation, offset, chunkBytes)
    const whole = wholeLines(chunk)
    if (whole > 0) return { lines: chunk.subarray(0, whole), next: { generation, offset: offset + whole } }
    if (generation === log.cursor.generation) return undefined
  }
  return undefined
}

/** The position from which `count` lines follow. */
function tail(log: ContainerLog, count: number): Position {
  const { generation: newest, size } = log.cursor
  if (count <= 0) return { generation: newest, offset: size }
  let missing = count
  for (let generation = newest; generation >= Math.max(0, newest - 1); generation--) {
    let end = length(log, generation)
    while (end > 0) {
      const start = Math.max(0, end - chunkBytes)
      const chunk = slice(log, generation, start, end - start)
      for (let at = chunk.length - 1; at >= 0; at--) {
        if (chunk[at] !== 10 || start + at + 1 === length(log, generation)) continue
        if (--missing === 0) return { generation, offset: start + at + 1 }
      }
      end = start
    }
    if (length(log, generation) > 0 && --missing === 0) return { generation, offset: 0 }
  }
  return { generation: Math.max(0, newest - 1), offset: 0 }
}

function length(log: ContainerLog, generation: number): number {
  if (generation === log.cursor.generation) return log.cursor.size
  return withFile(log, generation, (fd) => fstatSync(fd).size) ?? 0
}

function slice(log: ContainerLog, generation: number, offset: number, bytes: number): Buffer {
  const end = length(log, generation)
  const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(bytes, end - offset)))
  if (buffer.length === 0) return buffer
  const read = withFile(log, generation, (fd) => readSync(fd, buffer, 0, buffer.length, offset)) ?? 0
  return buffer.subarray(0, read)
}

function withFile<T>(log: ContainerLog, generation: number, work: (fd: number) => T): T | undefined {
  let fd: number
  try {
    fd = openSync(join(log.directory, `log.${generation}`), 'r')
  } catch {
    return undefined
  }
  try {
    return work(fd)
  } finally {
    closeSync(fd)
  }
}

/** The end of a log in one piece: at most so many lines and bytes. */
export function lastLines(log: ContainerLog, lines: number, bytes: number): string {
  let position = tail(log, lines)
  const pieces: Buffer[] = []
  for (let piece = read(log, position); piece; piece = read(log, position)) {
    position = piece.next
    pieces.push(unframe(piece.lines, { timestamps: false }))
  }
  return Buffer.concat(pieces).subarray(-bytes).toString('utf8')
}
