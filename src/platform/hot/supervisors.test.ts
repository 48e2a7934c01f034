import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { type BeamNode, evaluate, format } from '#beam'
import { hotRollout } from './rollout.ts'
import { assertAll, counter, good, world } from './testing/world.ts'
import type { HotUpgrade } from './upgrade-types.ts'

const skip = spawnSync('sh', ['-c', 'command -v erlc']).status === 0 ? false : 'erlc is not on PATH'

/** A supervisor of counters, by id and the number that they begin with. */
const top = (children: string, { flags = '#{}', before = '' } = {}) => `
-module(top).
-behaviour(supervisor).
-export([start/0, init/1, failing/0]).
start() -> {ok, S} = supervisor:start_link({local, ?MODULE}, ?MODULE, []), unlink(S), ok.
failing() -> {error, unwilling}.
init([]) -> ${before} {ok, {${flags}, ${children}}}.`
const child = (id: string, number: number) => `#{id => ${id}, start => {counter, start_link, [${number}]}}`
const two = `[${child('a', 1)}, ${child('b', 2)}]`

/** Nodes on which the first version of `top` runs, and what upgrades it. */
async function withTop(t: TestContext, first = top(two), { nodes = 1 } = {}) {
  const { connections, build } = await world(t, { nodes, counters: 3 })
  const start = build({ top: first })
  assert.equal((await hotRollout(connections, start)).kind, 'committed')
  for (const node of connections) await node.rpc('top', 'start', [])
  const [old] = start.modules
  const to = (text: string, more: Record<string, string> = {}): HotUpgrade => ({
    modules: build({ top: text, ...more }).modules.map((one) =>
      one.name === 'top' ? { ...one, previous: old.binary } : one,
    ),
  })
  return { connections, to, old: old.binary }
}

/** Ids of the children that run, with the arguments with which they would be started anew, and the state that they have. */
const family = async (node: BeamNode) =>
  format(
    await evaluate(
      node,
      `lists:sort([begin {ok, #{start := {_, _, A}}} = supervisor:get_childspec(top, Id), {Id, A, sys:get_state(P)} end
        || {Id, P, _, _} <- supervisor:which_children(top), is_pid(P)])`,
    ),
  )
const asBefore = '[{a,[1],1},{b,[2],2}]'

test('children that are new start, others keep their state, and all of it can be taken back', { skip }, async (t) => {
  const { connections, to, old } = await withTop(t)
  const [node] = connections
  const upgrade = to(
    top(`[${child('a', 300)}, ${child('c', 3)}, ${child('b', 2)}]`, { flags: '#{strategy => one_for_all}' }),
  )
  const outcome = await hotRollout(connections, upgrade)
  const [report] = outcome.nodes.values()
  assert.ok(report.state === 'committed', JSON.stringify(report))
  assert.deepEqual(report.problems, ['a of top keeps its old arguments until it is started anew'])
  assert.equal(await family(node), '[{a,[300],1},{b,[2],2},{c,[3],3}]')
  const [{ binary }] = upgrade.modules
  const back: HotUpgrade = { direction: 'down', modules: [{ name: 'top', binary: old, previous: binary }] }
  const refused = await hotRollout(connections, back)
  assert.ok(refused.kind === 'aborted')
  assert.match(refused.reason, /top no longer has c/)
  assert.equal((await hotRollout(connections, { ...back, undo: true })).kind, 'committed')
  assert.equal(await family(node), asBefore)
})

test('a failure elsewhere gives supervisors back what they had', { skip }, async (t) => {
  const { connections, to } = await withTop(t, top(two), { nodes: 2 })
  const [first, second] = connections
  await evaluate(second, 'register(no, spawn(fun() -> receive stop -> ok end end))')
  const picky = counter(
    2,
    'code_change(_, N, _) -> case whereis(no) of undefined -> {ok, #{n => N}}; _ -> {error, no} end.',
    '#{n := N}',
  )
  const outcome = await hotRollout(
    connections,
    to(top(`[${child('c', 3)}, ${child('a', 300)}, ${child('b', 2)}]`), { counter: picky }),
  )
  assert.equal(outcome.kind, 'aborted', JSON.stringify([...outcome.nodes]))
  for (const node of connections) {
    assert.equal(await family(node), asBefore)
    await assertAll(node, 1, 3)
  }
  await evaluate(first, 'exit(element(2, hd(supervisor:which_children(top))), kill)')
  assert.equal(await family(first), asBefore, 'what is started anew has the old arguments')
})

test('a new child that does not start is told', { skip }, async (t) => {
  const { connections, to } = await withTop(t)
  const failing = '#{id => c, start => {top, failing, []}}'
  const outcome = await hotRollout(connections, to(top(`[${child('a', 1)}, ${child('b', 2)}, ${failing}]`)))
  const [report] = outcome.nodes.values()
  assert.ok(report.state === 'committed' && /c.*unwilling/.test(report.notStarted[0]), JSON.stringify(report))
  assert.equal(await family(connections[0]), asBefore)
})

const table = { before: 'ets:new(mine, [named_table, public]),' }
const unsafe: [what: string, to: string, reason: RegExp, first?: string][] = [
  ['a child that is gone', top(`[${child('a', 1)}]`), /top no longer has b/],
  [
    'another function',
    top(`[${child('a', 1)}, #{id => b, start => {other, start, []}}]`),
    /starts b with another function/,
  ],
  [
    'another kind of child',
    top(`[${child('a', 1)}, #{id => b, start => {counter, start_link, [2]}, type => supervisor}]`),
    /starts b with/,
  ],
  [
    'simple_one_for_one',
    top(`[${child('a', 1)}]`, { flags: '#{strategy => simple_one_for_one}' }),
    /simple_one_for_one/,
  ],
  ['what supervisors do not take', top('[nonsense]'), /init\/1 that says what supervisors do not take/],
  ['an init/1 that raises', top(two, { before: 'error(no),' }), /cannot be asked a second time/],
  [
    'an init/1 with effects',
    top(`[${child('a', 1)}, ${child('b', 2)}, ${child('c', 3)}]`, table),
    /second time/,
    top(two, table),
  ],
]

test('what a running supervisor cannot become changes nothing, and is said', { skip }, async (t) => {
  for (const [what, text, reason, first] of unsafe) {
    await t.test(what, async (t) => {
      const { connections, to } = await withTop(t, first)
      const outcome = await hotRollout(connections, to(text, { counter: good }))
      const [report] = outcome.nodes.values()
      assert.ok(report.state === 'aborted' && report.unsafe, JSON.stringify(report))
      assert.match(report.reason, reason)
      assert.equal(await family(connections[0]), asBefore)
      await assertAll(connections[0], 1, 3)
    })
  }
})
