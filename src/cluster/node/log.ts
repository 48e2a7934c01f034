import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#lib'
import { frame, timestamp } from './log-lines.ts'

const streams = ['stdout', 'stderr'] as const
const chunkBytes = 256 * 1024
/** Raw output that has been indexed is given back to the file system in pieces of this size. */
const punchBytes = 8 * 1024 * 1024
/** Under a flood of output the raw files are read this often at most, ms. */
const pause = 15

export interface Cursor {
  /** Number of the log file that is written. */
  generation: number
  /** Its length: bytes beyond it were not acknowledged by a cursor and are cut off after a crash. */
  size: number
  stdout: number
  stderr: number
}

/**
 * The log of one attempt. The app appends to `stdout` and `stderr` by itself; this reads what is new, stamps it with the
 * time of its writing and appends it to `log.N`. The cursor is written after the log: an agent that was killed in between
 * cuts the log back to the cursor and reads the same raw bytes again, so that no line is lost and none is doubled.
 */
export class ContainerLog {
  readonly directory: string
  finished = false
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #waiting = new Set<() => void>()
  readonly #fds = new Map<string, number>()
  readonly #punched = { stdout: 0, stderr: 0 }
  #cursor: Cursor | undefined
  #lastTime = 0
  #scheduled: (() => void) | undefined
  #lastPump = Number.NEGATIVE_INFINITY

  /** @param maxBytes a log file is followed by the next one at this size; two are kept. @default 10 MB, as the kubelet */
  constructor(directory: string, clock: Clock, maxBytes = 10 * 1024 * 1024) {
    this.directory = directory
    this.#clock = clock
    this.#maxBytes = maxBytes
  }

  /** Where writing stands. */
  get cursor(): Readonly<Cursor> {
    this.#cursor ??= this.#restore()
    return this.#cursor
  }

  /** There may be new output: read it now, or soon when it was read a moment ago. */
  poke(): void {
    if (this.finished || this.#scheduled) return
    const wait = this.#lastPump + pause - this.#clock.monotonic()
    if (wait <= 0) {
      this.#pump(false)
      return
    }
    this.#scheduled = this.#clock.after(wait, () => {
      this.#scheduled = undefined
      if (!this.finished) this.#pump(false)
    })
  }

  /** The container has ended: reads the rest, a last line without newline included. Followers come to their end. */
  finish(): void {
    if (this.finished) return
    // Whole lines of both first: what has no end is not to stand before another's line.
    this.#pump(false)
    this.#pump(true)
    this.finished = true
    this.close()
    this.#notify()
  }

  /** Wall clock in ms of the last output, or of the start when there was none. */
  lastWrite(): number {
    let last = 0
    for (const name of [...streams, 'pid']) {
      try {
        last = Math.max(last, Math.round(statSync(join(this.directory, name)).mtimeMs))
      } catch {
        // not there yet
      }
    }
    return last
  }

  /** Resolves when something was appended or the log has ended. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done, { once: true })
      if (signal.aborted) done()
    })
  }

  close(): void {
    this.#scheduled?.()
    this.#scheduled = undefined
    for (const fd of this.#fds.values()) closeSync(fd)
    this.#fds.clear()
  }

  #pump(final: boolean): void {
    this.#lastPump = this.#clock.monotonic()
    try {
      for (const stream of streams) this.#pumpStream(stream, final)
    } catch {
      // A full disk: the raw output stays where it is and is read again with the next poke.
    }
  }

  #pumpStream(stream: 'stdout' | 'stderr', final: boolean): void {
    const fd = this.#open(stream, 'r')
    if (fd === undefined) return
    const raw = fstatSync(fd)
    this.#lastTime = Math.max(this.#lastTime, Math.floor(raw.mtimeMs))
    const time = timestamp(this.#lastTime)
    const cursor = this.cursor as Cursor
    for (let more = true; more && cursor[stream] < raw.size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, raw.size - cursor[stream]))
      const length = readSync(fd, chunk, 0, chunk.length, cursor[stream])
      more = length > 0
      const last = cursor[stream] + length >= raw.size
      const { lines, consumed } = frame(chunk.subarray(0, length), stream, time, final && last)
      if (consumed === 0) break
      this.#append(Buffer.concat(lines))
      cursor[stream] += consumed
      this.#save()
    }
    this.#punch(stream)
    this.#notify()
  }

  #append(data: Buffer): void {
    const cursor = this.cursor as Cursor
    if (cursor.size > 0 && cursor.size + data.length > this.#maxBytes) this.#rotate(cursor)
    const fd = this.#open(`log.${cursor.generation}`, 'a')
    if (fd === undefined) return
    try {
      for (let at = 0; at < data.length; ) at += writeSync(fd, data, at)
    } catch (error) {
      ftruncateSync(fd, cursor.size)
      throw error
    }
    cursor.size += data.length
  }

  #rotate(cursor: Cursor): void {
    this.#shut(`log.${cursor.generation}`)
    cursor.generation++
    cursor.size = 0
    this.#save()
    try {
      unlinkSync(join(this.directory, `log.${cursor.generation - 2}`))
    } catch {
      // the first rotation has none to drop
    }
  }

  // One write of a few bytes at a fixed place: a killed process leaves the old record or the new one.
  #save(): void {
    const { generation, size, stdout, stderr } = this.cursor
    const fd = this.#open('cursor', 'r+')
    if (fd !== undefined) writeSync(fd, `${[generation, size, stdout, stderr].join(' ').padEnd(79)}\n`, 0)
  }

  #restore(): Cursor {
    let text = ''
    try {
      text = readFileSync(join(this.directory, 'cursor'), 'latin1')
    } catch {
      // a new log
    }
    const [generation = 0, size = 0, stdout = 0, stderr = 0] = text.split(' ').filter(Boolean).map(Number)
    const cursor = { generation: generation || 0, size: size || 0, stdout: stdout || 0, stderr: stderr || 0 }
    const fd = this.#open(`log.${cursor.generation}`, 'a')
    if (fd !== undefined && fstatSync(fd).size > cursor.size) ftruncateSync(fd, cursor.size)
    return cursor
  }

  // The app appends, so cutting the file would race with it; a hole at its beginning does not.
  #punch(stream: 'stdout' | 'stderr'): void {
    const consumed = this.cursor[stream]
    if (consumed - this.#punched[stream] < punchBytes) return
    this.#punched[stream] = consumed
    const path = join(this.directory, stream)
    const child = spawn('fallocate', ['--punch-hole', '--offset', '0', '--length', String(consumed), path], {
      stdio: 'ignore',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    })
    child.on('error', () => {})
    child.unref()
  }

  #open(name: string, mode: 'r' | 'a' | 'r+'): number | undefined {
    const known = this.#fds.get(name)
    if (known !== undefined) return known
    const path = join(this.directory, name)
    if (mode === 'r' && !existsSync(path)) return undefined
    if (mode === 'r+' && !existsSync(path)) {
      mkdirSync(this.directory, { recursive: true })
      closeSync(openSync(path, 'a'))
    }
    const fd = openSync(path, mode)
    this.#fds.set(name, fd)
    return fd
  }

  #shut(name: string): void {
    const fd = this.#fds.get(name)
    if (fd === undefined) return
    closeSync(fd)
    this.#fds.delete(name)
  }

  #notify(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
