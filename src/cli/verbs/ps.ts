import { stripVTControlCharacters } from 'node:util'
import { CuddleError, formatDuration, parseDuration, systemClock } from '#lib'
import { type Context, listNodes, listProcesses, openUsage, type UsageRow } from '#platform'
import { appName } from '../app-name.ts'
import { humanBytes } from '../bytes.ts'
import { appOption, type Command, type Invocation } from '../command.ts'
import { connect } from '../connect.ts'
import type { Output } from '../output.ts'
import { columnsOf, printable } from '../screen.ts'
import { type Look, watchLooks } from '../watch.ts'

const defaultEveryMs = 2_000
const leastEveryMs = 500

export default {
  summary: 'Lists the pods of an app.',
  describe: `With --beam: how busy the BEAM node in each pod is, one line a node. With --watch the table is shown anew again and again, until
q or Ctrl-C; where there is no terminal it is printed each time, and with --json a document each time.`,
  options: {
    ...appOption,
    all: { type: 'boolean', describe: 'those too that ran to their end' },
    beam: { type: 'boolean', describe: 'how busy the BEAM node in each pod is' },
    watch: { type: 'boolean', short: 'w', describe: 'again and again' },
    every: { type: 'string', value: 'TIME', describe: 'with --watch: how often (default 2s)' },
  },
  examples: ['cuddle ps', 'cuddle ps --all', 'cuddle ps --beam --watch', 'cuddle ps -a shop --json'],
  async run(invocation) {
    const { out, values, signal } = invocation
    const everyMs = values.every === undefined ? defaultEveryMs : (parseDuration(values.every) ?? 0)
    if (values.every !== undefined && !values.watch) throw new CuddleError('usage', '--every goes with --watch')
    if (everyMs < leastEveryMs) throw new CuddleError('usage', `--every is a time of at least 500ms, like 2s`)
    const context = connect(invocation)
    const app = await appName(invocation)
    const { look, close } = values.beam ? nodes(invocation, context, app) : pods(invocation, context, app)
    try {
      if (values.watch) {
        const title = `${app}  cuddle ps${values.beam ? ' --beam' : ''}, every ${formatDuration(everyMs)}`
        return await watchLooks(look, { out, signal, everyMs, title, clock: systemClock })
      }
      const { data, lines, notes, code } = await look()
      out.data(data)
      if (out.json) return code
      for (const line of lines(Number.POSITIVE_INFINITY)) out.print(line)
      for (const note of notes) out.note(note)
      return code
    } finally {
      close()
    }
  },
} satisfies Command

interface Source {
  look(): Promise<Look>
  close(): void
}

function pods({ out, values }: Invocation, context: Context, app: string): Source {
  const headings = ['process', 'pod', 'state', 'ready', 'code', 'restarts', 'age', 'node', 'address']
  return {
    async look() {
      const all = await listProcesses(context, app)
      const rows = all.filter((pod) => values.all || !['Succeeded', 'Completed'].includes(pod.state))
      if (rows.length === 0) {
        return {
          data: rows,
          lines: () => [],
          notes: ['nothing runs yet; git push cuddle main, or cuddle deploy'],
          code: 0,
        }
      }
      const cells = rows.map((row) => [
        row.process,
        row.pod,
        row.state === 'Running'
          ? out.style('green', row.state)
          : out.style(row.state === 'Terminating' ? 'dim' : 'yellow', row.state),
        row.ready ? 'yes' : 'no',
        row.release === undefined ? '' : `${row.hot ? 'hot-loaded ' : ''}v${row.release}`,
        String(row.restarts),
        row.age,
        row.node,
        row.address,
      ])
      const notes = rows.flatMap(({ pod, goodbye }) => (goodbye ? [`${pod}: ${goodbye}`] : []))
      return {
        data: rows,
        lines: fitting(out, headings, cells, ['address', 'node', 'age', 'restarts']),
        notes,
        code: 0,
      }
    },
    close() {},
  }
}

function nodes({ out, values, signal }: Invocation, context: Context, app: string): Source {
  const usage = openUsage(context, { seat: process.pid })
  let looked = false
  return {
    async look() {
      let found: Awaited<ReturnType<typeof listNodes>> = []
      try {
        found = await listNodes(context, app)
      } catch (error) {
        // Who watches sees them go and come back.
        if (!(looked && error instanceof CuddleError && error.code === 'no-nodes')) throw error
      }
      looked = true
      const rows = await usage.look(found, { signal, ...(values.watch && { patienceMs: patienceMs }) })
      const failed = rows.flatMap((row) => ('error' in row ? [row] : []))
      const notes = failed.map((row) => `${row.pod}: ${row.error}`)
      if (rows.length === 0) notes.push('no node runs now')
      return { data: rows, lines: nodeLines(rows, out), notes, code: failed.length > 0 ? 1 : 0 }
    },
    close: () => usage.close(),
  }
}

/** What a watched node may take before it is shown as one that does not answer. */
const patienceMs = 3_000

/** A table that gives up columns, in this order, until it fits. */
function fitting(out: Output, headings: string[], rows: string[][], dear: string[]): (columns: number) => string[] {
  return (columns) => {
    for (let without = 0; ; without++) {
      const gone = dear.slice(0, without)
      const kept = (_: string, index: number) => !gone.includes(headings[index])
      const table = out.tableLines(
        headings.filter(kept),
        rows.map((row) => row.filter(kept)),
      )
      if (without === dear.length || table.every((line) => columnsOf(stripVTControlCharacters(line)) <= columns))
        return table
    }
  }
}

function nodeLines(rows: readonly UsageRow[], out: Output): (columns: number) => string[] {
  const known = rows.flatMap((row) => ('error' in row ? [] : [row]))
  const table = fitting(
    out,
    ['process', 'pod', 'utilisation', 'run queue', 'memory', 'processes', 'longest mailbox', 'uptime', 'otp', 'node'],
    known.map((row) => [
      row.process,
      row.pod,
      row.utilisation === null ? '?' : `${(row.utilisation * 100).toFixed(1)}% of ${row.schedulers}`,
      String(row.runQueue),
      humanBytes(row.memoryBytes),
      String(row.processes),
      String(row.maxMessageQueue),
      formatDuration(row.uptimeMs),
      row.otpRelease,
      printable(row.node),
    ]),
    ['node', 'otp', 'uptime', 'process', 'processes'],
  )
  const published = known.flatMap(({ pod, published }) => {
    const numbers = Object.entries(published)
    return numbers.length > 0 ? [`${pod}: ${numbers.map(([name, value]) => `${name}=${value}`).join(' ')}`] : []
  })
  return (columns) => [...table(columns), ...published]
}
