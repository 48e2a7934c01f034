import { isObject } from '#lib'
import type { TerminalSize } from './remote-command.ts'

/** Hands sizes to whoever listens; the last one waits for the listener. */
export class Sizes {
  #last: TerminalSize | undefined
  #listener: ((size: TerminalSize) => void) | undefined

  listen(fn: (size: TerminalSize) => void): void {
    this.#listener = fn
    if (this.#last) fn(this.#last)
  }

  /** `{"Width":80,"Height":24}`; anything else is ignored. */
  take(text: string): void {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return
    }
    if (!isObject(value)) return
    const columns = Number(value['Width'] ?? value['width'])
    const rows = Number(value['Height'] ?? value['height'])
    const possible = (size: number) => Number.isInteger(size) && size > 0 && size <= 0xffff
    if (!possible(columns) || !possible(rows)) return
    this.#last = { columns, rows }
    this.#listener?.(this.#last)
  }
}
