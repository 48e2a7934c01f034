import { CuddleError } from '#lib'
import { readSizes, resizeProcess } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'
import { follow, waiting, waitOption } from '../follow.ts'

export default {
  summary: 'Sets how much CPU and memory each pod of a process gets, as a release; without arguments, shows it.',
  usage: '[PROCESS SIZE | PROCESS cpu=AMOUNT memory=AMOUNT]',
  describe:
    'SIZE is small, medium, large or xlarge. What is set here counts instead of size in cuddle.yaml, until --reset.\nPods of a process with strategy: hot are resized where they run; others are replaced by new ones, which serve before the old ones go.',
  positionals: [0, 3],
  options: {
    ...appOption,
    ...waitOption,
    reset: { type: 'boolean', describe: 'give PROCESS the size of cuddle.yaml back' },
  },
  examples: [
    'cuddle ps:resize web large',
    'cuddle ps:resize web cpu=500m memory=512Mi',
    'cuddle ps:resize worker memory=1Gi',
    'cuddle ps:resize web --reset',
    'cuddle ps:resize',
  ],
  async run(invocation) {
    const { out, values } = invocation
    const [process, ...words] = invocation.positionals
    const usage = (message: string) =>
      new CuddleError('usage', message, { hint: 'cuddle ps:resize web cpu=500m memory=512Mi' })
    if (process !== undefined && /=/.test(process)) throw usage(`"${process}" is no process: it goes before its size`)
    if (values.reset && (process === undefined || words.length > 0)) throw usage('--reset takes a process, and no size')
    if (process !== undefined && words.length === 0 && !values.reset) throw usage(`no size is given for ${process}`)
    const context = connect(invocation)
    const name = await appName(invocation)
    if (process !== undefined) {
      const release = await resizeProcess(context, name, process, values.reset ? undefined : words, waiting(invocation))
      if (release) return follow(invocation, context, name, release)
      out.note('nothing changed: no new release')
      out.data({ app: name, changed: false })
      return 0
    }
    const sizes = await readSizes(context, name)
    if (out.json) out.data(sizes)
    else
      out.table(
        ['process', 'cpu', 'memory', 'set by'],
        Object.entries(sizes).map(([one, { cpu, memory, byHand }]) => [
          one,
          cpu,
          memory,
          byHand ? 'ps:resize' : 'cuddle.yaml',
        ]),
      )
    return 0
  },
} satisfies Command
