import { spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CuddleError } from '#lib'

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants

export interface Pipe {
  /** Our end. */
  stream: Socket
  /** The command's end, to be given to spawn() and closed after it. */
  fd: number
}

export type PipeDirection = 'in' | 'out'

/**
 * Pipes between us and a command. What child_process makes of 'pipe' are sockets, which /dev/stdout and /dev/stderr
 * cannot be opened on (ENXIO), and scripts do write there; these are real ones, by way of FIFOs that are gone at once.
 */
export async function makePipes(directions: readonly PipeDirection[]): Promise<Pipe[]> {
  if (directions.length === 0) return []
  const directory = mkdtempSync(join(tmpdir(), 'cuddle-exec-'))
  try {
    const paths = directions.map((_, index) => join(directory, String(index)))
    await makeFifos(paths)
    return paths.map((path, index) => openBoth(path, directions[index]))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Makes FIFOs that only their owner may open. */
export function makeFifos(paths: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new CuddleError('StartError', `cannot make FIFOs: ${why}`))
    const child = spawn('mkfifo', ['-m', '600', ...paths], {
      stdio: 'ignore',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    })
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code) => (code === 0 ? resolve() : fail(`mkfifo ended with ${code}`)))
  })
}

// A FIFO that is held open for both directions can be opened for each of them without waiting for the other (fifo(7)).
// Only our end does not block: the flag would reach the command with the descriptor.
function openBoth(path: string, direction: PipeDirection): Pipe {
  const held = openSync(path, O_RDWR)
  try {
    const own = openSync(path, (direction === 'in' ? O_WRONLY : O_RDONLY) | O_NONBLOCK)
    const fd = openSync(path, direction === 'in' ? O_RDONLY : O_WRONLY)
    return { stream: fifoStream(own, direction), fd }
  } finally {
    closeSync(held)
  }
}

/** A stream over an open descriptor of a FIFO; errors (a reader that has gone) just end it. */
export function fifoStream(fd: number, direction: PipeDirection): Socket {
  const stream = new Socket({ fd, readable: direction === 'out', writable: direction === 'in' })
  stream.on('error', () => {})
  return stream
}
