import type { ReadStream, WriteStream } from 'node:tty'
import { keysOf } from './keys.ts'

export interface Screen {
  /** Lines that fit above the last one. */
  readonly room: number
  readonly columns: number
  /** Shows the lines from the top, as many as fit, each cut to the width; `foot` stands on the last line. */
  draw(lines: readonly string[], foot: string): void
  /** Gives the terminal back as it was. */
  close(): void
}

/**
 * The other screen of a terminal, drawn again and again; what stood on the first one comes back when it is closed.
 *
 * @param options `onKey` gets keys as `keysIn` names them, Ctrl-C (`\x03`) too; `onResize` is called when the window changes
 */
export function openScreen(options: {
  stdin: ReadStream
  stdout: WriteStream
  onKey: (key: string) => void
  onResize: () => void
}): Screen {
  const { stdin, stdout, onKey, onResize } = options
  const keys = keysOf(stdin, onKey)
  stdout.on('resize', onResize)
  stdout.write('\x1b[?1049h\x1b[?25l')
  const size = () => ({ rows: stdout.rows || 24, columns: stdout.columns || 80 })
  return {
    get room() {
      return size().rows - 1
    },
    get columns() {
      return size().columns
    },
    draw(lines, foot) {
      const { rows, columns } = size()
      const shown = lines.slice(0, rows - 1).map((line) => `${cutTo(line, columns)}\x1b[K\n`)
      stdout.write(`\x1b[H${shown.join('')}\x1b[J\x1b[${rows};1H${cutTo(foot, columns)}`)
    },
    close() {
      stdout.off('resize', onResize)
      keys.close()
      stdout.write('\x1b[?25h\x1b[?1049l')
    },
  }
}

/** Characters that take two columns: East Asian wide ones and emoji (UAX 11, the ranges in common use). */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const mark = /\p{Mark}/u

/** A line as far as it fits into so many columns. Colours take none, and those that were begun are ended. */
export function cutTo(line: string, columns: number): string {
  let text = ''
  let used = 0
  for (const [part] of line.matchAll(/\x1b\[[\d;]*m|[\s\S]/gu)) {
    if (part.length > 1 && part.startsWith('\x1b')) {
      text += part
      continue
    }
    const width = columnsOf(part)
    if (used + width > columns) return text.includes('\x1b') ? `${text}\x1b[0m` : text
    used += width
    text += part
  }
  return text
}

/** How many columns a text without colours takes. */
export function columnsOf(text: string): number {
  // Nearly all there is.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let columns = 0
  for (const character of text) columns += mark.test(character) ? 0 : wide.test(character) ? 2 : 1
  return columns
}

/** Names come from nodes, which may put anything into them: what would steer the terminal is shown as a dot. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '·')
}
