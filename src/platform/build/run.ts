import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { type Clock, CuddleError, formatBytes, formatDuration } from '#lib'
import { killTree, processTree } from './process-tree.ts'

export interface RunLimits {
  timeoutMs: number
  memoryBytes: number
}

export interface RunOptions {
  cwd: string
  /** The whole environment. */
  env: Record<string, string>
  limits: RunLimits
  clock: Clock
  onLine: (line: string) => void
  signal?: AbortSignal
}

export interface RunResult {
  code: number | null
  /** The last lines of output, both streams as they came. */
  tail: string[]
}

const niceness = 10
/** Of its session: a third of what others get who want all. */
const sessionNiceness = 5
const watchEveryMs = 500
const tailLines = 40

/**
 * Runs one build command at low priority in a process group of its own, which dies with it: nothing a build starts
 * outlives it. A failure of the command is a result.
 * @throws CuddleError `tool-missing`, `build-timeout`, `build-out-of-memory`, `build-cancelled`
 */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { cwd, env, limits, clock, onLine, signal } = options
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const { pid } = child
    if (pid !== undefined) lowerPriority(pid)
    let failure: CuddleError | undefined
    const stop = (error: CuddleError) => {
      failure ??= error
      if (pid !== undefined) killTree(pid)
    }
    const cancelTimeout = clock.after(limits.timeoutMs, () =>
      stop(
        new CuddleError(
          'build-timeout',
          `${command} ran longer than the ${formatDuration(limits.timeoutMs)} a build may take`,
        ),
      ),
    )
    let cancelWatch = () => {}
    const watch = () => {
      const used = processTree(pid!).reduce((sum, stat) => sum + stat.resident, 0)
      if (used > limits.memoryBytes) {
        const limit = formatBytes(limits.memoryBytes)
        stop(new CuddleError('build-out-of-memory', `${command} used more memory than the ${limit} a build may take`))
      } else cancelWatch = clock.after(watchEveryMs, watch)
    }
    if (pid !== undefined) cancelWatch = clock.after(watchEveryMs, watch)
    const cancelled = () => stop(new CuddleError('build-cancelled', 'the build was cancelled'))
    signal?.addEventListener('abort', cancelled, { once: true })
    if (signal?.aborted) cancelled()

    const tail: string[] = []
    const take = (line: string) => {
      const clean = plain(line)
      if (tail.push(clean) > tailLines) tail.shift()
      onLine(clean)
    }
    splitLines(child.stdout, take)
    splitLines(child.stderr, take)

    const finish = () => {
      cancelTimeout()
      cancelWatch()
      signal?.removeEventListener('abort', cancelled)
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      finish()
      reject(
        error.code === 'ENOENT'
          ? new CuddleError('tool-missing', `${command} is not installed`, { cause: error })
          : error,
      )
    })
    // The command itself is done; children that keep its pipes open would hold `close` back for ever.
    child.on('exit', () => killTree(pid!))
    child.on('close', (code) => {
      finish()
      if (failure) reject(failure)
      else resolve({ code, tail })
    })
  })
}

/**
 * Makes a process that leads a session of its own yield to what serves. Where the kernel shares the CPU between sessions first
 * (sched(7), autogroup), a nice value counts within one only: there the session gets it as well.
 */
export function lowerPriority(pid: number): void {
  for (const lower of [
    () => setPriority(pid, niceness),
    () => writeFileSync(`/proc/${pid}/autogroup`, String(sessionNiceness)),
  ]) {
    try {
      lower()
    } catch {
      // it ended at once, or there is no such thing
    }
  }
}

export function splitLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const pieces = (rest + text).split('\n')
    rest = pieces.pop() ?? ''
    for (const piece of pieces) take(piece)
    // A progress bar without newlines must not grow for ever.
    if (rest.length > 64 * 1024) {
      take(rest)
      rest = ''
    }
  })
  stream.on('end', () => {
    if (rest !== '') take(rest)
  })
}

/** A line without colours, and without what a carriage return wrote over. */
export function plain(line: string): string {
  const text = line.replace(/\r$/, '')
  return text.slice(text.lastIndexOf('\r') + 1).replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
}
