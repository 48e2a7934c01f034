import { CuddleError } from '#lib'
import { appLogs } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

const colours = ['cyan', 'green', 'magenta', 'yellow', 'blue'] as const

export default {
  summary: "Shows the log of an app's pods, oldest first.",
  options: {
    ...appOption,
    follow: { type: 'boolean', short: 'f', describe: 'go on as lines come, new pods included, until Ctrl-C' },
    process: { type: 'string', short: 'p', value: 'NAME', describe: 'only this process' },
    lines: { type: 'string', short: 'n', value: 'N', describe: 'the last N lines (default 100)' },
  },
  examples: ['cuddle logs', 'cuddle logs -f -p web', 'cuddle logs -n 20 --json'],
  async run(invocation) {
    const { out, values } = invocation
    const lines = values.lines === undefined ? undefined : Number(values.lines)
    if (lines !== undefined && !(Number.isInteger(lines) && lines >= 0))
      throw new CuddleError('usage', `-n needs a whole number, not "${values.lines}"`)
    const name = await appName(invocation)
    const seen = new Map<string, (typeof colours)[number]>()
    const request = {
      process: values.process,
      lines: lines ?? (values.follow ? undefined : 100),
      follow: values.follow,
      signal: invocation.signal,
    }
    for await (const line of appLogs(connect(invocation), name, request)) {
      if (out.json) {
        out.print(JSON.stringify(line))
        continue
      }
      if (!seen.has(line.pod)) seen.set(line.pod, colours[seen.size % colours.length])
      const source = `${line.process}.${line.pod.slice(-5)}`
      out.print(
        `${out.style('dim', line.time.slice(0, 23).replace('T', ' '))} ${out.style(seen.get(line.pod)!, source)} ${line.text}`,
      )
    }
    return 0
  },
} satisfies Command
