import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, unlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { Clock } from '#lib'
import { exitStatus, type RemoteStreams, type TerminalSize } from '../../streams/index.ts'
import type { Attempt } from '../attempt.ts'
import { signal as sendSignal } from '../proc.ts'
import { fifoStream } from './pipes.ts'
import { firstSize, resizeTerminal } from './terminal.ts'

const chunkBytes = 64 * 1024

/**
 * Joins a client to a container's main process: its output from now on, and its standard input where the container has one
 * (`stdin: true`). Ends when the container ends, or the client goes; then `stdinOnce` closes the input for good.
 */
export async function attachTo(
  streams: RemoteStreams,
  attempt: Attempt,
  { stdinOnce = false, tty = false }: { stdinOnce?: boolean | undefined; tty?: boolean | undefined },
  clock: Clock,
): Promise<void> {
  const gone = new AbortController()
  const end = () => gone.abort()
  streams.gone.addEventListener('abort', end, { once: true })
  if (streams.gone.aborted) end()
  const input = streams.stdin && openInput(attempt.directory)
  if (input) {
    streams.stdin!.once('end', () => {
      // A terminal's end of input is a character; who hangs up leaves the process without a terminal.
      if (tty && !streams.gone.aborted) return void input.write('\x04')
      input.end()
      if (!stdinOnce) return
      if (tty) attempt.signal('SIGHUP')
      else closeInput(attempt.directory)
    })
  }
  const outputs = [
    streams.stdout && copyOutput(attempt, 'stdout', streams.stdout, gone.signal),
    streams.stderr && copyOutput(attempt, 'stderr', streams.stderr, gone.signal),
  ]
  if (tty)
    await followSize(streams, clock, (size) => resizeTerminal(readText(join(attempt.directory, 'tty')).trim(), size))
  // Only now: what is typed may ask for the size.
  if (input) streams.stdin!.pipe(input, { end: false })
  await Promise.race([
    attempt.ended,
    new Promise<void>((resolve) => {
      if (gone.signal.aborted) resolve()
      gone.signal.addEventListener('abort', () => resolve())
    }),
  ])
  await Promise.all(outputs)
  input?.destroy()
  streams.gone.removeEventListener('abort', end)
  await streams.finish(exitStatus(0, streams.protocol))
}

/** Resolves when the terminal has the size that the client came with. */
async function followSize(
  streams: RemoteStreams,
  clock: Clock,
  resize: (size: TerminalSize) => Promise<void>,
): Promise<void> {
  const first = await firstSize(streams, clock)
  if (first) await resize(first)
  streams.onResize((size) => void resize(size))
}

/** Passes on what the container appends to one of its output files, from its present end. */
async function copyOutput(attempt: Attempt, name: 'stdout' | 'stderr', to: Writable, gone: AbortSignal): Promise<void> {
  let fd: number
  try {
    fd = openSync(join(attempt.directory, name), 'r')
  } catch {
    return
  }
  const chunk = Buffer.allocUnsafe(chunkBytes)
  try {
    let at = fstatSync(fd).size
    while (!gone.aborted) {
      const over = attempt.log.finished
      const length = readSync(fd, chunk, 0, chunkBytes, at)
      at += length
      if (length > 0) {
        const free = to.write(Buffer.from(chunk.subarray(0, length)))
        if (!free) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve))
      } else if (over) return
      else if (fstatSync(fd).size <= at && !attempt.log.finished) await attempt.log.changed(gone)
    }
  } finally {
    closeSync(fd)
  }
}

/** The writing end of a container's standard input; undefined when it has none, or nobody reads it. */
function openInput(directory: string): Socket | undefined {
  try {
    return fifoStream(openSync(join(directory, 'stdin'), constants.O_WRONLY | constants.O_NONBLOCK), 'in')
  } catch {
    return undefined
  }
}

/** Ends the process that keeps the input open: with the last writer gone the container reads its end. */
function closeInput(directory: string): void {
  const file = join(directory, 'stdin-holder')
  const pid = Number(readText(file))
  if (!(pid > 1) || !readText(`/proc/${pid}/cmdline`).startsWith('tail\0')) return
  unlinkSync(file)
  sendSignal(pid, 'SIGTERM')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
