import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { planApp, renderDiff } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Shows what deploying this folder would change, object by object. Nothing is changed.',
  describe:
    "Compares the spec files of this folder with what runs, with today's image and config. Values of secrets are never shown.\nEnds with 0 when nothing would change, with 2 when something would.",
  options: appOption,
  examples: ['cuddle plan', 'cuddle plan --json'],
  async run(invocation) {
    const { out } = invocation
    const files: Record<string, string> = {}
    for (const name of ['cuddle.yaml', 'cuddle.yml', 'Procfile', 'app.json']) {
      const path = join(invocation.cwd, name)
      if (existsSync(path)) files[name] = readFileSync(path, 'utf8')
    }
    const { diffs, warnings } = await planApp(connect(invocation), await appName(invocation), files)
    for (const warning of warnings) out.note(`${out.style('yellow', 'warning:')} ${warning}`)
    if (out.json) out.data(diffs)
    else if (diffs.length === 0) out.print('nothing would change')
    else out.print(renderDiff(diffs, { colour: out.interactive }))
    return diffs.length === 0 ? 0 : 2
  },
} satisfies Command
