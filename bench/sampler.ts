import { readdirSync, readFileSync } from 'node:fs'
import { compile, connect, createSampler, evaluate, numberOf, run } from '#beam'
import { startErl } from '../src/beam/testing/erl-node.ts'
import { median, missingProgram, report } from './lib/report.ts'

/*
 * What the sampler costs an app: the work that a busy node gets done while it is read once a second, ÷ what it gets done while it is
 * not. That is too little to be seen directly on a machine that is shared, so three states take turns in many short rounds: nothing; scheduler
 * times measured (which a sampler asks for) but never read; and read as often as it goes. What a reading costs follows from the last
 * two, and once a second is computed from it. Work is counted per second that the kernel gave to the node's threads, to the nanosecond,
 * and each round is compared with its neighbours only: the median of these ratios counts, and how far it may be off is told. The node has ten thousand idle
 * processes and a table of twenty published numbers.
 */
const roundMs = 250
const rounds = 120
const missing = [missingProgram('erl', 'apt-get install erlang')].filter((item) => item !== undefined)
if (missing.length > 0) {
  report('sampler', [], { skipped: missing })
  process.exit(0)
}

const load = `
Count = counters:new(1, [write_concurrency]),
persistent_term:put(bench, Count),
Data = [erlang:phash2(N) || N <- lists:seq(1, 1000)],
[spawn(fun() -> (fun Loop() -> lists:sort(Data), counters:add(Count, 1, 1), Loop() end)() end) || _ <- lists:seq(1, 8)],
[spawn(timer, sleep, [infinity]) || _ <- lists:seq(1, 10000)],
spawn(fun() ->
  ets:new(cuddle_metrics, [named_table, public]),
  ets:insert(cuddle_metrics, [{list_to_atom("number_" ++ integer_to_list(N)), N} || N <- lists:seq(1, 20)]),
  receive stop -> ok end
end),
ok`

const cleanups: (() => void | Promise<void>)[] = []
const erl = await startErl({ after: (fn) => cleanups.push(fn) }, { args: ['+sbwt', 'none'] })
const node = await connect({ name: erl.name, port: erl.port, cookie: erl.cookie, ourName: 'rem-bench@127.0.0.1' })
const pid = numberOf(await evaluate(node, 'list_to_integer(os:getpid())'))!
await evaluate(node, load)

/** Nanoseconds that the node's threads have run: the kernel's own account, where `stat` counts hundredths of a second. */
function ran(): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    try {
      return sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0])
    } catch {
      // A thread that has ended since; those that work do not.
      return sum
    }
  }, 0)
}

const counted = await compile(node, 'counters:get(persistent_term:get(bench), 1)')
const done = async () => numberOf(await run(node, counted))!
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type State = 'nothing' | 'measured' | 'read'
const states: State[] = ['nothing', 'measured', 'read']
const rates: Record<State, number[]> = { nothing: [], measured: [], read: [] }
let readings = 0
let readFor = 0

/** Lists sorted per second of CPU. */
async function round(state: State): Promise<number> {
  const sampler = state === 'nothing' ? undefined : await createSampler(node)
  const [from, began, since] = [await done(), ran(), performance.now()]
  if (state === 'read') {
    for (; performance.now() - since < roundMs; readings++) await sampler!.sample()
  } else await pause(roundMs)
  const [to, ended] = [await done(), ran()]
  sampler?.close()
  if (state === 'read') readFor += (performance.now() - since) / 1000
  return (to - from) / ((ended - began) / 1e9)
}

for (let index = 0; index < rounds; index++) {
  // Who goes first changes, for the machine drifts.
  for (let turn = 0; turn < 3; turn++) {
    const state = states[(index + turn) % 3]
    rates[state].push(await round(state))
  }
}
node.close()
for (const cleanup of cleanups) await cleanup()

/** The median of one state's rounds ÷ another's, each with its neighbour, and between what it lies with 95 %. */
function ratio(ours: State, theirs: State): { middle: number; low: number; high: number } {
  const sorted = rates[ours].map((rate, index) => rate / rates[theirs][index]).sort((a, b) => a - b)
  // Order statistics of a median: half of them, give or take a standard deviation of the coin, twice.
  const off = Math.sqrt(rounds)
  const at = (rank: number) => sorted[Math.max(0, Math.min(rounds - 1, Math.round(rank)))]
  return { middle: median(sorted), low: at(rounds / 2 - off), high: at(rounds / 2 + off) }
}

const flag = ratio('measured', 'nothing')
const reading = ratio('read', 'measured')
const perReading = (1 - reading.middle) / (readings / readFor)
const without = median(rates.nothing)
const range = ({ middle, low, high }: typeof flag) => `${middle.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`
report(
  'sampler',
  [
    {
      what: 'work with the sampler, once a second',
      unit: 'lists/CPU s',
      ours: without * flag.middle * (1 - perReading),
      theirs: without,
      baseline: 'without',
      better: 'more',
      goal: 0.99,
    },
  ],
  {
    notes: [
      `scheduler times measured, never read: ${range(flag)}`,
      `read ${(readings / readFor).toFixed(0)} times a second: ${range(reading)} of that, so ${(perReading * 100).toFixed(3)} % a reading`,
    ],
  },
)
