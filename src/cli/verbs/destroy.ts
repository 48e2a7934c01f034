import { createInterface } from 'node:readline/promises'
import { CuddleError } from '#lib'
import { destroyApp, getApp } from '#platform'
import { appName, checked } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Deletes an app: its pods, releases, config, repository and volumes.',
  usage: '[NAME]',
  positionals: [0, 1],
  options: {
    ...appOption,
    confirm: { type: 'string', value: 'NAME', describe: 'the name again, so that nothing is asked' },
  },
  examples: ['cuddle destroy shop', 'cuddle destroy shop --confirm shop'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const [word] = invocation.positionals
    const name = word === undefined ? await appName(invocation) : checked(word)
    await getApp(context, name)
    let confirmed = invocation.values.confirm
    if (confirmed === undefined && out.interactive && process.stdin.isTTY) {
      const readline = createInterface({ input: process.stdin, output: process.stderr })
      confirmed = (
        await readline.question(`This deletes ${name} and all its data. Type its name to go on: `, {
          signal: invocation.signal,
        })
      ).trim()
      readline.close()
    }
    if (confirmed !== name) {
      const why = confirmed === undefined ? 'the name was not confirmed' : `the app is ${name}, not "${confirmed}"`
      throw new CuddleError('not-confirmed', `nothing was deleted: ${why}`, {
        hint: `cuddle destroy ${name} --confirm ${name}`,
      })
    }
    out.busy(`destroying ${name}`)
    await destroyApp(context, name, invocation.signal)
    out.done()
    if (out.json) out.data({ destroyed: name })
    else out.print(`destroyed ${name}`)
    return 0
  },
} satisfies Command
