import { formatDuration } from '#lib'
import type { Observation } from '#platform'
import { humanBytes } from './bytes.ts'
import type { Output } from './output.ts'

/** What can be sorted by, as people say it. */
export const sorts: Record<string, 'reductions' | 'memory' | 'message_queue_len'> = {
  reductions: 'reductions',
  memory: 'memory',
  messages: 'message_queue_len',
}

/** What of a node is shown below the figures. */
export const views = { p: 'processes', e: 'tables', a: 'allocators', t: 'trees' } as const
export type View = (typeof views)[keyof typeof views]

export const keysLine = 'p processes  e tables  a allocators  t trees   r m b sort   q ends'

type Styled = Pick<Output, 'style'>

/** One look at a node, as lines that fit the width. */
export function observerLines(
  seen: Observation,
  by: string,
  out: Styled,
  { view, width = 120 }: { view?: View; width?: number } = {},
): string[] {
  const { sample } = seen
  const percent = (share: number | undefined) => (share === undefined ? '?' : `${(share * 100).toFixed(1)}%`)
  const memory = (...kinds: string[]) =>
    kinds.map((kind) => `${kind} ${humanBytes(sample.memory[kind] ?? 0)}`).join('   ')
  const title = `${seen.node}  ${seen.pod}  OTP ${seen.otpRelease}  up ${formatDuration(seen.uptimeMs)}`
  const head = [
    out.style('bold', title.slice(0, width)),
    `schedulers  ${percent(sample.utilisation)} of ${sample.schedulersOnline} online   dirty CPU ${percent(sample.dirtyCpuUtilisation)}   run queue ${sample.runQueue.total}`,
    `memory      ${memory('total', 'processes', 'binary')}`,
    `            ${memory('ets', 'atom', 'code')}`,
    `counts      processes ${used(sample.processes)}  ports ${used(sample.ports)}  atoms ${used(sample.atoms)}`,
    `            ets ${used(sample.ets)}`,
    `per second  ${Math.round(sample.perSecond.reductions)} reductions   ${Math.round(sample.perSecond.collections)} collections   in ${humanBytes(sample.perSecond.inputBytes)}   out ${humanBytes(sample.perSecond.outputBytes)}`,
    '',
  ]
  if (view) return [...head, ...sections[view](seen, by, out, width)]
  // Everything, for who reads it at leisure.
  const all = (['processes', 'trees', 'tables', 'allocators'] as const).map((one) =>
    sections[one](seen, by, out, width),
  )
  return [...head, ...all.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]))]
}

const sections: Record<View, (seen: Observation, by: string, out: Styled, width: number) => string[]> = {
  processes(seen, by, _, width) {
    const title = (name: string, column: string) => (by === name ? `${column}▼` : column)
    const heads = [title('reductions', 'REDS'), title('memory', 'MEMORY'), title('message_queue_len', 'MESSAGES')]
    const rows = seen.processes.map((one) => [
      (one.registeredName ?? one.label ?? one.initialCall).replace(/\bElixir\./g, ''),
      String(by === 'reductions' ? one.value : one.reductions),
      humanBytes(one.memory),
      String(one.messageQueueLength),
      `${one.currentFunction} (${one.status})`,
    ])
    return aligned([['PROCESS', ...heads, 'NOW'], ...rows], width)
  },
  tables(seen, _by, _, width) {
    const rows = seen.tables.map((one) => [
      one.name.replace(/^Elixir\./, ''),
      String(one.size),
      humanBytes(one.memory),
      `${one.type}, ${one.protection}, ${one.owner.replace(/^Elixir\./, '')}`,
    ])
    return aligned([['TABLE', 'OBJECTS', 'MEMORY▼', 'KIND, ACCESS, OWNER'], ...rows], width)
  },
  allocators(seen, _by, _, width) {
    const rows = seen.allocators.map(({ name, blocks, carriers }) => [
      name,
      humanBytes(blocks),
      humanBytes(carriers),
      carriers === 0 ? '-' : `${Math.round((100 * blocks) / carriers)}% of what is held is used`,
    ])
    return aligned([['ALLOCATOR', 'USED', 'HELD▼', ''], ...rows], width)
  },
  trees(seen, _by, out) {
    const head = out.style('dim', 'SUPERVISION TREES')
    if (seen.trees) return [head, ...seen.trees.flatMap(({ application, root }) => tree(application, root))]
    return [
      head,
      ...seen.applications.map(({ application, supervisors, workers, troubled }) => {
        const trouble = troubled.length === 0 ? '' : `   ${troubled.slice(0, 3).join(', ')}`
        return `  ${application.padEnd(20)} ${supervisors} supervisors, ${workers} workers${trouble}`
      }),
    ]
  },
}

type Child = NonNullable<NonNullable<Observation['trees']>[number]['root']>

function tree(application: string, root: Child | undefined): string[] {
  if (!root) return []
  const lines = (one: Child, depth: number): string[] => {
    const name = (one.registeredName ?? one.id).replace(/\bElixir\./g, '')
    const state = one.state === 'running' ? '' : `  ${one.state}`
    const more = one.omitted ? `  ${one.omitted} children` : one.unresponsive ? '  does not answer' : ''
    return [
      `${'  '.repeat(depth)}${one.type === 'supervisor' ? '+ ' : '  '}${name}${state}${more}`,
      ...(one.children ?? []).flatMap((child) => lines(child, depth + 1)),
    ]
  }
  return [application, ...lines(root, 1)]
}

function used({ count, limit }: { count: number; limit: number }): string {
  return `${count}/${limit}`
}

/** First and last columns are words that share the room, those between are numbers. */
function aligned(rows: readonly (readonly string[])[], width: number): string[] {
  const last = rows[0].length - 1
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const numbers = widths.slice(1, last).reduce((sum, one) => sum + one, 0) + 2 * last
  widths[0] = Math.min(widths[0], Math.max(16, Math.floor((width - numbers) / 2)))
  widths[last] = Math.max(8, width - numbers - widths[0])
  const fit = (cell: string, room: number) => (cell.length > room ? `${cell.slice(0, room - 1)}…` : cell)
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const fitted = fit(cell, widths[column])
        if (column === 0) return fitted.padEnd(widths[0])
        return column === last ? fitted : fitted.padStart(widths[column])
      })
      .join('  ')
      .trimEnd(),
  )
}
