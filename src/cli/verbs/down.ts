import type { Command } from '../command.ts'
import { readConfig } from '../home.ts'
import { stop } from '../stop.ts'

export default {
  summary: 'Stops all apps and the cluster. Nothing is lost: up brings it back.',
  describe:
    'Of a cluster that is not of this machine (cuddle up --kubeconfig) only the platform stops; apps go on there.',
  examples: ['cuddle down'],
  async run({ out, home }) {
    out.busy('stopping')
    const stopped = await stop(home)
    out.done()
    if (out.json) out.data({ stopped })
    else if (!stopped) out.print('nothing was running')
    else out.print(readConfig(home)?.cluster ? 'down; apps go on running on their cluster' : 'down')
    return 0
  },
} satisfies Command
