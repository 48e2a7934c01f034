import { formatDuration } from '#lib'
import type { Observation, Section } from '#platform'
import { humanBytes } from './bytes.ts'
import type { Output } from './output.ts'
import { columnsOf, cutTo, printable } from './screen.ts'

/** What processes can be sorted by, as people say it. */
export const sorts: Record<string, 'reductions' | 'memory' | 'message_queue_len'> = {
  reductions: 'reductions',
  memory: 'memory',
  messages: 'message_queue_len',
}

/** What of a node is shown below the figures. */
export const views = { p: 'processes', e: 'tables', a: 'allocators', t: 'trees' } as const satisfies Record<
  string,
  Section
>

export interface Sorting {
  by: (typeof sorts)[string]
  tablesBy: 'memory' | 'size'
}

const sortKeys: Partial<Record<Section, string>> = { processes: 'r m b sort', tables: 'm o sort' }

type Styled = Pick<Output, 'style'>

/** The line of keys, with the present view stood out. */
export function keysLine(view: Section, out: Styled): string {
  const names = Object.entries(views).map(([key, name]) => out.style(name === view ? 'bold' : 'dim', `${key} ${name}`))
  const others = [sortKeys[view] ?? '', '↑↓ scroll', 'q ends'].filter(Boolean).join('   ')
  return `${names.join('  ')}   ${out.style('dim', others)}`
}

/** A screen of `room` lines: the figures, where in the view we are, and as much of it as fits from `from` on (the nearest there is). */
export function observerScreen(
  seen: Observation,
  view: Section,
  { sorting, from, room, columns, out }: { sorting: Sorting; from: number; room: number; columns: number; out: Styled },
): { lines: string[]; from: number } {
  const head = figures(seen, out)
  const [title, ...rows] = sections[view](seen, sorting, out, columns)
  const fits = Math.max(1, room - head.length - 2)
  const first = Math.max(0, Math.min(from, rows.length - fits))
  const last = Math.min(rows.length, first + fits)
  const of = view === 'processes' && seen.processes ? seen.sample.processes.count : rows.length
  const unread = seen[view] === undefined
  const listed = rows.length < of ? `, the first ${rows.length} can be scrolled` : ''
  const where = unread ? 'reading …' : `${rows.length === 0 ? 0 : first + 1}–${last} of ${of}${listed}`
  return { lines: [...head, out.style('dim', where), title!, ...rows.slice(first, last)], from: first }
}

/** One look at everything, for who reads it at leisure. */
export function observerLines(seen: Observation, sorting: Sorting, out: Styled, width = 120): string[] {
  const all = (['processes', 'trees', 'tables', 'allocators'] as const).map((one) =>
    sections[one](seen, sorting, out, width),
  )
  return [...figures(seen, out), ...all.flatMap((lines) => ['', ...lines])]
}

function figures({ node, pod, otpRelease, uptimeMs, sample }: Observation, out: Styled): string[] {
  const percent = (share: number | undefined) => (share === undefined ? '?' : `${(share * 100).toFixed(1)}%`)
  const memory = (...kinds: string[]) =>
    kinds.map((kind) => `${kind} ${humanBytes(sample.memory[kind] ?? 0)}`).join('   ')
  const { reductions, collections, inputBytes, outputBytes } = sample.perSecond
  return [
    out.style('bold', `${printable(node)}  ${pod}  OTP ${otpRelease}  up ${formatDuration(uptimeMs)}`),
    `schedulers  ${percent(sample.utilisation)} of ${sample.schedulersOnline} online   dirty CPU ${percent(sample.dirtyCpuUtilisation)}   run queue ${sample.runQueue.total}`,
    `memory      ${memory('total', 'processes', 'binary')}`,
    `            ${memory('ets', 'atom', 'code')}`,
    `counts      processes ${used(sample.processes)}  ports ${used(sample.ports)}  atoms ${used(sample.atoms)}`,
    `            ets ${used(sample.ets)}`,
    `per second  ${humanCount(reductions)} reductions   ${humanCount(collections)} collections   in ${humanBytes(inputBytes)}   out ${humanBytes(outputBytes)}`,
  ]
}

/** The first line is the heading. */
const sections: Record<Section, (seen: Observation, sorting: Sorting, out: Styled, width: number) => string[]> = {
  processes({ processes = [] }, { by }, _, width) {
    const title = (name: string, column: string) => (by === name ? `${column}▼` : column)
    const heads = [title('reductions', 'REDS/S'), title('memory', 'MEMORY'), title('message_queue_len', 'MESSAGES')]
    const withPid = width >= 100
    const value = (one: (typeof processes)[number]) =>
      by === 'reductions' ? (one.recent ?? 0) : by === 'memory' ? one.memory : one.messageQueueLength
    // Sorted by something else than when they were read they are at least in order, until they are read again.
    const rows = [...processes]
      .sort((a, b) => value(b) - value(a))
      .map((one) => [
        plain(one.registeredName ?? one.label ?? one.initialCall),
        ...(withPid ? [`<0.${one.pid.id}.${one.pid.serial}>`] : []),
        one.recent === undefined ? '-' : humanCount(one.recent),
        humanBytes(one.memory),
        String(one.messageQueueLength),
        plain(`${one.currentFunction} (${one.status})`),
      ])
    return aligned([['PROCESS', ...(withPid ? ['PID'] : []), ...heads, 'NOW'], ...rows], width)
  },
  tables({ tables = [] }, { tablesBy }, _, width) {
    const value = (one: (typeof tables)[number]) => (tablesBy === 'size' ? one.size : one.memory)
    const rows = [...tables]
      .sort((a, b) => value(b) - value(a))
      .map((one) => [
        plain(one.name),
        String(one.size),
        humanBytes(one.memory),
        plain(`${one.type}, ${one.protection}, ${one.owner}`),
      ])
    const [objects, memory] = tablesBy === 'size' ? ['OBJECTS▼', 'MEMORY'] : ['OBJECTS', 'MEMORY▼']
    return aligned([['TABLE', objects, memory, 'KIND, ACCESS, OWNER'], ...rows], width)
  },
  allocators({ allocators = [] }, _sorting, _, width) {
    const rows = allocators.map(({ name, blocks, carriers }) => [
      name,
      humanBytes(blocks),
      humanBytes(carriers),
      carriers === 0 ? '-' : `${Math.round((100 * blocks) / carriers)}% of what is held is used`,
    ])
    return aligned([['ALLOCATOR', 'USED', 'HELD▼', ''], ...rows], width)
  },
  trees({ trees, applications = [] }, _sorting, out) {
    const head = out.style('dim', 'SUPERVISION TREES')
    if (trees) return [head, ...trees.flatMap(({ application, root }) => tree(application, root))]
    return [
      head,
      ...applications.map(({ application, supervisors, workers, troubled }) => {
        const trouble = troubled.length === 0 ? '' : `   ${plain(troubled.slice(0, 3).join(', '))}`
        return `  ${application.padEnd(20)} ${supervisors} supervisors, ${workers} workers${trouble}`
      }),
    ]
  },
}

type Child = NonNullable<NonNullable<Observation['trees']>[number]['root']>

function tree(application: string, root: Child | undefined): string[] {
  if (!root) return []
  const lines = (one: Child, depth: number): string[] => {
    const state = one.state === 'running' ? '' : `  ${one.state}`
    const more = one.omitted ? `  ${one.omitted} children` : one.unresponsive ? '  does not answer' : ''
    const kind = one.type === 'supervisor' ? '+ ' : '  '
    return [
      `${'  '.repeat(depth)}${kind}${plain(one.registeredName ?? one.id)}${state}${more}`,
      ...(one.children ?? []).flatMap((child) => lines(child, depth + 1)),
    ]
  }
  return [application, ...lines(root, 1)]
}

/** Elixir's modules without their prefix. */
const plain = (name: string) => printable(name.replace(/'Elixir\.([A-Za-z0-9_.]+)'/g, '$1').replace(/\bElixir\./g, ''))

function used({ count, limit }: { count: number; limit: number }): string {
  return `${count}/${limit}`
}

/** `950`, `12.3k`, `4.1M`. */
function humanCount(count: number): string {
  if (count < 10_000) return String(Math.round(count))
  return count < 1e6 ? `${(count / 1000).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`
}

/** First and last columns are words that share the room, those between are numbers. */
function aligned(rows: readonly (readonly string[])[], width: number): string[] {
  const last = rows[0].length - 1
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => columnsOf(row[column]))))
  const numbers = widths.slice(1, last).reduce((sum, one) => sum + one, 0) + 2 * last
  widths[0] = Math.min(widths[0], Math.max(16, Math.floor((width - numbers) / 2)))
  widths[last] = Math.max(8, width - numbers - widths[0])
  const fit = (cell: string, room: number) => (columnsOf(cell) > room ? `${cutTo(cell, room - 1)}…` : cell)
  const gap = (cell: string, column: number) => ' '.repeat(Math.max(0, widths[column] - columnsOf(cell)))
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const fitted = fit(cell, widths[column])
        if (column === 0) return fitted + gap(fitted, column)
        return column === last ? fitted : gap(fitted, column) + fitted
      })
      .join('  ')
      .trimEnd(),
  )
}
