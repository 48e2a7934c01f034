import { spawn } from 'node:child_process'
import { CuddleError } from '#lib'
import { appUrl, getApp, readSettings } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Opens the app in the browser, and prints its address.',
  usage: '[PATH]',
  positionals: [0, 1],
  options: appOption,
  examples: ['cuddle open', 'cuddle open /admin -a shop'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = await appName(invocation)
    await getApp(context, name)
    const path = invocation.positionals[0] ?? ''
    if (path && !path.startsWith('/'))
      throw new CuddleError('usage', `"${path}" is no path`, { hint: 'a path starts with /' })
    const url = appUrl(name, await readSettings(context.kube)) + path
    if (out.json) out.data({ url })
    else out.print(url)
    if (out.interactive && !out.json) {
      const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
      spawn(opener, [url], { stdio: 'ignore', detached: true })
        .on('error', () => {})
        .unref()
    }
    return 0
  },
} satisfies Command
