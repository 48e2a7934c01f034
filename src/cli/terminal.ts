import type { ReadStream, WriteStream } from 'node:tty'
import type { RunStreams } from '#platform'

export interface TerminalOptions {
  stdin: ReadStream
  stdout: WriteStream
  stderr: WriteStream
  /** @default when both input and output are a terminal */
  tty: boolean | undefined
  /** Pass input on even where there is no terminal. */
  input: boolean
}

/**
 * Joins this process's own streams to a command elsewhere: keys go there as they are typed, Ctrl-C too, and the size of
 * the window follows. Undefined when there is nothing to join. close() gives the terminal back.
 */
export function openTerminal(options: TerminalOptions): { streams: RunStreams; close(): void } | undefined {
  const { stdin, stdout, stderr } = options
  const tty = options.tty ?? Boolean(stdin.isTTY && stdout.isTTY)
  if (!tty && !options.input) return undefined
  const raw = tty && Boolean(stdin.isTTY)
  let resized = () => {}
  const write = (to: WriteStream) => (chunk: Uint8Array) =>
    to.write(chunk) ? undefined : new Promise<void>((resolve) => to.once('drain', resolve))
  return {
    streams: {
      tty,
      stdin,
      stdout: write(stdout),
      stderr: write(stderr),
      onOpen(handle) {
        if (raw) stdin.setRawMode(true)
        resized = () => {
          if (stdout.columns && stdout.rows) handle.resize(stdout.columns, stdout.rows)
        }
        if (tty) resized()
        stdout.on('resize', resized)
      },
    },
    close() {
      stdout.off('resize', resized)
      if (raw) stdin.setRawMode(false)
      // A read that waits would keep the process from ending.
      stdin.destroy()
    },
  }
}
