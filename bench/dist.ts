import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../scripts/demo/stage.ts'
import { atom, type BeamNode, connect, createSampler, numberOf } from '../src/beam/index.ts'
import { startErl } from './lib/erl.ts'
import { interleaved, median, missingProgram, percentile, type Row, report } from './lib/report.ts'

/*
 * Our distribution client against `erl` that calls with its own erpc: the same target node, the same calls, in turns.
 * Sequential: one call after the other. Pipelined: 500 callers at once. Then the time of a 20 MiB reply. The floor of the first is what
 * a bare socket of Node takes to hear from another process of Node; a call is two messages back, where that is one.
 */
const sequentialCalls = 5000
const pipelinedCalls = 10_000
const callers = 500
const replyBytes = 20 * 1024 * 1024
const cookie = 'bench'
const directory = mkdtempSync(join(tmpdir(), 'cuddle-bench-dist-'))
const children: ChildProcess[] = []

const native = `
-module(bench_calls).
-export([sequential/2, pipelined/3, reply/2]).

sequential(Target, N) -> element(1, timer:tc(fun() -> calls(Target, N) end)).

pipelined(Target, Callers, N) ->
  element(1, timer:tc(fun() ->
    Pids = [spawn_monitor(fun() -> calls(Target, N div Callers) end) || _ <- lists:seq(1, Callers)],
    [receive {'DOWN', Ref, process, Pid, normal} -> ok end || {Pid, Ref} <- Pids]
  end)).

reply(Target, Size) -> element(1, timer:tc(fun() -> Size = byte_size(erpc:call(Target, binary, copy, [<<7>>, Size])) end)).

calls(_, 0) -> ok;
calls(Target, N) -> N = erpc:call(Target, erlang, abs, [-N]), calls(Target, N - 1).
`

async function calls(node: BeamNode, n: number): Promise<void> {
  for (let i = n; i > 0; i--) {
    if ((await node.rpc('erlang', 'abs', [-i])) !== i) throw new Error('a call returned something else')
  }
}

/** A connection to a bare server, and round trips of as many bytes as a call has. */
async function openEcho(): Promise<{ trips(n: number): Promise<void>; close(): void }> {
  const child = fork(join(import.meta.dirname, 'lib/echo-process.ts'))
  children.push(child)
  const [port] = (await once(child, 'message')) as [number]
  const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let heard = () => {}
  socket.on('data', () => heard())
  const bytes = Buffer.alloc(150)
  return {
    async trips(n) {
      for (let i = 0; i < n; i++) {
        const answer = new Promise<void>((resolve) => (heard = resolve))
        socket.write(bytes)
        await answer
      }
    },
    close: () => socket.destroy(),
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return (performance.now() - from) / 1000
}

async function main(): Promise<void> {
  writeFileSync(join(directory, 'bench_calls.erl'), native)
  execFileSync('erlc', ['-o', directory, join(directory, 'bench_calls.erl')])
  const port = await freePort()
  const [target, caller] = await Promise.all([
    startErl({ host: '127.0.0.2', port, cookie, directory }, children),
    startErl({ host: '127.0.0.3', port, cookie, directory }, children),
  ])
  const ours = await connect({ name: target, port, cookie, ourName: 'rem-bench@127.0.0.1' })
  const steering = await connect({ name: caller, port, cookie, ourName: 'rem-bench@127.0.0.1' })
  const erl = async (name: string, ...args: number[]) =>
    numberOf(await steering.rpc('bench_calls', name, [atom(target), ...args], { timeoutMs: 120_000 }))! / 1e6

  const echo = await openEcho()
  const rates = await interleaved({
    echo: async () => sequentialCalls / (await seconds(() => echo.trips(sequentialCalls))),
    oursSequential: async () => sequentialCalls / (await seconds(() => calls(ours, sequentialCalls))),
    erlSequential: async () => sequentialCalls / (await erl('sequential', sequentialCalls)),
    oursPipelined: async () => {
      const each = pipelinedCalls / callers
      return (
        pipelinedCalls / (await seconds(() => Promise.all(Array.from({ length: callers }, () => calls(ours, each)))))
      )
    },
    erlPipelined: async () => pipelinedCalls / (await erl('pipelined', callers, pipelinedCalls)),
    oursReply: async () => 1000 * (await seconds(() => ours.rpc('binary', 'copy', [Buffer.from([7]), replyBytes]))),
    erlReply: async () => 1000 * (await erl('reply', replyBytes)),
  })
  const latencies: number[] = []
  for (let i = 0; i < 2000; i++) latencies.push(1000 * (await seconds(() => ours.rpc('erlang', 'abs', [-1]))))
  const sampler = await createSampler(ours)
  const samples: number[] = []
  for (let i = 0; i < 200; i++) samples.push(1000 * (await seconds(() => sampler.sample())))
  sampler.close()

  const baseline = 'erl ↔ erl, erpc'
  const rows: Row[] = [
    {
      what: 'calls, one after the other',
      unit: '/s',
      ours: rates.oursSequential,
      baseline,
      theirs: rates.erlSequential,
      better: 'more',
    },
    {
      what: 'the same against the floor',
      unit: '/s',
      ours: rates.oursSequential,
      baseline: 'round trips of a bare Node socket',
      theirs: rates.echo,
      better: 'more',
    },
    {
      what: `calls, ${callers} at once`,
      unit: '/s',
      ours: rates.oursPipelined,
      baseline,
      theirs: rates.erlPipelined,
      better: 'more',
    },
    { what: 'a reply of 20 MiB', unit: 'ms', ours: rates.oursReply, baseline, theirs: rates.erlReply, better: 'less' },
  ]
  const ms = (value: number) => `${value.toFixed(2)} ms`
  report('dist', rows, {
    notes: [
      `latency of a call: p50 ${ms(median(latencies))}, p99 ${ms(percentile(latencies, 0.99))}`,
      `a whole sample of the node: p50 ${ms(median(samples))}, p99 ${ms(percentile(samples, 0.99))}`,
    ],
  })
  echo.close()
  ours.close()
  steering.close()
}

const missing = missingProgram('erlc', 'install Erlang/OTP')
try {
  if (missing) report('dist', [], { skipped: [missing] })
  else await main()
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
}
