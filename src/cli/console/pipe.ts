import { stripVTControlCharacters } from 'node:util'
import type { ConsoleTerminal } from '#platform'
import { isFirstPrompt, isLeaving, withoutGreeting } from './prompts.ts'

/** A console that reads lines from a pipe: no prompts, no greeting, only what is printed and the values. */
export function pipeTerminal(options: {
  lines: AsyncIterable<string>
  write: (text: string) => void | Promise<void>
  colours: boolean
}): ConsoleTerminal {
  const lines = options.lines[Symbol.asyncIterator]()
  return {
    write: (text) => {
      const shown = withoutGreeting(options.colours ? text : stripVTControlCharacters(text))
      return shown === '' ? undefined : options.write(shown)
    },
    async readLine(prompt, { continued }) {
      const { value, done } = await lines.next()
      return done || (isFirstPrompt(prompt, continued) && isLeaving(value)) ? 'end' : { text: `${value}\n` }
    },
    size: () => undefined,
  }
}
