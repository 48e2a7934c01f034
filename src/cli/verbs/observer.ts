import { CuddleError } from '#lib'
import { listNodes, type Observation, type Observer, observe, type Section } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command, type Invocation } from '../command.ts'
import { connect } from '../connect.ts'
import { keysLine, observerLines, observerScreen, type Sorting, sorts, views } from '../observer-lines.ts'
import { openScreen } from '../screen.ts'

const shown = 15
/** Rows that are read at least, for scrolling. */
const scrolled = 100
const windowMs = 1_000
/** The first look, and that after a key, is over less: somebody waits for it. */
const hurriedMs = 250

export default {
  summary: 'Shows what a BEAM node is busy with: top processes, ETS tables, allocators, supervision trees.',
  describe: `On a terminal the view is live: p shows processes, e ETS tables, a the allocators, t the supervision trees. r, m and b sort
processes by reductions a second, memory and mailbox; m and o sort tables by memory and objects. The arrow keys, j and k, and
page up and down scroll; q or Ctrl-C ends. Only what is shown is read. Elsewhere, and with --json, it is one look at everything.
Costs the node some 10 µs per process and look, at low priority.`,
  options: {
    ...appOption,
    process: { type: 'string', short: 'p', value: 'NAME', describe: 'a node of this process' },
    pod: { type: 'string', value: 'POD', describe: 'the node in this pod' },
    sort: { type: 'string', short: 's', value: 'BY', describe: 'reductions (default), memory or messages' },
  },
  examples: ['cuddle observer', 'cuddle observer -p worker -s memory', 'cuddle observer --json'],
  async run(invocation) {
    const { out, values, signal } = invocation
    const by = sorts[values.sort ?? 'reductions']
    if (!by) throw new CuddleError('usage', `--sort is ${Object.keys(sorts).join(', ')}, not "${values.sort}"`)
    const context = connect(invocation)
    const [pod] = await listNodes(context, await appName(invocation), { process: values.process, pod: values.pod })
    const observer = await observe(context, pod, { seat: process.pid, signal })
    const sorting: Sorting = { by, tablesBy: 'memory' }
    try {
      if (!out.json && process.stdin.isTTY && process.stdout.isTTY) await live(observer, sorting, invocation)
      else {
        const sections: Section[] = ['processes', 'tables', 'allocators', 'trees']
        const seen = await observer.look({ sections, ...sorting, limit: shown, windowMs, signal })
        out.data(seen)
        const { trees, ...summary } = seen
        if (!out.json) for (const line of observerLines(summary, sorting, out)) out.print(line)
      }
    } finally {
      observer.close()
    }
    return 0
  },
} satisfies Command

async function live(observer: Observer, sorting: Sorting, { out, signal }: Invocation): Promise<void> {
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  let view: Section = 'processes'
  let from = 0
  let seen: Observation | undefined
  let looking = new AbortController()
  const draw = () => {
    if (ended.aborted) return
    const foot = keysLine(view, out)
    if (!seen) return screen.draw([out.style('dim', 'reading …')], foot)
    const { room, columns } = screen
    const drawn = observerScreen(seen, view, { sorting, from, room, columns, out })
    from = drawn.from
    screen.draw(drawn.lines, foot)
  }
  const onKey = (key: string) => {
    if (key === 'q' || key === '\x03') stop.abort()
    const before = `${view} ${sorting.by} ${sorting.tablesBy}`
    const other = views[key as keyof typeof views]
    if (other) [view, from] = [other, 0]
    from = Math.max(0, from + (steps(screen.room)[key] ?? 0))
    if (view === 'tables') sorting.tablesBy = ({ m: 'memory', o: 'size' } as const)[key] ?? sorting.tablesBy
    else sorting.by = { r: sorts.reductions, m: sorts.memory, b: sorts.messages }[key] ?? sorting.by
    draw()
    // What is being read is no longer what is wanted.
    if (`${view} ${sorting.by} ${sorting.tablesBy}` !== before) looking.abort()
  }
  const screen = openScreen({ stdin: process.stdin, stdout: process.stdout, onKey, onResize: draw })
  try {
    draw()
    for (let hurried = true; !ended.aborted; ) {
      looking = new AbortController()
      const limit = Math.max(scrolled, screen.room)
      const look = { sections: [view], ...sorting, limit, windowMs: hurried ? hurriedMs : windowMs }
      try {
        const now = await observer.look({ ...look, signal: AbortSignal.any([ended, looking.signal]) })
        seen = { ...seen, ...now }
        hurried = false
        draw()
      } catch (error) {
        if (!ended.aborted && !looking.signal.aborted) throw error
        hurried = true
      }
    }
  } finally {
    screen.close()
  }
}

/** By how many lines a key scrolls. */
function steps(room: number): Record<string, number> {
  const page = Math.max(1, room - 9)
  return {
    ...{ j: 1, k: -1, down: 1, up: -1, pagedown: page, pageup: -page, ' ': page },
    ...{ home: Number.NEGATIVE_INFINITY, end: Number.MAX_SAFE_INTEGER },
  }
}
