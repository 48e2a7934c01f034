import { formatDuration } from '#lib'
import { type Context, listNodes, listProcesses, nodeUsage } from '#platform'
import { appName } from '../app-name.ts'
import { humanBytes } from '../bytes.ts'
import { appOption, type Command, type Invocation } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Lists the pods of an app.',
  options: {
    ...appOption,
    all: { type: 'boolean', describe: 'those too that ran to their end' },
    beam: { type: 'boolean', describe: 'how busy the BEAM node in each pod is' },
  },
  examples: ['cuddle ps', 'cuddle ps --all', 'cuddle ps --beam', 'cuddle ps -a shop --json'],
  async run(invocation) {
    const { out } = invocation
    if (invocation.values.beam) return beam(invocation, connect(invocation), await appName(invocation))
    const pods = await listProcesses(connect(invocation), await appName(invocation))
    const rows = pods.filter((pod) => invocation.values.all || !['Succeeded', 'Completed'].includes(pod.state))
    if (out.json) out.data(rows)
    else if (rows.length === 0) out.note('nothing runs yet; git push cuddle main, or cuddle deploy')
    else {
      out.table(
        ['process', 'pod', 'state', 'ready', 'code', 'restarts', 'age', 'node', 'address'],
        rows.map((row) => [
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
        ]),
      )
      for (const { pod, goodbye } of rows) if (goodbye) out.note(`${pod}: ${goodbye}`)
    }
    return 0
  },
} satisfies Command

async function beam({ out, signal }: Invocation, context: Context, app: string): Promise<number> {
  const rows = await nodeUsage(context, await listNodes(context, app), { seat: process.pid, signal })
  const failed = rows.flatMap((row) => ('error' in row ? [row] : []))
  const code = failed.length > 0 ? 1 : 0
  out.data(rows)
  if (out.json) return code
  out.table(
    ['process', 'pod', 'utilisation', 'run queue', 'memory', 'processes', 'longest mailbox', 'uptime', 'otp', 'node'],
    rows.flatMap((row) =>
      'error' in row
        ? []
        : [
            [
              row.process,
              row.pod,
              row.utilisation === null ? '?' : `${(row.utilisation * 100).toFixed(1)}% of ${row.schedulers}`,
              String(row.runQueue),
              humanBytes(row.memoryBytes),
              String(row.processes),
              String(row.maxMessageQueue),
              formatDuration(row.uptimeMs),
              row.otpRelease,
              row.node,
            ],
          ],
    ),
  )
  for (const row of rows) {
    const numbers = 'error' in row ? [] : Object.entries(row.published)
    if (numbers.length > 0) out.print(`${row.pod}: ${numbers.map(([name, value]) => `${name}=${value}`).join(' ')}`)
  }
  for (const row of failed) out.note(`${row.pod}: ${row.error}`)
  return code
}
