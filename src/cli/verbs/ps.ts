import { listProcesses } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Lists the pods of an app.',
  options: { ...appOption, all: { type: 'boolean', describe: 'those too that ran to their end' } },
  examples: ['cuddle ps', 'cuddle ps --all', 'cuddle ps -a shop --json'],
  async run(invocation) {
    const { out } = invocation
    const pods = await listProcesses(connect(invocation), await appName(invocation))
    const rows = pods.filter((pod) => invocation.values.all || !['Succeeded', 'Completed'].includes(pod.state))
    if (out.json) out.data(rows)
    else if (rows.length === 0) out.note('nothing runs yet; git push cuddle main, or cuddle deploy')
    else {
      out.table(
        ['process', 'pod', 'state', 'ready', 'restarts', 'age', 'node', 'address'],
        rows.map((row) => [
          row.process,
          row.pod,
          row.state === 'Running'
            ? out.style('green', row.state)
            : out.style(row.state === 'Terminating' ? 'dim' : 'yellow', row.state),
          row.ready ? 'yes' : 'no',
          String(row.restarts),
          row.age,
          row.node,
          row.address,
        ]),
      )
    }
    return 0
  },
} satisfies Command
