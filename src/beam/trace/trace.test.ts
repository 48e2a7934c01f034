import assert from 'node:assert/strict'
import { type Socket, connect as tcpConnect } from 'node:net'
import { after, before, test } from 'node:test'
import { until } from '#lib/testing'
import { type BeamNode, connect } from '../distribution/index.ts'
import { evaluate } from '../evaluate.ts'
import { atom, format } from '../term/index.ts'
import { type ErlNode, startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import { parseTarget } from './target.ts'
import { type TraceCounts, type TraceEvent, traceCalls } from './trace.ts'

const skip = missing('erl')
const cleanups: (() => void | Promise<void>)[] = []
let erl: ErlNode
let node: BeamNode

const to = (ourName: string) => connect({ name: erl.name, port: erl.port, cookie: erl.cookie, ourName })

before(async () => {
  if (skip) return
  erl = await startErl({ after: (fn) => cleanups.push(fn) })
  node = await to('rem-trace@127.0.0.1')
})

after(async () => {
  node?.close()
  for (const cleanup of cleanups) await cleanup()
})

/** Calls queue:F(Args) every so many ms, until its process is killed. */
async function caller(name: string, call: string, everyMs: number): Promise<void> {
  const loop = `register(${name}, spawn(fun L() -> catch ${call}, ${everyMs > 0 ? `timer:sleep(${everyMs}),` : ''} L() end)), ok`
  await evaluate(node, loop)
}

const ends = (name: string) => evaluate(node, `exit(whereis(${name}), kill)`)

/** Whatever tracing leaves behind: flags of processes, breakpoints, our processes. */
const traces = (module: string) =>
  evaluate(
    node,
    `{[P || P <- processes(), {flags, Fs} <- [erlang:trace_info(P, flags)], Fs =/= []],
      [{F, A} || {F, A} <- ${module}:module_info(functions), {all, X} <- [erlang:trace_info({${module}, F, A}, all)], X =/= false],
      element(2, erlang:trace_info(new, flags)), whereis(cuddle_trace)}`,
  ).then((term) => format(term))
const clean = '{[],[],[],undefined}'

test('targets are written as people write functions', () => {
  assert.deepEqual(parseTarget('Shop.Cart.add/2'), { module: 'Elixir.Shop.Cart', function: 'add', arity: 2 })
  assert.deepEqual(parseTarget('lists:keyfind'), { module: 'lists', function: 'keyfind', arity: undefined })
  assert.deepEqual(parseTarget(':ets.insert/_'), { module: 'ets', function: 'insert', arity: undefined })
  assert.deepEqual(parseTarget('Shop.valid?/1'), { module: 'Elixir.Shop', function: 'valid?', arity: 1 })
  assert.deepEqual(parseTarget('Shop.*'), { module: 'Elixir.Shop', function: undefined, arity: undefined })
  for (const wrong of ['', 'Shop', 'Shop.cart(1)', 'shop.cart/1', '*', 'lists:keyfind/x']) {
    assert.throws(() => parseTarget(wrong), { code: 'bad-target' }, wrong)
  }
})

test('calls are counted, then told with arguments and results', { skip }, async () => {
  await caller('told', 'queue:in(lists:duplicate(5000, told), {[], []}), catch queue:get(not_a_queue)', 20)
  const events: TraceEvent[] = []
  let counts: TraceCounts | undefined
  const ended = await traceCalls(node, {
    ...parseTarget('queue:*'),
    ...{ returns: true, limit: 8, countMs: 200, maxChars: 60 },
    onEvent: (event) => events.push(event),
    onCounts: (one) => (counts = one),
  })
  assert.equal(ended, 'events')
  assert.ok(
    counts!.functions.some((one) => one.name === 'in' && one.arity === 2 && one.calls > 0),
    JSON.stringify(counts),
  )
  assert.equal(events.length, 8)
  const call = events.find((event) => event.kind === 'call' && event.function === 'in')!
  assert.ok(call.process === 'told' && call.arity === 2 && /^\[told,told/.test(call.terms[0]!), JSON.stringify(call))
  assert.ok(call.terms.every((text) => text.length <= 80))
  assert.ok(events.some((event) => event.kind === 'return' && event.function === 'in'))
  assert.ok(events.some((event) => event.kind === 'exception' && event.terms[0] === 'error'))
  assert.equal(await traces('queue'), clean)
})

test('what is called too often is only counted', { skip }, async () => {
  await caller('busy', 'string:length("abc")', 0)
  let events = 0
  let calls = 0
  const ended = await traceCalls(node, {
    ...parseTarget('string:length/1'),
    countMs: 100,
    onEvent: () => events++,
    onCounts: ({ functions }) => (calls = functions[0]!.calls),
  })
  assert.deepEqual([ended, events], ['busy', 0])
  assert.ok(calls > 100)
  await ends('busy')
  assert.equal(await traces('string'), clean)
})

test('a flood that comes later ends the trace', { skip }, async () => {
  const start =
    'spawn(fun() -> register(flood, self()), receive go -> ok end, (fun L() -> ordsets:size([]), L() end)() end), ok'
  await evaluate(node, start)
  const tracing = traceCalls(node, {
    ...parseTarget('ordsets:size/1'),
    ...{ limit: 1_000_000, countMs: 50, maxPerSecond: 300 },
    onCounts: () => setImmediate(() => node.send('flood', atom('go'))),
  })
  assert.equal(await tracing, 'rate')
  await ends('flood')
  assert.equal(await traces('ordsets'), clean)
})

test('time, and we, end it', { skip }, async () => {
  const target = parseTarget('queue:new/0')
  assert.equal(await traceCalls(node, { ...target, countMs: 20, durationMs: 100 }), 'time')
  const stop = new AbortController()
  const tracing = traceCalls(node, { ...target, countMs: 20, signal: stop.signal, onCounts: () => stop.abort() })
  assert.equal(await tracing, 'stopped')
  assert.equal(await traces('queue'), clean)
})

test('arguments that fill what may be taken of memory end it', { skip }, async () => {
  await caller('heavy', 'ordsets:is_element(1, lists:seq(1, 5000000))', 100)
  const tracing = traceCalls(node, {
    ...parseTarget('ordsets:is_element/2'),
    ...{ countMs: 10, durationMs: 120_000, limit: 10_000, maxPerSecond: 5_000 },
  })
  assert.equal(await tracing, 'memory')
  await ends('heavy')
  assert.equal(await traces('ordsets'), clean)
})

test('who does not read in time is no burden to the node', { skip }, async (t) => {
  // Small buffers, that they are soon full.
  const args = ['+zdbbl', '1', '-kernel', 'inet_dist_listen_options', '[{sndbuf,16384}]']
  const { name, port, cookie } = await startErl(t, { args })
  const watcher = await connect({ name, port, cookie, ourName: 'rem-watcher@127.0.0.1' })
  const chatty = 'spawn(fun L() -> catch base64:encode(lists:duplicate(2000, $a)), timer:sleep(1), L() end)'
  await evaluate(watcher, `register(chatty, ${chatty}), ok`)
  let socket: Socket | undefined
  let reading = false
  const dial = async () => (socket = tcpConnect(port, '127.0.0.1'))
  const slow = await connect({ name, cookie, ourName: 'rem-slow@127.0.0.1', dial })
  const tracing = traceCalls(slow, {
    ...parseTarget('base64:encode/1'),
    ...{ countMs: 10, durationMs: 120_000, limit: 100_000, maxPerSecond: 100_000, maxChars: 2_000 },
    onEvent: () => reading || socket!.pause(),
  })
  const paused = '[P || P <- processes(), {flags, [_ | _]} <- [erlang:trace_info(P, flags)]]'
  await until(() => socket?.isPaused())
  // What was begun is taken back before we can be told; we hear of it once we read again.
  await until(async () => format(await evaluate(watcher, paused)) === '[]', { timeoutMs: 60_000 })
  reading = true
  socket!.resume()
  assert.equal(await tracing, 'slow')
  slow.close()
  watcher.close()
})

test('one at a time, of functions that are there', { skip }, async () => {
  const stop = new AbortController()
  const { promise: running, resolve } = Promise.withResolvers<void>()
  const first = traceCalls(node, {
    ...parseTarget('queue:new/0'),
    countMs: 10,
    signal: stop.signal,
    onCounts: () => resolve(),
  })
  await running
  await assert.rejects(traceCalls(node, parseTarget('lists:nth/2')), { code: 'trace-taken' })
  stop.abort()
  await first
  await assert.rejects(traceCalls(node, parseTarget('lists:no_such/1')), { code: 'nothing-to-trace' })
  const atoms = () => node.rpc('erlang', 'system_info', [atom('atom_count')])
  const before = await atoms()
  for (let n = 0; n < 5; n++) {
    await assert.rejects(traceCalls(node, parseTarget(`no_such_${n}:thing_${n}`)), { code: 'nothing-to-trace' })
  }
  assert.equal(await atoms(), before, 'what is typed makes no atoms')
})

test('nothing is left when we vanish, whatever it was doing', { skip }, async () => {
  await caller('vanishing', 'sets:new()', 5)
  for (const when of ['counting', 'following'] as const) {
    const other = await to('rem-gone@127.0.0.1')
    const seen = Promise.withResolvers<void>()
    const tracing = traceCalls(other, {
      ...parseTarget('sets:new/0'),
      ...{ countMs: when === 'counting' ? 60_000 : 20, durationMs: 120_000, limit: 100_000, maxPerSecond: 100_000 },
      onEvent: () => seen.resolve(),
    })
    tracing.catch(() => {})
    if (when === 'following') await Promise.race([seen.promise, tracing])
    else await until(async () => (await traces('sets')).includes('{new,0}'))
    other.close()
    await assert.rejects(tracing, { code: 'node-disconnected' })
    await until(async () => (await traces('sets')) === clean, { what: `a clean node after ${when}` })
  }
})

test('nothing is left when the guard is killed', { skip }, async () => {
  await caller('guarded', 'gb_sets:new()', 5)
  const seen = Promise.withResolvers<void>()
  const tracing = traceCalls(node, {
    ...parseTarget('gb_sets:new/0'),
    ...{ countMs: 20, durationMs: 120_000, limit: 100_000, maxPerSecond: 100_000 },
    onEvent: () => seen.resolve(),
  })
  await Promise.race([seen.promise, tracing])
  await evaluate(node, 'exit(whereis(cuddle_trace), kill)')
  await assert.rejects(tracing, { code: 'trace-failed' })
  await until(async () => (await traces('gb_sets')) === clean)
})
