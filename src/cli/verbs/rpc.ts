import { CuddleError } from '#lib'
import { evaluateOn, listNodes } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Evaluates an expression in a running BEAM node and prints its value.',
  usage: 'EXPRESSION',
  describe: `Elixir where the node has it, else Erlang. Runs in one node, a ready one; what it prints is printed here. Nothing
is installed in the app and no other node is started. Ctrl-C and the time limit end the process that evaluates.
Leaves an Event about the app that says who it was. Ends with 1 when the expression raises.`,
  positionals: [1, 1],
  options: {
    ...appOption,
    process: { type: 'string', short: 'p', value: 'NAME', describe: 'in a node of this process' },
    pod: { type: 'string', value: 'POD', describe: 'in this pod' },
    erl: { type: 'boolean', describe: 'the expression is Erlang' },
    timeout: { type: 'string', value: 'SECONDS', describe: 'give up after this time (default 30)' },
  },
  examples: ["cuddle rpc 'Node.list()'", "cuddle rpc -p worker 'Shop.Queue.length()'", "cuddle rpc --erl 'nodes().'"],
  async run(invocation) {
    const { out, values, signal } = invocation
    const seconds = values.timeout === undefined ? 30 : Number(values.timeout)
    if (!(seconds > 0)) throw new CuddleError('usage', `--timeout needs seconds, not "${values.timeout}"`)
    const context = connect(invocation)
    const [node] = await listNodes(context, await appName(invocation), { process: values.process, pod: values.pod })
    const printed: string[] = []
    const result = await inTime(
      seconds,
      evaluateOn(context, node, invocation.positionals[0], {
        erlang: Boolean(values.erl),
        seat: process.pid,
        timeoutMs: seconds * 1000,
        signal,
        write: (text) => (out.json ? printed.push(text) : process.stdout.write(text)),
      }),
    )
    out.data({ pod: node.pod, node: node.name, output: printed.join(''), result })
    if (!out.json) out.print(result)
    return 0
  },
} satisfies Command

/** Says of an expression that takes too long how it is given more time. */
async function inTime<T>(seconds: number, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (!(cause instanceof CuddleError) || cause.code !== 'call-timeout') throw cause
    throw new CuddleError('call-timeout', `the expression did not return within ${seconds} s, and was ended`, {
      hint: '--timeout SECONDS gives it longer; cuddle observer shows what the node is busy with',
      cause,
    })
  }
}
