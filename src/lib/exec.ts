import { type SpawnOptions, spawn } from 'node:child_process'

export interface ExecOptions {
  cwd?: string
  /** The whole environment of the child; nothing is inherited unless it is given here. */
  env: Record<string, string | undefined>
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array
  signal?: AbortSignal
  /** After this many ms the process group is killed; the result says `timedOut`. */
  timeoutMs?: number
  /** Called for each whole line as it comes. */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void
  /** Own process group, so that the kill takes the children too. @default true */
  group?: boolean
  /** Bytes of each stream that are kept (the end is kept). @default 8 MiB */
  maxBuffer?: number
}

export interface ExecResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  timedOut: boolean
}

/** Runs a program to its end. Rejects only when it cannot be started; a non-zero exit is a result. */
export function exec(command: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> {
  const { group = true, maxBuffer = 8 * 1024 * 1024 } = options
  const spawnOptions: SpawnOptions = {
    cwd: options.cwd,
    env: options.env,
    detached: group,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  }
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, spawnOptions)
    let timedOut = false
    const kill = () => {
      if (child.pid === undefined) return
      try {
        process.kill(group ? -child.pid : child.pid, 'SIGKILL')
      } catch {
        // already gone
      }
    }
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            kill()
          }, options.timeoutMs)
    options.signal?.addEventListener('abort', kill, { once: true })
    const collected = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      let rest = ''
      const stream = child[name]!
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        collected[name] = (collected[name] + text).slice(-maxBuffer)
        if (!options.onLine) return
        const pieces = (rest + text).split('\n')
        rest = pieces.pop() ?? ''
        for (const piece of pieces) options.onLine(piece, name)
      })
      stream.on('end', () => {
        if (rest !== '') options.onLine?.(rest, name)
      })
    }
    const finish = () => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', kill)
    }
    child.on('error', (error) => {
      finish()
      reject(error)
    })
    child.on('close', (code, signal) => {
      finish()
      resolve({ code, signal, ...collected, timedOut })
    })
    if (options.input !== undefined) {
      child.stdin!.on('error', () => {})
      child.stdin!.end(options.input)
    }
    if (options.signal?.aborted) kill()
  })
}
