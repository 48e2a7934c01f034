import { type Clock, CuddleError, errorMessage } from '#lib'
import type { Output } from './output.ts'
import { openScreen } from './screen.ts'

/** What a command has to show at one moment. */
export interface Look {
  /** For scripts. */
  data: unknown
  /** To fit so many columns, where that can be. */
  lines(columns: number): readonly string[]
  /** Words about it, shown below. */
  notes: readonly string[]
  code: number
}

export interface WatchOptions {
  out: Output
  signal: AbortSignal
  everyMs: number
  /** Above the lines, on a terminal. */
  title: string
  clock: Clock
}

/**
 * Looks again and again: on the other screen of a terminal until q or Ctrl-C, which leave the last look behind; elsewhere look
 * after look is printed, with an empty line between, until it is interrupted. A look that fails is told and tried again, unless it is the first.
 *
 * @returns the exit code of the last look
 */
export async function watchLooks(look: () => Promise<Look>, options: WatchOptions): Promise<number> {
  const { out, signal, everyMs, title, clock } = options
  const { stdin, stdout } = process
  let last = await look()
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  const interrupted = aborted(ended)
  interrupted.catch(() => {})
  let troubled = ''
  const draw = () => {
    const time = new Date(clock.now()).toTimeString().slice(0, 8)
    const notes = last.notes.map((note) => out.style('yellow', note))
    const lines = [out.style('bold', title), '', ...last.lines(screen?.columns ?? 80), ...notes]
    const hidden = screen ? lines.length - screen.room : 0
    const foot = troubled || `${time}   q ends${hidden > 0 ? `   ${hidden} more lines do not fit` : ''}`
    screen?.draw(lines, out.style(troubled ? 'red' : 'dim', foot))
  }
  const onKey = (key: string) => (key === 'q' || key === '\x03') && stop.abort()
  const screen =
    !out.json && stdin.isTTY && stdout.isTTY ? openScreen({ stdin, stdout, onKey, onResize: draw }) : undefined
  const show = (first: boolean) => {
    if (screen) return draw()
    out.data(last.data)
    if (out.json) return
    if (!first) out.print()
    for (const line of last.lines(Number.POSITIVE_INFINITY)) out.print(line)
    for (const note of last.notes) out.note(note)
  }
  try {
    show(true)
    while (!ended.aborted) {
      await clock.sleep(everyMs, ended)
      if (ended.aborted) break
      try {
        last = await Promise.race([look(), interrupted])
        troubled = ''
      } catch (error) {
        if (ended.aborted) break
        // The cluster may be restarting; who it says no to is told at once.
        if (error instanceof CuddleError && !screen) throw error
        troubled = `${errorMessage(error)}; looking again`
        if (!screen) out.note(troubled)
      }
      if (troubled === '' || screen) show(false)
    }
  } finally {
    screen?.close()
  }
  if (screen) for (const line of [...last.lines(stdout.columns || 80), ...last.notes]) out.print(line)
  return last.code
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
