import { CuddleError } from '#lib'
import { listNodes, type Observation, observe } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'
import { keysOf } from '../keys.ts'
import { keysLine, observerLines, sorts, type View, views } from '../observer-lines.ts'

const shown = 15
/** The figures above the view, and the empty line below them. */
const headLines = 8

export default {
  summary: 'Shows what a BEAM node is busy with: top processes, ETS tables, allocators, supervision trees.',
  describe: `On a terminal the view is live: p shows processes, e ETS tables, a the allocators, t the supervision trees; r, m and b sort
processes by reductions, memory and message queue (the backlog); j and k scroll; q or Ctrl-C ends.
Elsewhere, and with --json, it is one look. Costs the node some 10 µs per process and look.`,
  options: {
    ...appOption,
    process: { type: 'string', short: 'p', value: 'NAME', describe: 'a node of this process' },
    pod: { type: 'string', value: 'POD', describe: 'the node in this pod' },
    sort: { type: 'string', short: 's', value: 'BY', describe: 'reductions (default), memory or messages' },
  },
  examples: ['cuddle observer', 'cuddle observer -p worker -s memory', 'cuddle observer --json'],
  async run(invocation) {
    const { out, values, signal } = invocation
    let by = sorts[values.sort ?? 'reductions']
    if (!by) throw new CuddleError('usage', `--sort is ${Object.keys(sorts).join(', ')}, not "${values.sort}"`)
    const context = connect(invocation)
    const [pod] = await listNodes(context, await appName(invocation), { process: values.process, pod: values.pod })
    const observer = await observe(context, pod, { seat: process.pid, signal })
    const live = !out.json && process.stdin.isTTY && process.stdout.isTTY
    const stop = new AbortController()
    const ended = AbortSignal.any([signal, stop.signal])
    let view: View = 'processes'
    let from = 0
    let seen: Observation | undefined
    const draw = () => {
      if (!seen || ended.aborted) return
      const { rows = 24, columns = 80 } = process.stdout
      const lines = observerLines(seen, by, out, { view, width: columns })
      const body = lines.slice(headLines)
      from = Math.min(from, Math.max(0, body.length - (rows - headLines - 1)))
      const shownLines = [...lines.slice(0, headLines), ...body.slice(from)].slice(0, rows - 1)
      const text = shownLines.map((line) => `${cut(line)}\x1b[K\n`).join('')
      process.stdout.write(`\x1b[H${text}\x1b[J\x1b[${rows};1H${out.style('dim', keysLine.slice(0, columns))}`)
    }
    const keys = live
      ? keysOf(process.stdin, (key) => {
          if (key === 'q' || key === '\x03') stop.abort()
          const other = views[key as keyof typeof views]
          if (other) [view, from] = [other, 0]
          if (key === 'j') from += 5
          if (key === 'k') from = Math.max(0, from - 5)
          by = { r: sorts.reductions, m: sorts.memory, b: sorts.messages }[key] ?? by
          draw()
        })
      : undefined
    try {
      // The other screen of the terminal, so that what stood there comes back.
      if (live) process.stdout.write('\x1b[?1049h\x1b[?25l')
      do {
        const limit = live ? Math.max(5, (process.stdout.rows ?? 24) - headLines - 2) : shown
        seen = await observer.look({ by, limit, trees: live || out.json, signal: ended })
        out.data(seen)
        if (out.json) break
        if (live) draw()
        else for (const line of observerLines(seen, by, out)) out.print(line)
      } while (live && !ended.aborted)
    } catch (error) {
      if (!ended.aborted) throw error
    } finally {
      keys?.close()
      if (live) process.stdout.write('\x1b[?25h\x1b[?1049l')
      observer.close()
    }
    return 0
  },
} satisfies Command

/** To the width of the terminal; lines with colours are short. */
function cut(line: string): string {
  const width = process.stdout.columns ?? 80
  return line.includes('\x1b') ? line : line.slice(0, width)
}
