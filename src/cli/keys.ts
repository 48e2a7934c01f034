import type { ReadStream } from 'node:tty'

/** What terminals send for keys that are no characters: in their normal mode (`\x1b[A`), and in that for applications (`\x1bOA`). */
const named: Record<string, string> = {
  A: 'up',
  B: 'down',
  H: 'home',
  F: 'end',
  '5~': 'pageup',
  '6~': 'pagedown',
  '1~': 'home',
  '4~': 'end',
}

/** The keys in what a terminal sent: a character, or a name as `up` or `pagedown`; others are left out. */
export function keysIn(text: string): string[] {
  return [...text.matchAll(/\x1b(?:\[|O)([\d;]*[A-Za-z~])|\x1b|[\s\S]/g)].flatMap(([key, sequence]) => {
    if (sequence !== undefined) return named[sequence] ?? []
    return key === '\x1b' ? [] : key
  })
}

/** Hears keys one by one, as they are pressed, until it is closed; Ctrl-C is a key like others. */
export function keysOf(stdin: ReadStream, onKey: (key: string) => void): { close(): void } {
  const hear = (chunk: Buffer) => {
    for (const key of keysIn(chunk.toString('latin1'))) onKey(key)
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
