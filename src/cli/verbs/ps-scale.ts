import { CuddleError } from '#lib'
import { type Context, explainWait, listProcesses, processesOf, readScale, scaleApp } from '#platform'
import type { Scale } from '#spec'
import { appName } from '../app-name.ts'
import { appOption, type Command, type Invocation } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Sets how many pods of each process run, or a range in which load decides; without arguments, shows it.',
  usage: '[PROCESS=COUNT|MIN..MAX…]',
  positionals: [0, 50],
  options: { ...appOption, 'no-wait': { type: 'boolean', describe: 'do not wait until the pods are ready' } },
  examples: ['cuddle ps:scale web=3', 'cuddle ps:scale web=2..10 worker=1', 'cuddle ps:scale'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = await appName(invocation)
    if (invocation.positionals.length > 0) {
      const scale = Object.fromEntries(await Promise.all(invocation.positionals.map(parse)))
      await scaleApp(context, name, scale)
      if (!invocation.values['no-wait']) {
        for (const [process, range] of Object.entries(scale)) await ready(invocation, context, name, process, range)
        out.done()
      }
    }
    const processes = await processesOf(context, name)
    const scale = await readScale(context, name)
    if (out.json) out.data(scale)
    else if (processes.length === 0) out.print('nothing runs yet; git push cuddle main, or cuddle deploy')
    else
      out.table(
        ['process', 'count'],
        processes.map((process) => [process, String(scale[process] ?? 1)]),
      )
    return 0
  },
} satisfies Command

const pollMs = 150
/** Between two looks at why pods are waited for, ms. */
const lookMs = 2_000

async function ready(
  { out, signal }: Invocation,
  context: Context,
  app: string,
  process: string,
  { min, max }: Scale,
): Promise<void> {
  const began = context.clock.now()
  let looked = context.clock.monotonic()
  let why = ''
  for (;;) {
    const rows = (await listProcesses(context, app)).filter(
      (row) => row.process === process && row.state !== 'Terminating',
    )
    const ready = rows.filter((row) => row.ready).length
    if (rows.length >= min && rows.length <= max && ready === rows.length) return
    if (context.clock.monotonic() - looked >= lookMs) {
      // Who may not read why waits all the same.
      why = await explainWait(context, app, process, began).catch(() => '')
      looked = context.clock.monotonic()
    }
    out.busy(
      rows.length > max
        ? `${process}: ${rows.length - max} too many, leaving`
        : `${process}: ${ready} of ${Math.max(rows.length, min)} ready${why}`,
    )
    await context.clock.sleep(pollMs, signal)
    if (signal.aborted) {
      throw new CuddleError('interrupted', 'stopped waiting; the scaling goes on', { hint: `cuddle ps -a ${app}` })
    }
  }
}

async function parse(word: string): Promise<[string, Scale]> {
  const { readScale: readRange } = await import('#spec')
  const match = /^([a-z0-9][a-z0-9-]*)=(.+)$/.exec(word)
  if (!match) throw new CuddleError('usage', `"${word}" is not PROCESS=COUNT`, { hint: 'cuddle ps:scale web=3' })
  const scale = readRange(match[2])
  if ('value' in scale) return [match[1], scale.value]
  throw new CuddleError('usage', `${match[1]}: ${scale.message}`, { hint: scale.hint ?? 'cuddle ps:scale web=3' })
}
