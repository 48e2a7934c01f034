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

/** One look at a node, as lines. */
export function observerLines(seen: Observation, by: string, out: Pick<Output, 'style'>): string[] {
  const { sample } = seen
  const percent = (share: number | undefined) => (share === undefined ? '?' : `${(share * 100).toFixed(1)}%`)
  const memory = (kind: string) => `${kind} ${humanBytes(sample.memory[kind] ?? 0)}`
  const head = [
    `${out.style('bold', seen.node)}  ${seen.pod}  OTP ${seen.otpRelease}  up ${formatDuration(seen.uptimeMs)}`,
    '',
    `schedulers  ${percent(sample.utilisation)} of ${sample.schedulersOnline} online   dirty CPU ${percent(sample.dirtyCpuUtilisation)}   run queue ${sample.runQueue.total}`,
    `memory      ${['total', 'processes', 'binary', 'ets', 'atom', 'code'].map(memory).join('   ')}`,
    `counts      processes ${used(sample.processes)}   ports ${used(sample.ports)}   atoms ${used(sample.atoms)}   ets ${used(sample.ets)}`,
    `per second  ${Math.round(sample.perSecond.reductions)} reductions   ${Math.round(sample.perSecond.collections)} collections   in ${humanBytes(sample.perSecond.inputBytes)}   out ${humanBytes(sample.perSecond.outputBytes)}`,
    '',
  ]
  const title = (name: string, column: string) => (by === name ? `${column}▼` : column)
  const rows = [
    ['PROCESS', title('reductions', 'REDS'), title('memory', 'MEMORY'), title('message_queue_len', 'MESSAGES'), 'NOW'],
    ...seen.processes.map((one) => [
      (one.registeredName ?? one.label ?? one.initialCall).replace(/\bElixir\./g, ''),
      String(by === 'reductions' ? one.value : one.reductions),
      humanBytes(one.memory),
      String(one.messageQueueLength),
      `${one.currentFunction} (${one.status})`,
    ]),
  ]
  const trees = seen.applications.map(({ application, supervisors, workers, troubled }) => {
    const trouble = troubled.length === 0 ? '' : `   ${troubled.slice(0, 3).join(', ')}`
    return `  ${application.padEnd(20)} ${supervisors} supervisors, ${workers} workers${trouble}`
  })
  return [...head, ...aligned(rows), '', out.style('dim', 'SUPERVISION TREES'), ...trees]
}

function used({ count, limit }: { count: number; limit: number }): string {
  return `${count}/${limit}`
}

const widest = 48

/** First and last columns are words, those between are numbers. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const fit = (cell: string) => (cell.length > widest ? `${cell.slice(0, widest - 1)}…` : cell)
  const cells = rows.map((row) => row.map(fit))
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  return cells.map((row) =>
    row
      .map((cell, column) => {
        if (column === 0) return cell.padEnd(widths[0])
        return column === row.length - 1 ? cell : cell.padStart(widths[column])
      })
      .join('  '),
  )
}
