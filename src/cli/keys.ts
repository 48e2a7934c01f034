import type { ReadStream } from 'node:tty'

/** Hears keys one by one, as they are pressed, until it is closed; Ctrl-C is a key like others. */
export function keysOf(stdin: ReadStream, onKey: (key: string) => void): { close(): void } {
  const hear = (chunk: Buffer) => {
    for (const key of chunk.toString('latin1')) onKey(key)
  }
  stdin.setRawMode(true)
  stdin.on('data', hear)
  return {
    close() {
      stdin.off('data', hear)
      stdin.setRawMode(false)
      stdin.destroy()
    },
  }
}
