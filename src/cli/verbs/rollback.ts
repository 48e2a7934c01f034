import { rollback } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'
import { follow, waiting, waitOption } from '../follow.ts'
import { releaseNumber } from './releases-info.ts'

export default {
  summary: 'Goes back to an older release: image, config and spec together, with no build.',
  usage: '[vN]',
  describe: 'Without a number, to the last successful release before the current one. Makes a new release.',
  positionals: [0, 1],
  options: { ...appOption, ...waitOption },
  examples: ['cuddle rollback', 'cuddle rollback v12'],
  async run(invocation) {
    const context = connect(invocation)
    const name = await appName(invocation)
    const word = invocation.positionals[0]
    const release = await rollback(
      context,
      name,
      word === undefined ? undefined : releaseNumber(word),
      waiting(invocation),
    )
    return follow(invocation, context, name, release)
  },
} satisfies Command
