import type { Command } from '../command.ts'
import { stop } from '../stop.ts'

export default {
  summary: 'Stops all apps and the cluster. Nothing is lost: up brings it back.',
  examples: ['cuddle down'],
  async run({ out, home }) {
    out.busy('stopping')
    const stopped = await stop(home)
    out.done()
    if (out.json) out.data({ stopped })
    else out.print(stopped ? 'down' : 'nothing was running')
    return 0
  },
} satisfies Command
