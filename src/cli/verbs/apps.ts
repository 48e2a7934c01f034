import { humanAge } from '#lib'
import { listApps } from '#platform'
import type { Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Lists the apps of this cluster.',
  examples: ['cuddle apps', 'cuddle apps --json'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const rows = (await listApps(context)).map((app) => ({
      name: app.metadata.name!,
      release: app.status?.currentRelease,
      ready:
        app.status?.conditions?.some((condition: any) => condition.type === 'Ready' && condition.status === 'True') ??
        false,
      url: app.status?.url ?? '',
      created: app.metadata.creationTimestamp!,
    }))
    if (out.json) out.data(rows)
    else if (rows.length === 0) out.note('no apps yet; cuddle create NAME makes one')
    else {
      out.table(
        ['name', 'release', 'ready', 'age', 'url'],
        rows.map((row) => [
          row.name,
          row.release ? `v${row.release}` : '-',
          row.ready ? out.style('green', 'yes') : out.style('yellow', 'no'),
          humanAge(context.clock.now() - Date.parse(row.created)),
          row.url,
        ]),
      )
    }
    return 0
  },
} satisfies Command
