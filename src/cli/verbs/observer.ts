import { CuddleError } from '#lib'
import { listNodes, observe } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'
import { keysOf } from '../keys.ts'
import { observerLines, sorts } from '../observer-lines.ts'

const shown = 15

export default {
  summary: 'Shows what a BEAM node is busy with: top processes, schedulers, memory, supervision trees.',
  describe: `On a terminal the view is live: r, m and b sort by reductions, memory and message queue (the backlog), q or Ctrl-C ends.
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
    const keys = live
      ? keysOf(process.stdin, (key) => {
          if (key === 'q' || key === '\x03') stop.abort()
          by = { r: sorts.reductions, m: sorts.memory, b: sorts.messages }[key] ?? by
        })
      : undefined
    try {
      // The other screen of the terminal, so that what stood there comes back.
      if (live) process.stdout.write('\x1b[?1049h\x1b[?25l')
      do {
        const limit = live ? Math.max(5, (process.stdout.rows ?? 30) - 16) : shown
        const seen = await observer.look({ by, limit, signal: ended })
        out.data(seen)
        if (out.json) break
        const lines = observerLines(seen, by, out)
        if (!live) for (const line of lines) out.print(line)
        else {
          const room = lines.slice(0, (process.stdout.rows ?? 30) - 1)
          process.stdout.write(`\x1b[H${room.map((line) => `${cut(line)}\x1b[K\n`).join('')}\x1b[J`)
        }
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
  const width = process.stdout.columns ?? 100
  return line.includes('\x1b') ? line : line.slice(0, width)
}
