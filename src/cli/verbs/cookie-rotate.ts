import { rotateCookie } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Gives the nodes of a BEAM cluster a new cookie, with no restart.',
  describe: `Every running node takes it over distribution; connections between nodes stay. Nodes that start later begin with it.
Until all have it both cookies count, and the platform goes on after a crash. Ctrl-C ends the watching, not the rotation.`,
  options: appOption,
  examples: ['cuddle cookie:rotate', 'cuddle cookie:rotate -a shop'],
  async run(invocation) {
    const { out, signal } = invocation
    const app = await appName(invocation)
    const result = await rotateCookie(connect(invocation), app, { signal, progress: (message) => out.note(message) })
    if (out.json) out.data({ app, result })
    else out.print(result)
    return 0
  },
} satisfies Command
