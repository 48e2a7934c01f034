import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, errorMessage } from '#lib'
import { exitStatus, failureStatus, type RemoteStreams } from '../../streams/index.ts'
import { makePipes, type Pipe } from './pipes.ts'
import { firstSize, onTerminal, resizeTerminal } from './terminal.ts'

/** Where a command runs: in the place and with the environment of a container's main process. */
export interface CommandPlace {
  /** What goes before the command so that it sees the container's file system. */
  prefix: readonly string[]
  env: Record<string, string>
  cwd: string
  /** The container's cgroup.procs. */
  cgroupFiles: readonly string[]
}

/** A command whose children keep its output open is over this long after its own end, ms. */
const lingerMs = 2000

/**
 * Runs a command beside a container's main process, its streams joined to the client's, and tells the client how it ended.
 * When the client goes away the command is hung up on (SIGHUP), as by a terminal.
 */
export async function execCommand(
  streams: RemoteStreams,
  command: readonly string[],
  tty: boolean,
  place: CommandPlace,
  clock: Clock,
): Promise<void> {
  try {
    const code = tty
      ? await runOnTerminal(streams, command, place, clock)
      : await runOnPipes(streams, command, place, clock)
    await streams.finish(exitStatus(code, streams.protocol, command))
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? `exec: "${path}": executable file not found in $PATH` : errorMessage(error)
    await streams.finish(failureStatus(`error executing command in container: ${why}`))
  }
}

async function runOnPipes(
  streams: RemoteStreams,
  command: readonly string[],
  place: CommandPlace,
  clock: Clock,
): Promise<number> {
  const wanted = [
    { stream: streams.stdin, direction: 'in' as const },
    { stream: streams.stdout, direction: 'out' as const },
    { stream: streams.stderr, direction: 'out' as const },
  ]
  const pipes = await makePipes(wanted.flatMap(({ stream, direction }) => (stream ? [direction] : [])))
  const rest = [...pipes]
  const [stdin, stdout, stderr] = wanted.map(({ stream }) => (stream ? rest.shift() : undefined))
  let child: ChildProcess
  try {
    const stdio = [stdin, stdout, stderr].map((pipe) => pipe?.fd ?? ('ignore' as const))
    child = await start(command, place, stdio)
  } catch (error) {
    for (const { stream } of pipes) stream.destroy()
    throw error
  } finally {
    for (const { fd } of pipes) closeSync(fd)
  }
  if (stdin) streams.stdin!.pipe(stdin.stream)
  if (stdout) stdout.stream.pipe(streams.stdout!, { end: false })
  if (stderr) stderr.stream.pipe(streams.stderr!, { end: false })
  const code = await ending(child, streams, clock, [stdout, stderr])
  stdin?.stream.destroy()
  return code
}

async function runOnTerminal(
  streams: RemoteStreams,
  command: readonly string[],
  place: CommandPlace,
  clock: Clock,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'cuddle-tty-'))
  const nameFile = join(directory, 'name')
  try {
    let size = await firstSize(streams, clock)
    const first = size ? ['sh', '-c', `stty rows ${size.rows} cols ${size.columns}; exec "$@"`, 'sh'] : []
    const { prefix, ...outside } = place
    const wrapped = onTerminal([...first, ...prefix, ...command], place.env, nameFile)
    const child = await start(wrapped.command, { ...outside, prefix: [], env: wrapped.env }, ['pipe', 'pipe', 'ignore'])
    streams.onResize((next) => {
      if (next.columns === size?.columns && next.rows === size.rows) return
      size = next
      const name = readName(nameFile)
      if (name) void resizeTerminal(name, next)
    })
    child.stdin!.on('error', () => {})
    streams.stdin?.pipe(child.stdin!)
    if (streams.stdout) child.stdout!.pipe(streams.stdout, { end: false })
    else child.stdout!.resume()
    return await ending(child, streams, clock, [])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function readName(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

const intoGroups = 'for file in $1; do echo 0 >"$file"; done 2>/dev/null; shift; exec "$@"'

function start(
  command: readonly string[],
  { prefix, env, cwd, cgroupFiles }: CommandPlace,
  stdio: (number | 'pipe' | 'ignore')[],
): Promise<ChildProcess> {
  const words = [...prefix, ...command]
  const grouped = cgroupFiles.length > 0 ? ['/bin/sh', '-c', intoGroups, 'sh', cgroupFiles.join(' '), ...words] : words
  return new Promise((resolve, reject) => {
    const child = spawn(grouped[0], grouped.slice(1), { cwd, env, stdio, detached: true })
    child.once('error', reject)
    child.once('spawn', () => resolve(child))
  })
}

/** The exit code, once all output has been passed on. */
async function ending(
  child: ChildProcess,
  streams: RemoteStreams,
  clock: Clock,
  outputs: readonly (Pipe | undefined)[],
): Promise<number> {
  const hangUp = () => {
    for (const pipe of outputs) pipe?.stream.destroy()
    child.stdout?.destroy()
    child.stdin?.destroy()
    try {
      process.kill(-child.pid!, 'SIGHUP')
    } catch {
      // it has ended
    }
  }
  const code = new Promise<number>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(exitCode(child.exitCode, child.signalCode))
    else child.once('exit', (status, signal) => resolve(exitCode(status, signal)))
  })
  const drained = Promise.all(
    [child.stdout, ...outputs.map((pipe) => pipe?.stream)].map(
      (stream) =>
        !stream || stream.readableEnded || stream.destroyed || new Promise((resolve) => stream.once('close', resolve)),
    ),
  )
  if (streams.gone.aborted) hangUp()
  streams.gone.addEventListener('abort', hangUp, { once: true })
  const result = await code
  let cancel: () => void = () => {}
  await Promise.race([drained, new Promise<void>((resolve) => (cancel = clock.after(lingerMs, resolve)))])
  cancel()
  streams.gone.removeEventListener('abort', hangUp)
  for (const pipe of outputs) pipe?.stream.destroy()
  return result
}

function exitCode(status: number | null, signal: NodeJS.Signals | null): number {
  return status ?? 128 + constants.signals[signal ?? 'SIGKILL']
}
