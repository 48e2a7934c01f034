import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { atom, evaluate, format } from '#beam'
import { until } from '#lib/testing'
import { prepareNode } from './node-upgrade.ts'
import { hotRollout, loadedVersions } from './rollout.ts'
import { assertAll, counter, expected, good, loop, replies, world } from './testing/world.ts'

const skip = spawnSync('sh', ['-c', 'command -v erlc']).status === 0 ? false : 'erlc is not on PATH'

test('a thousand processes keep their state over an upgrade, on every node, and over the way back', {
  skip,
}, async (t) => {
  const { connections, build, before } = await world(t, { nodes: 2 })
  const upgrade = build({ counter: good, fresh: '-module(fresh).\n-export([f/0]).\nf() -> new.' })
  const outcome = await hotRollout(connections, upgrade)
  assert.equal(outcome.kind, 'committed', JSON.stringify([...outcome.nodes]))
  for (const report of outcome.nodes.values()) {
    assert.ok(report.state === 'committed')
    assert.deepEqual([report.processes, report.migrated, report.modules, report.problems], [1000, 1000, 2, []])
  }
  for (const node of connections) {
    await assertAll(node, 2, 1000)
    assert.equal(format(await node.rpc('fresh', 'f', [])), 'new')
  }
  const again = await hotRollout(connections, upgrade)
  assert.equal(again.kind, 'committed')
  const back = await hotRollout(connections, {
    modules: [{ name: 'counter', binary: before.get('counter')!, previous: upgrade.modules[0].binary }],
    removed: ['fresh'],
    direction: 'down',
    targetVersions: new Map([['counter', atom('v1')]]),
  })
  assert.equal(back.kind, 'committed', JSON.stringify([...back.nodes]))
  for (const node of connections) {
    await assertAll(node, 1, 1000)
    assert.equal(format(await evaluate(node, 'code:is_loaded(fresh)')), 'false')
  }
})

const failures: [name: string, body: string, reason: RegExp][] = [
  ['raises', 'code_change(_, _, _) -> error(no).', /code_change failed in <.*> \(counter:init\/1\).*no/],
  [
    'raises in one of them',
    'code_change(_, 500, _) -> error(no); code_change(_, N, _) -> {ok, #{n => N}}.',
    /code_change failed/,
  ],
  ['returns an error', 'code_change(_, _, _) -> {error, unwilling}.', /unwilling/],
  ['never returns', 'code_change(_, _, _) -> timer:sleep(infinity).', /did not return/],
]
for (const [name, body, reason] of failures) {
  test(`a code_change that ${name} changes nothing anywhere`, { skip }, async (t) => {
    const { connections, build, before } = await world(t, { nodes: 2 })
    const [first] = connections
    const versions = await loadedVersions(first, ['counter', 'fresh'])
    const bad = build({ counter: counter(2, body, '#{n := N}'), fresh: '-module(fresh).' })
    const outcome = await hotRollout(connections, bad, { changeTimeoutMs: 500 })
    assert.ok(outcome.kind === 'aborted', JSON.stringify([outcome.kind, ...outcome.nodes]))
    assert.match(outcome.reason, reason)
    for (const node of connections) {
      await assertAll(node, 1, 1000)
      assert.deepEqual(await loadedVersions(node, ['counter', 'fresh']), versions)
    }
    assert.equal(versions.get('fresh'), undefined)
    const fine = await hotRollout(connections, {
      modules: [
        { name: 'counter', binary: build({ counter: good }).modules[0].binary, previous: before.get('counter') },
      ],
    })
    assert.equal(fine.kind, 'committed')
    await assertAll(first, 2, 1000)
  })
}

test('without room for copies of the states, code_change takes them back', { skip }, async (t) => {
  const { connections, build } = await world(t)
  const body =
    'code_change({down, v1}, #{n := N}, _) -> {ok, N}; code_change(_, 500, _) -> error(no); code_change(_, N, _) -> {ok, #{n => N}}.'
  const outcome = await hotRollout(connections, build({ counter: counter(2, body, '#{n := N}') }), { snapshotBytes: 0 })
  assert.equal(outcome.kind, 'aborted', JSON.stringify([...outcome.nodes]))
  await assertAll(connections[0], 1, 1000)
})

test('a process in which code_change hangs is restarted by its supervisor, and told of', { skip }, async (t) => {
  const { connections, build } = await world(t, { counters: 10 })
  const body = 'code_change(_, 7, _) -> timer:sleep(infinity); code_change(_, N, _) -> {ok, #{n => N}}.'
  const outcome = await hotRollout(connections, build({ counter: counter(2, body, '#{n := N}') }), {
    changeTimeoutMs: 300,
  })
  assert.equal(outcome.kind, 'aborted', JSON.stringify([...outcome.nodes]))
  const [report] = outcome.nodes.values()
  assert.ok(report.state === 'aborted' && report.restarted.length === 1, JSON.stringify(report))
  await until(async () => format(await evaluate(connections[0], `${replies} =:= ${expected(1, 10)}`)) === 'true')
})

test('processes in code from before are listed, and nothing is touched', { skip }, async (t) => {
  const { connections, build } = await world(t, { nodes: 2, counters: 3 })
  const [first] = connections
  await first.rpc('loop', 'start', [])
  const second = build({ loop: loop(2) })
  assert.equal((await hotRollout(connections, second)).kind, 'committed')
  const third = build({ loop: loop(3), counter: good })
  const files = new Map(second.modules.map(({ name, binary }) => [name, binary]))
  const modules = third.modules.map((module) => ({ ...module, previous: files.get(module.name) ?? module.previous }))
  const outcome = await hotRollout(connections, { modules })
  assert.ok(outcome.kind === 'refused', JSON.stringify([...outcome.nodes]))
  assert.match(outcome.reason, /1 processes still run code of loop.*loop:run\/0/)
  const report = outcome.nodes.get(first.name)
  assert.ok(report?.state === 'untouched')
  assert.deepEqual(
    report.lingering.map(({ module, count }) => [module, count]),
    [['loop', 1]],
  )
  assert.equal(format(await evaluate(first, 'is_process_alive(whereis(loop))')), 'true')
  for (const node of connections) await assertAll(node, 1, 3)
  assert.equal((await hotRollout(connections, { modules }, { purge: 'hard' })).kind, 'committed')
  await assertAll(first, 2, 3)
})

test('a node that runs something else, or cannot load it, refuses for all', { skip }, async (t) => {
  const { connections, build } = await world(t, { nodes: 2, counters: 3 })
  const upgrade = build({ counter: good })
  const unexpected = { modules: [{ ...upgrade.modules[0], expected: Buffer.alloc(16) }] }
  const first = await hotRollout(connections, unexpected)
  assert.ok(first.kind === 'refused')
  assert.match(first.reason, /counter runs in another version/)
  const broken = await hotRollout(connections, { modules: [{ name: 'counter', binary: Buffer.from('FOR1no') }] })
  assert.ok(broken.kind === 'refused')
  assert.match(broken.reason, /counter is no BEAM file/)
  const mistaken = { modules: [{ ...upgrade.modules[0], md5: Buffer.alloc(16) }] }
  assert.equal((await hotRollout(connections, mistaken)).kind, 'aborted')
  for (const node of connections) await assertAll(node, 1, 3)
})

test('a node that dies in the middle: the others go back', { skip }, async (t) => {
  const { connections, running, build } = await world(t, { nodes: 2, counters: 3 })
  const body =
    'code_change(_, 1, _) -> case ets:info(hang) of undefined -> ok; _ -> timer:sleep(infinity) end, {ok, #{n => 1}}; code_change(_, N, _) -> {ok, #{n => N}}.'
  await evaluate(
    connections[1],
    'register(keeper, spawn(fun() -> ets:new(hang, [named_table, public]), receive stop -> ok end end))',
  )
  const rollout = hotRollout(connections, build({ counter: counter(2, body, '#{n := N}') }), {
    changeTimeoutMs: 20_000,
    holdMs: 20_000,
  })
  await until(async () => format(await evaluate(connections[0], 'erlang:check_old_code(counter)')) === 'true')
  await running[1].kill()
  const outcome = await rollout
  assert.ok(outcome.kind === 'aborted', JSON.stringify([...outcome.nodes]))
  assert.equal(outcome.nodes.get(connections[0].name)?.state, 'aborted')
  assert.equal(outcome.nodes.get(connections[1].name)?.state, 'lost')
  await assertAll(connections[0], 1, 3)
})

for (const [how, hold] of [
  ['goes away', 20_000],
  ['says nothing more', 300],
] as const) {
  test(`when the control plane ${how} in the middle, the node heals itself`, { skip }, async (t) => {
    const { running, connections, build } = await world(t, { counters: 20 })
    const watcher = await running[0].connect('rem-watch@127.0.0.1')
    const prepared = await prepareNode(connections[0], build({ counter: good }), { holdMs: hold })
    assert.ok('apply' in prepared)
    assert.equal(await prepared.apply(), undefined)
    if (how === 'goes away') connections[0].close()
    await until(
      async () =>
        format(await evaluate(watcher, 'erlang:check_old_code(counter)')) !== 'maybe' &&
        format(await evaluate(watcher, `${replies} =:= ${expected(1, 20)}`)) === 'true',
    )
    if (how !== 'goes away') assert.deepEqual((await prepared.commit()).state, 'aborted')
  })
}

test('what is loaded and not applied is forgotten', { skip }, async (t) => {
  const { connections, build } = await world(t, { counters: 3 })
  const prepared = await prepareNode(connections[0], build({ counter: good }))
  assert.ok('abort' in prepared)
  assert.deepEqual([prepared.modules, prepared.processes], [['counter'], 3])
  assert.equal((await prepared.abort()).state, 'untouched')
  await assertAll(connections[0], 1, 3)
})

test('a supervisor takes new children on', { skip }, async (t) => {
  const top = (children: string) => `
-module(top).
-behaviour(supervisor).
-export([start/0, init/1]).
start() -> {ok, S} = supervisor:start_link({local, ?MODULE}, ?MODULE, []), unlink(S), ok.
init([]) -> {ok, {#{}, [#{id => N, start => {counter, start_link, [N]}} || N <- ${children}]}}.`
  const { connections, build } = await world(t, { counters: 3 })
  const [node] = connections
  await hotRollout(connections, build({ top: top('[1]') }))
  await node.rpc('top', 'start', [])
  const { modules } = build({ top: top('[1, 2]') })
  const previous = build({ top: top('[1]') }).modules[0].binary
  const outcome = await hotRollout(connections, { modules: [{ ...modules[0], previous }] })
  assert.equal(outcome.kind, 'committed', JSON.stringify([...outcome.nodes]))
  assert.equal(
    format(await evaluate(node, '[true || {_, P, _, _} <- supervisor:which_children(top), is_pid(P)]')),
    '[true,true]',
  )
})

test('ten thousand processes', { skip }, async (t) => {
  const { connections, build } = await world(t, { counters: 10_000 })
  const outcome = await hotRollout(connections, build({ counter: good }))
  const [report] = outcome.nodes.values()
  assert.ok(report.state === 'committed', JSON.stringify(report))
  assert.equal(report.migrated, 10_000)
  t.diagnostic(`suspended in ${Math.round(report.suspendMs)} ms, for ${Math.round(report.suspendedMs)} ms in all`)
  await assertAll(connections[0], 2, 10_000)
})
