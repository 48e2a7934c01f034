import { currentRelease, getApp, releaseConfig } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Lists the config vars of an app. Values are hidden unless asked for.',
  options: { ...appOption, show: { type: 'boolean', describe: 'print the values too' } },
  examples: ['cuddle config', 'cuddle config --show --json'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = await appName(invocation)
    const config = await releaseConfig(context, await currentRelease(context, await getApp(context, name)))
    const keys = Object.keys(config).sort()
    const { show } = invocation.values
    if (out.json) out.data(show ? config : keys)
    else if (keys.length === 0) out.note(`${name} has no config vars; cuddle config:set KEY=VALUE sets one`)
    else for (const key of keys) out.print(show ? `${key}=${JSON.stringify(config[key])}` : key)
    return 0
  },
} satisfies Command
