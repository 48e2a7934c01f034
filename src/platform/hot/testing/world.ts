import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type BeamNode, evaluate, format } from '#beam'
import { temporaryDirectory } from '#lib/testing'
import type { HotUpgrade } from '../upgrade-types.ts'
import { compileErlang, type RunningNode, startNode } from './erlang.ts'

/** A gen_server that holds a number; `rest` is its code_change, `state` the pattern of its state. */
export const counter = (version: number, rest: string, state = 'N') => `
-module(counter).
-behaviour(gen_server).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, code_change/3]).
-vsn(v${version}).
start_link(N) -> gen_server:start_link(?MODULE, N, []).
init(N) -> {ok, ${version === 1 ? 'N' : '#{n => N}'}}.
handle_call(get, _, ${state}) -> {reply, {${version}, N}, ${state === 'N' ? 'N' : '#{n => N}'}}.
handle_cast(_, S) -> {noreply, S}.
${rest}`

const pool = `
-module(pool).
-behaviour(supervisor).
-export([start/1, init/1]).
start(Count) ->
  {ok, S} = supervisor:start_link({local, ?MODULE}, ?MODULE, []), unlink(S),
  [{ok, _} = supervisor:start_child(S, [N]) || N <- lists:seq(1, Count)], ok.
init([]) -> {ok, {#{strategy => simple_one_for_one}, [#{id => c, start => {counter, start_link, []}}]}}.
`

/** A process that stays in the code that it was started with. */
export const loop = (version: number) => `
-module(loop).
-export([start/0, run/0]).
start() -> register(loop, P = spawn(?MODULE, run, [])), P.
run() -> receive {who, From} -> From ! ${version}, run() end.
`

const one = counter(1, 'code_change(_, S, _) -> {ok, S}.')
/** The second version of the counter, which migrates there and back. */
export const good = counter(
  2,
  'code_change({down, v1}, #{n := N}, _) -> {ok, N}; code_change(v1, N, _) -> {ok, #{n => N}}.',
  '#{n := N}',
)

/** Nodes with the first version and so many counters, and the BEAM files. */
export async function world(t: TestContext, { nodes = 1, counters = 1000 } = {}) {
  const directory = temporaryDirectory(t)
  const before = compileErlang(join(directory, '1'), { counter: one, pool, loop: loop(1) })
  const running: RunningNode[] = await Promise.all(
    Array.from({ length: nodes }, () =>
      startNode(t, ['-pa', join(directory, '1'), '-eval', `pool:start(${counters})`]),
    ),
  )
  const connections = await Promise.all(running.map((node) => node.connect()))
  const build = (sources: Record<string, string>): HotUpgrade => {
    const after = compileErlang(join(directory, String(Math.random())), sources)
    return { modules: [...after].map(([name, binary]) => ({ name, binary, previous: before.get(name) })) }
  }
  return { running, connections, build, before }
}

export const replies = 'lists:sort([gen_server:call(P, get) || {_, P, _, _} <- supervisor:which_children(pool)])'
export const expected = (version: number, count: number) => `[{${version},N} || N <- lists:seq(1,${count})]`
/** All counters of a node run this version and have the numbers that they began with. */
export async function assertAll(node: BeamNode, version: number, count: number): Promise<void> {
  assert.equal(
    format(await evaluate(node, `${replies} =:= ${expected(version, count)}`)),
    'true',
    `not version ${version}`,
  )
}
