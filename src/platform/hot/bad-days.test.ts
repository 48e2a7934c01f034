import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createServer, connect as dial, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { atom, type BeamNode, connect, evaluate, format, numberOf } from '#beam'
import { until } from '#lib/testing'
import { hotRollout } from './rollout.ts'
import { assertAll, counter, good, world } from './testing/world.ts'

const skip = spawnSync('sh', ['-c', 'command -v erlc']).status === 0 ? false : 'erlc is not on PATH'

/** As `good`, but one process of nodes that have a table `hold` takes its time. */
const slow = counter(
  2,
  `code_change({down, v1}, #{n := N}, _) -> {ok, N};
code_change(v1, 1, _) -> case ets:info(hold) of undefined -> ok; _ -> timer:sleep(1500) end, {ok, #{n => 1}};
code_change(v1, N, _) -> {ok, #{n => N}}.`,
  '#{n := N}',
)
const hold = (node: BeamNode) =>
  evaluate(node, 'register(keeper, spawn(fun() -> ets:new(hold, [named_table]), receive stop -> ok end end))')
const inTheMiddle = (node: BeamNode) =>
  until(async () => format(await evaluate(node, 'erlang:check_old_code(counter)')) === 'true')

test('a node that hangs in the middle: all go back at once, and it too when it goes on', { skip }, async (t) => {
  const { connections, running, build } = await world(t, { nodes: 2, counters: 5 })
  await hold(connections[0])
  const outcome = hotRollout(connections, build({ counter: slow }))
  await inTheMiddle(connections[0])
  process.kill(running[1].pid, 'SIGSTOP')
  t.after(() => running[1].kill())
  const from = performance.now()
  const ended = await outcome
  assert.ok(ended.kind === 'aborted', JSON.stringify([...ended.nodes]))
  assert.ok(performance.now() - from < 15_000)
  await assertAll(connections[0], 1, 5)
  process.kill(running[1].pid, 'SIGCONT')
  const again = await running[1].connect('rem-again@127.0.0.1')
  await until(async () => format(await evaluate(again, 'whereis(cuddle_hot)')) === 'undefined')
  await assertAll(again, 1, 5)
})

/** A connection to a node over a wire that can be cut so that neither end is told. */
async function overWire(t: TestContext, name: string, port: number) {
  const sockets: Socket[] = []
  const wire = createServer((near) => {
    const far = dial(port, '127.0.0.1')
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    wire.close()
  })
  const through = (wire.address() as { port: number }).port
  const node = await connect({ name, port: through, cookie: 'oatmeal', ourName: 'rem-wire@127.0.0.1' })
  t.after(() => node.close())
  return { node, cut: () => sockets.forEach((socket) => void socket.unpipe().pause()) }
}

test('a netsplit in the middle: both sides go back', { skip }, async (t) => {
  const { connections, running, build } = await world(t, { nodes: 2, counters: 5 })
  const port = Number(/\d+/.exec(running[1].name)![0])
  const { node, cut } = await overWire(t, running[1].name, port)
  await hold(connections[0])
  const outcome = hotRollout([connections[0], node], build({ counter: slow }), { holdMs: 3_000 })
  await inTheMiddle(connections[0])
  cut()
  const ended = await outcome
  assert.ok(ended.kind === 'aborted', JSON.stringify([...ended.nodes]))
  await assertAll(connections[0], 1, 5)
  await until(async () => format(await evaluate(connections[1], 'whereis(cuddle_hot)')) === 'undefined', {
    timeoutMs: 20_000,
  })
  await assertAll(connections[1], 1, 5)
})

test('a module that cannot be loaded on one node of three is loaded on none', { skip }, async (t) => {
  const { connections, build } = await world(t, { nodes: 3, counters: 3 })
  await connections[2].rpc('code', 'stick_mod', [atom('counter')])
  const outcome = await hotRollout(connections, build({ counter: good }))
  assert.ok(outcome.kind === 'aborted', JSON.stringify([...outcome.nodes]))
  assert.match(outcome.reason, /not loaded.*counter.*sticky_directory/)
  for (const node of connections) await assertAll(node, 1, 3)
})

test('of two at once, one is refused and the other is whole', { skip }, async (t) => {
  const { connections, running, build } = await world(t, { nodes: 2, counters: 5 })
  const others = await Promise.all(running.map((node) => node.connect('rem-other@127.0.0.1')))
  const [middle, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const beforeCommit = () => {
    middle.resolve()
    return end.promise
  }
  const first = hotRollout(connections, build({ counter: good }), { beforeCommit, holdMs: 60_000 })
  await middle.promise
  const second = await hotRollout(others, build({ counter: good }))
  end.resolve()
  assert.ok(second.kind === 'refused', JSON.stringify([...second.nodes]))
  assert.match(second.reason, /in the middle of another hot rollout/)
  assert.equal((await first).kind, 'committed')
  for (const node of connections) await assertAll(node, 2, 5)
})

test('an app that floods us with messages is upgraded all the same', { skip }, async (t) => {
  const { connections, build } = await world(t, { counters: 100 })
  const [node] = connections
  const flood = `
    Flood = fun Flood(To) -> {nobody, To} ! binary:copy(<<"x">>, 10000), Flood(To) end,
    [register(list_to_atom("flood" ++ integer_to_list(I)), spawn(fun() -> Flood(To) end)) || I <- [1, 2, 3]]`
  await evaluate(node, flood, { To: atom(node.ourName) })
  const outcome = await hotRollout(connections, build({ counter: good }))
  assert.equal(outcome.kind, 'committed', JSON.stringify([...outcome.nodes]))
  await evaluate(node, '[exit(whereis(F), kill) || F <- [flood1, flood2, flood3]]')
  await assertAll(node, 2, 100)
})

test('a mailbox of a million: no message is lost, whether it is upgraded or not', { skip }, async (t) => {
  const { connections, build } = await world(t, { counters: 3 })
  const [node] = connections
  // A message that the counter was sent, and will get to see, adds nothing; what is asked after them is answered after them.
  const fill = `
    [{_, P, _, _} | _] = supervisor:which_children(pool), sys:suspend(P),
    [gen_server:cast(P, more) || _ <- lists:seq(1, 1000000)], sys:resume(P), register(full, P)`
  await evaluate(node, fill, {}, { timeoutMs: 60_000 })
  const outcome = await hotRollout(connections, build({ counter: good }))
  assert.ok(outcome.kind === 'committed' || outcome.kind === 'aborted', JSON.stringify([...outcome.nodes]))
  if (outcome.kind === 'aborted') assert.match(outcome.reason, /1 processes did not stop in time/)
  await assertAll(node, outcome.kind === 'committed' ? 2 : 1, 3)
  assert.equal(
    format(await evaluate(node, 'erlang:process_info(whereis(full), message_queue_len)')),
    '{message_queue_len,0}',
  )
})

test('rollouts that are refused or taken back leave no atom behind', { skip }, async (t) => {
  const { connections, build } = await world(t, { counters: 3 })
  const [node] = connections
  const bad = build({ counter: counter(2, 'code_change(_, _, _) -> {error, unwilling}.', '#{n := N}') })
  const broken = { modules: [{ name: 'counter', binary: Buffer.from('FOR1no') }] }
  const rounds = async () => {
    for (const upgrade of [bad, broken]) assert.notEqual((await hotRollout(connections, upgrade)).kind, 'committed')
    return numberOf(await node.rpc('erlang', 'system_info', [atom('atom_count')]))!
  }
  const first = await rounds()
  for (let round = 0; round < 5; round++) assert.equal(await rounds(), first)
  await assertAll(node, 1, 3)
})
