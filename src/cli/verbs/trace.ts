import { CuddleError, errorMessage, parseDuration } from '#lib'
import { listNodes, type TraceCounts, type TraceEvent, traceOn } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'
import { callLine, countLines, endLine } from '../trace-lines.ts'

export default {
  summary: 'Follows the calls of a function in a running BEAM node, within limits.',
  usage: 'FUNCTION',
  describe: `FUNCTION is 'Mod.fun/2', 'Mod.fun', 'Mod.*' or 'mod:fun/2'. Calls are counted for half a second first; they are shown one by
one only when there are fewer than --rate in a second. It ends by itself, at --limit or after --for; the limits hold on the
node, which cuts arguments too, and nothing is left there when the command ends, is killed, or loses the connection.
One trace at a time on a node. Leaves an Event about the pod that says who it was.`,
  positionals: [1, 1],
  options: {
    ...appOption,
    process: { type: 'string', short: 'p', value: 'NAME', describe: 'in a node of this process' },
    pod: { type: 'string', value: 'POD', describe: 'in this pod' },
    pods: { type: 'string', value: 'all', describe: 'all: in every node at once' },
    returns: { type: 'boolean', describe: 'what the function returns or raises, too' },
    limit: { type: 'string', value: 'N', describe: 'lines of each node (default 100); 0 only counts' },
    rate: { type: 'string', value: 'N', describe: 'calls a second that are still shown (default 500)' },
    for: { type: 'string', value: 'TIME', describe: 'at most this long (default 10s, longest 10m)' },
  },
  examples: [
    "cuddle trace 'Shop.Cart.add/2' --returns",
    "cuddle trace 'Shop.Cart.*' --pods all --for 30s",
    "cuddle trace 'ets:insert/2' --limit 0",
  ],
  async run(invocation) {
    const { out, values, signal } = invocation
    const whole = (name: string, fallback: number, most: number) => {
      const value = values[name] === undefined ? fallback : Number(values[name])
      if (Number.isInteger(value) && value >= 0 && value <= most) return value
      throw new CuddleError('usage', `--${name} is a number up to ${most}, not "${values[name]}"`)
    }
    const durationMs = values.for === undefined ? 10_000 : parseDuration(values.for)
    if (!durationMs || durationMs > 600_000) throw new CuddleError('usage', `--for is a time up to 10m, like 30s`)
    if (values.pods !== undefined && values.pods !== 'all') throw new CuddleError('usage', '--pods takes all')
    const request = {
      target: invocation.positionals[0],
      returns: Boolean(values.returns),
      limit: whole('limit', 100, 10_000),
      maxPerSecond: whole('rate', 500, 5_000),
      durationMs,
      signal,
    }
    const context = connect(invocation)
    const nodes = await listNodes(context, await appName(invocation), { process: values.process, pod: values.pod })
    const chosen = values.pods === 'all' ? nodes : nodes.slice(0, 1)
    const several = chosen.length > 1
    const results = await Promise.all(
      chosen.map(async ({ pod, name }) => {
        const result: Result = { pod, node: name, events: [] }
        const label = several ? out.style('cyan', `${pod}  `) : ''
        const print = (line: string) => out.json || out.print(label + line)
        try {
          result.ended = await traceOn(context, chosen.find((one) => one.pod === pod)!, {
            ...request,
            seat: process.pid,
            onCounts: (counts) => {
              result.counts = counts
              for (const line of countLines(counts)) print(out.style('dim', line))
            },
            onEvent: (event) => {
              result.events.push(event)
              print(callLine(event, invocation.positionals[0]))
            },
          })
          if (!out.json) out.note(label + out.style('dim', endLine(result.ended, request)))
        } catch (error) {
          if (!several || signal.aborted) throw error
          result.error = errorMessage(error)
          if (!out.json) out.note(`${pod}: ${result.error}`)
        }
        return result
      }),
    )
    out.data(several ? results : results[0])
    return results.some((one) => one.error !== undefined) ? 1 : 0
  },
} satisfies Command

interface Result {
  pod: string
  node: string
  counts?: TraceCounts
  events: TraceEvent[]
  ended?: string
  error?: string
}
