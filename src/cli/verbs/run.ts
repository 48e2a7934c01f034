import { CuddleError } from '#lib'
import { runOnce } from '#platform'
import { validConfig } from '#spec'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Runs a command once, in a fresh pod with the code and config of the current release.',
  describe: 'Ends with the exit code of the command. Ctrl-C deletes the pod.',
  rest: true,
  options: {
    ...appOption,
    env: {
      type: 'string',
      short: 'e',
      multiple: true,
      value: 'KEY=VALUE',
      describe: 'a further variable for this run',
    },
  },
  examples: ['cuddle run -- bin/shop eval "Shop.Release.migrate()"', 'cuddle run -e DEBUG=1 -- env'],
  async run(invocation) {
    const { out, rest } = invocation
    if (rest.length === 0) throw new CuddleError('usage', 'run what?', { hint: 'cuddle run -- COMMAND' })
    const env = Object.fromEntries(
      (invocation.values.env ?? []).map((pair: string) => {
        const equals = pair.indexOf('=')
        if (equals < 1) throw new CuddleError('usage', `"${pair}" is not KEY=VALUE`)
        return [pair.slice(0, equals), pair.slice(equals + 1)]
      }),
    )
    const [problem] = validConfig(env)
    if (problem) throw new CuddleError('usage', problem.message, { hint: problem.hint })
    const command = rest.length === 1 ? rest[0] : rest.map(quote).join(' ')
    const lines: string[] = []
    const write = (line: string) => (out.json ? lines.push(line) : out.print(line))
    const code = await runOnce(connect(invocation), await appName(invocation), {
      command,
      env,
      write,
      signal: invocation.signal,
    })
    out.data({ exitCode: code, output: lines })
    return code
  },
} satisfies Command

function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
