import { restartApp } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Restarts an app or one of its processes, new pods before old ones.',
  usage: '[PROCESS]',
  positionals: [0, 1],
  options: appOption,
  examples: ['cuddle ps:restart', 'cuddle ps:restart worker'],
  async run(invocation) {
    const { out } = invocation
    const name = await appName(invocation)
    const process = invocation.positionals[0]
    await restartApp(connect(invocation), name, process)
    if (out.json) out.data({ app: name, restarted: process ?? 'all' })
    else out.print(`restarting ${process ? `${process} of ${name}` : `all processes of ${name}`}; cuddle ps shows it`)
    return 0
  },
} satisfies Command
