import { readFileSync } from 'node:fs'
import { compile, connect, createSampler, evaluate, numberOf, run } from '#beam'
import { startErl } from '../src/beam/testing/erl-node.ts'
import { missingProgram, report } from './lib/report.ts'

/*
 * What the sampler costs an app: the work that a busy node gets done while it is read once a second, ÷ what it gets done while it is
 * not. That is too little to be seen directly on a machine that is shared, so three states take turns many times: nothing; scheduler
 * times measured (which a sampler asks for) but never read; and read as often as it goes. What a reading costs follows from the last
 * two, and once a second is computed from it. Work is counted per second of the node's own CPU time. The node has ten thousand idle
 * processes and a table of twenty published numbers.
 */
const roundMs = 500
const rounds = 80
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

/** CPU time of the node, in clock ticks. */
function ticks(): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')
  return Number(fields[11]) + Number(fields[12])
}

const counted = await compile(node, 'counters:get(persistent_term:get(bench), 1)')
const done = async () => numberOf(await run(node, counted))!
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type State = 'nothing' | 'measured' | 'read'
const work: Record<State, number> = { nothing: 0, measured: 0, read: 0 }
const cpu: Record<State, number> = { nothing: 0, measured: 0, read: 0 }
let readings = 0
let readFor = 0

async function round(state: State): Promise<void> {
  const sampler = state === 'nothing' ? undefined : await createSampler(node)
  const [from, began, since] = [await done(), ticks(), performance.now()]
  if (state === 'read') {
    for (; performance.now() - since < roundMs; readings++) await sampler!.sample()
  } else await pause(roundMs)
  const [to, ended] = [await done(), ticks()]
  sampler?.close()
  if (state === 'read') readFor += (performance.now() - since) / 1000
  work[state] += to - from
  cpu[state] += (ended - began) / 100
}

for (let index = 0; index < rounds; index++) {
  const order: State[] = ['nothing', 'measured', 'read']
  // Who goes first changes, for the machine drifts.
  for (let turn = 0; turn < 3; turn++) await round(order[(index + turn) % 3])
}
node.close()
for (const cleanup of cleanups) await cleanup()

const rate = (state: State) => work[state] / cpu[state]
const perReading = (1 - rate('read') / rate('measured')) / (readings / readFor)
const onceASecond = rate('measured') * (1 - perReading)
report(
  'sampler',
  [
    {
      what: 'work with the sampler, once a second',
      unit: 'lists/CPU s',
      ours: onceASecond,
      theirs: rate('nothing'),
      baseline: 'without',
      better: 'more',
      goal: 0.99,
    },
  ],
  {
    notes: [
      `scheduler times measured, never read: ${(rate('measured') / rate('nothing')).toFixed(4)}`,
      `read ${(readings / readFor).toFixed(0)} times a second: ${(rate('read') / rate('measured')).toFixed(4)} of that, so ${(perReading * 100).toFixed(3)} % a reading`,
    ],
  },
)
