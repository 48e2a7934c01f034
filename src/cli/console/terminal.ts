import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'
import { stripVTControlCharacters } from 'node:util'
import type { Completion, ConsoleTerminal, Line } from '#platform'
import { isContinuation, isFirstPrompt, isLeaving, withoutGreeting } from './prompts.ts'

export interface TerminalOptions {
  stdin: ReadStream
  stdout: WriteStream
  /** Newest first. */
  history: string[]
  /** A line was typed at the shell's own prompt. */
  onLine: (line: string) => void
  complete: (before: string) => Promise<Completion>
  /** Ctrl-C while nothing is asked: what is evaluated shall end. */
  onInterrupt: () => void
  /** Ctrl-D, or the word for leaving. */
  onLeave: () => void
}

interface Ask {
  prompt: string
  continued: boolean
  hidden: boolean
  settle: (line: Line) => void
}

const widestPartialLine = 500

/** A console on a terminal: line editing, history and completion are here, with Node's readline. */
export function openTerminal(options: TerminalOptions): ConsoleTerminal & { close(): void } {
  const { stdin, stdout } = options
  const asks: Ask[] = []
  const ahead: string[] = []
  /** What was printed since the last newline: the next prompt stands behind it. */
  let partial = ''
  let open = true
  // Passwords are not echoed.
  const screen = new Writable({
    write(chunk, _, done) {
      if (asks[0]?.hidden) done()
      else stdout.write(chunk, done)
    },
  })
  Object.defineProperty(screen, 'columns', { get: () => stdout.columns })
  const resized = () => screen.emit('resize')
  stdout.on('resize', resized)
  const rl = createInterface({
    input: stdin,
    output: screen,
    terminal: true,
    history: options.history,
    historySize: 1000,
    removeHistoryDuplicates: true,
    prompt: '',
    completer: (before: string, done: (error: null, result: [string[], string]) => void) => {
      complete(before).then((insert) => done(null, [insert === '' ? [] : [insert], '']))
    },
  })
  // Its cursor is that of the line; rows above it are the prompt's, or those of a line that wraps.
  const internals = rl as unknown as { prevRows: number; history: string[]; line: string; cursor: number }

  const prompt = () => {
    const ask = asks[0]
    rl.setPrompt(partial + (ask ? (ask.continued ? continuation(ask.prompt) : ask.prompt) : ''))
    rl.prompt(true)
  }
  const hide = () => {
    const rows = rl.getCursorPos().rows
    stdout.write(`${rows > 0 ? `\x1b[${rows}A` : ''}\r\x1b[J`)
    internals.prevRows = 0
  }
  const visible = () => asks.length > 0 || rl.line !== ''
  const primary = (ask: Ask) => isFirstPrompt(ask.prompt, ask.continued)

  const print = (text: string): void | Promise<void> => {
    if (!open || text === '') return
    const redraw = visible()
    if (redraw) hide()
    const all = partial + text
    let drained = stdout.write(redraw ? all : text)
    partial = all.slice(all.lastIndexOf('\n') + 1)
    if (partial.length > widestPartialLine) {
      drained = stdout.write('\n')
      partial = ''
    }
    if (redraw) prompt()
    if (!drained) return new Promise((resolve) => stdout.once('drain', resolve))
  }
  const complete = async (before: string): Promise<string> => {
    if (before.trim() === '' || asks.length === 0) return ''
    const { insert, choices } = await options.complete(before)
    if (insert === '' && choices.length > 0) await print(columns(choices, stdout.columns ?? 80))
    return insert
  }

  rl.on('line', (line) => {
    partial = ''
    const ask = asks.shift()
    if (!ask) {
      ahead.push(line)
      return
    }
    // Answers to questions are not commands to be repeated; they may be secrets.
    if (!primary(ask) && !isContinuation(ask.prompt, ask.continued)) internals.history.shift()
    else if (primary(ask) && isLeaving(line)) {
      options.onLeave()
      return
    } else options.onLine(line)
    rl.setPrompt('')
    ask.settle({ text: `${line}\n` })
  })
  const dropLine = () => {
    rl.write(null, { ctrl: true, name: 'e' })
    stdout.write('^C\n')
    internals.line = ''
    internals.cursor = 0
    internals.prevRows = 0
    partial = ''
  }
  rl.on('SIGINT', () => {
    const ask = asks[0]
    const empty = rl.line === ''
    dropLine()
    if (!ask) {
      ahead.length = 0
      options.onInterrupt()
    } else if (primary(ask)) {
      if (empty) stdout.write(`${dim('Ctrl-D leaves; Ctrl-C ends what is evaluated')}\n`)
      prompt()
    } else {
      asks.shift()
      ask.settle('interrupted')
    }
  })
  rl.on('SIGTSTP', () => {})
  rl.on('close', () => {
    if (open) options.onLeave()
  })

  return {
    write: (text) => print(withoutGreeting(text)),
    readLine(text, { continued, hidden, signal }) {
      const { promise, resolve } = Promise.withResolvers<Line>()
      const ask: Ask = { prompt: text, continued, hidden, settle: resolve }
      const next = ahead.shift()
      if (next !== undefined) {
        if (primary(ask) || isContinuation(ask.prompt, ask.continued)) options.onLine(next)
        void print(`${ask.prompt}${next}\n`)
        return Promise.resolve({ text: `${next}\n` })
      }
      asks.push(ask)
      const withdraw = () => {
        const at = asks.indexOf(ask)
        if (at < 0) return
        if (at === 0) hide()
        asks.splice(at, 1)
        resolve('interrupted')
      }
      signal.addEventListener('abort', withdraw, { once: true })
      if (asks.length === 1) prompt()
      return promise
    },
    size: () => ({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 }),
    close() {
      open = false
      stdout.off('resize', resized)
      rl.close()
      stdin.destroy()
    },
  }
}

const dim = (text: string) => `\x1b[2m${text}\x1b[22m`

function continuation(prompt: string): string {
  return '.. '.padStart(stripVTControlCharacters(prompt).length)
}

/** Names in columns, as wide as the terminal. */
export function columns(names: readonly string[], width: number): string {
  const widest = Math.max(...names.map((name) => name.length)) + 2
  const across = Math.max(1, Math.floor(width / widest))
  const lines: string[] = []
  for (let i = 0; i < names.length; i += across)
    lines.push(
      names
        .slice(i, i + across)
        .map((name) => name.padEnd(widest))
        .join('')
        .trimEnd(),
    )
  return `${lines.join('\n')}\n`
}
