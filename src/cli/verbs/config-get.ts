import { CuddleError, suggest } from '#lib'
import { currentRelease, getApp, releaseConfig } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Prints the value of one config var.',
  usage: 'KEY',
  positionals: [1, 1],
  options: appOption,
  examples: ['cuddle config:get DATABASE_URL'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = await appName(invocation)
    const config = await releaseConfig(context, await currentRelease(context, await getApp(context, name)))
    const key = invocation.positionals[0]
    if (!Object.hasOwn(config, key)) {
      const near = suggest(key, Object.keys(config))
      throw new CuddleError('no-config', `${name} has no config var ${key}`, {
        hint: near ? `did you mean ${near}?` : `cuddle config -a ${name}`,
      })
    }
    if (out.json) out.data({ [key]: config[key] })
    else out.print(config[key])
    return 0
  },
} satisfies Command
