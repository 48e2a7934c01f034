import { CuddleError } from '#lib'
import { runOnce } from '#platform'
import { validConfig } from '#spec'
import { appName } from '../app-name.ts'
import { appOption, type Command, quote } from '../command.ts'
import { connect } from '../connect.ts'
import { openTerminal } from '../terminal.ts'

export default {
  summary: 'Runs a command once, in a fresh pod with the code and config of the current release.',
  describe: `On a terminal the command gets one too: cuddle run -- sh is a shell, Ctrl-C goes to the command, and the window's
size follows. Elsewhere its output is printed, --stdin passes input on, and Ctrl-C deletes the pod.
Ends with the exit code of the command.`,
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
    tty: { type: 'boolean', short: 't', describe: 'give the command a terminal, also where there is none' },
    'no-tty': { type: 'boolean', describe: 'give it none, also on a terminal' },
    stdin: { type: 'boolean', short: 'i', describe: 'pass standard input on to the command' },
  },
  examples: [
    'cuddle run -- bin/shop eval "Shop.Release.migrate()"',
    'cuddle run -- sh',
    'cuddle run -e DEBUG=1 -- env',
    'cuddle run -i -- psql <dump.sql',
  ],
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
    const app = await appName(invocation)
    const own = openTerminal({
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      tty: invocation.values.tty ? true : invocation.values['no-tty'] || out.json ? false : undefined,
      input: Boolean(invocation.values.stdin) && !out.json,
    })
    if (own?.streams.tty) env.TERM ??= invocation.env.TERM ?? 'xterm'
    let code: number
    try {
      code = await runOnce(connect(invocation), app, {
        command,
        env,
        write,
        streams: own?.streams,
        signal: invocation.signal,
      })
    } finally {
      own?.close()
    }
    out.data({ exitCode: code, output: lines })
    return code
  },
} satisfies Command
