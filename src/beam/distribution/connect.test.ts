import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { until } from '#lib/testing'
import { evaluate } from '../evaluate.ts'
import {
  atom,
  binary,
  charlist,
  Float,
  format,
  isAtom,
  listOf,
  type Pid,
  sameTerm,
  type Term,
  tuple,
} from '../term/index.ts'
import { type ErlNode, freePort, startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import { Random } from '../testing/random.ts'
import { randomTerm } from '../testing/terms.ts'
import { type ConnectOptions, connect } from './connect.ts'
import type { BeamNode } from './node.ts'

const skip = missing('erl')
const ourName = 'rem-cuddle@127.0.0.1'
const cleanups: (() => void | Promise<void>)[] = []
let erl: ErlNode
let node: BeamNode

const to = (target: ErlNode, more: Partial<ConnectOptions> = {}) =>
  connect({ name: target.name, port: target.port, cookie: target.cookie, ourName, ...more })

before(async () => {
  if (skip) return
  erl = await startErl({ after: (fn) => cleanups.push(fn) })
  node = await to(erl)
})

after(async () => {
  node?.close()
  for (const cleanup of cleanups) await cleanup()
})

test('a call returns, throws, exits or fails, and says which', { skip }, async () => {
  assert.deepEqual(await node.call('lists', 'reverse', [[1, 2, 3000]]), { kind: 'return', value: [3000, 2, 1] })
  assert.deepEqual(await node.call('erlang', 'throw', [atom('ball')]), { kind: 'throw', reason: atom('ball') })
  assert.deepEqual(await node.call('erlang', 'exit', [7]), { kind: 'exit', reason: 7 })
  const failed = await node.call('lists', 'nth', [5, [1]])
  assert.equal(failed.kind, 'error')
  await assert.rejects(node.rpc('erlang', 'binary_to_atom', [1]), (error: Error) => {
    return /erlang:binary_to_atom\/1 failed with badarg/.test(error.message)
  })
  const unknown = await node.call('no_such', 'thing', [])
  assert.match(unknown.kind === 'error' ? format(unknown.reason) : unknown.kind, /undef/)
})

test('the node knows us as hidden, and can ping us', { skip }, async () => {
  assert.deepEqual(await node.rpc('erlang', 'nodes', []), [])
  assert.deepEqual(await node.rpc('erlang', 'nodes', [atom('hidden')]), [atom(ourName)])
  assert.ok(isAtom(await node.rpc('net_adm', 'ping', [atom(ourName)]), 'pong'))
  assert.match(node.otpRelease, /^\d+$/)
  assert.ok(!node.isClosed)
})

test('random terms pass through the connection', { skip }, async () => {
  const random = new Random(11)
  const terms = Array.from({ length: 200 }, () => randomTerm(random))
  const returned = await Promise.all(terms.map((term) => node.rpc('erlang', 'hd', [[term]])))
  for (const [i, term] of terms.entries()) assert.ok(sameTerm(returned[i], term), format(term))
})

test('a batch is one round trip, and fails as one', { skip }, async () => {
  const values = await node.callAll([
    ['erlang', 'node', []],
    ['erlang', 'abs', [-3]],
    ['erlang', 'float', [2]],
  ])
  assert.deepEqual(values, [atom(erl.name), 3, new Float(2)])
  await assert.rejects(
    node.callAll([
      ['erlang', 'node', []],
      ['erlang', 'throw', [atom('no')]],
    ]),
    /a batch of 2 threw no/,
  )
})

test('large replies and requests go in one piece', { skip }, async () => {
  const size = 20 * 1024 * 1024
  const big = await node.rpc('binary', 'copy', [Buffer.from([7]), size])
  assert.ok(big instanceof Uint8Array && big.length === size && big[size - 1] === 7)
  assert.equal(await node.rpc('erlang', 'byte_size', [big]), size)
  const small = await to(erl, { ourName: 'rem-small@127.0.0.1', maxFrameBytes: 100_000 })
  await assert.rejects(small.rpc('binary', 'copy', [Buffer.from([7]), size]), { code: 'reply-too-large' })
  assert.equal(await small.rpc('erlang', 'abs', [-1]), 1)
  small.close()
})

test('a call past its time is killed on the node', { skip }, async () => {
  await assert.rejects(node.call('timer', 'sleep', [600_000], { timeoutMs: 100 }), { code: 'call-timeout' })
  const controller = new AbortController()
  const aborted = node.call('timer', 'sleep', [600_001], { signal: controller.signal })
  controller.abort()
  await assert.rejects(aborted, { code: 'call-aborted' })
  await until(async () => {
    const pids = listOf(await node.rpc('erlang', 'processes', []))!
    const infos = await node.callAll(
      pids.map((pid) => ['erlang', 'process_info', [pid, atom('current_function')]] as const),
    )
    return infos.every((info) => !format(info).includes('timer,sleep'))
  })
})

test('what a call prints is captured, or left to the node', { skip }, async () => {
  let text = ''
  const output = (part: string) => {
    text += part
  }
  await node.rpc('io', 'format', [charlist('~ts ~p~n'), [binary('zoë'), [1]]], { output })
  await node.rpc('io', 'put_chars', [binary('plain\n')], { output })
  assert.equal(text, 'zoë [1]\nplain\n')
  await node.rpc('io', 'format', [charlist('to nobody~n')], { output: 'ignore' })
  assert.ok(isAtom(await node.rpc('io', 'get_line', [charlist('> ')], { output: 'ignore' }), 'eof'))
})

test('what a call leaves behind can print on', { skip }, async () => {
  const messages: Term[] = []
  const mine = node.process({ message: (term) => messages.push(term) })
  const loop = 'spawn(fun() -> receive go -> Us ! {printed, io:format("late")} end end)'
  const left = (await evaluate(node, loop, { Us: mine.pid }, { output: () => {} })) as Pid
  mine.send(left, atom('go'))
  await until(() => messages.length === 1)
  assert.deepEqual(messages, [tuple(atom('printed'), atom('ok'))])
  mine.close()
})

test('links, monitors, messages and exits work as between Erlang processes', { skip }, async () => {
  const messages: Term[] = []
  const exits: Term[] = []
  const mine = node.process({ message: (term) => messages.push(term), exit: (_, reason) => exits.push(reason) })
  await node.rpc('erlang', 'send', [mine.pid, tuple(atom('hello'), 1)])
  await until(() => messages.length === 1)
  assert.deepEqual(messages, [tuple(atom('hello'), 1)])

  const linked = await node.spawn(mine, ['timer', 'sleep', [600_000]])
  const watched = mine.monitor(linked)
  mine.exit(linked, atom('enough'))
  assert.deepEqual(await watched.down, atom('enough'))
  await until(() => exits.length === 1)
  assert.deepEqual(exits, [atom('enough')])
  assert.deepEqual(await mine.monitor('nobody').down, atom('noproc'))

  const unlinked = await node.spawn(mine, ['timer', 'sleep', [600_000]])
  mine.unlink(unlinked)
  const left = await node.spawn(mine, ['timer', 'sleep', [600_000]])
  mine.close(atom('done'))
  const alive = async (pid: Pid) => isAtom(await node.rpc('erlang', 'is_process_alive', [pid]), 'true')
  await until(async () => !(await alive(left)))
  assert.ok(await alive(unlinked))
  await node.rpc('erlang', 'exit', [unlinked, atom('kill')])
})

test('what is asked of us and not there is answered', { skip }, async () => {
  const gone = node.process()
  gone.close()
  const monitored = await evaluate(node, 'erlang:monitor(process, P), receive M -> M end', { P: gone.pid })
  assert.match(format(monitored), /\{'DOWN',.*,process,<rem-cuddle@127.0.0.1.*>,noproc\}/)
  const spawned = await node.call('erpc', 'call', [atom(ourName), atom('erlang'), atom('node'), [], 5000])
  assert.ok(
    spawned.kind === 'error' && /notsup/.test(format(spawned.reason)),
    format(spawned.kind === 'error' ? spawned.reason : 0),
  )
  const named = await node.call('gen_server', 'call', [tuple(atom('nobody'), atom(ourName)), atom('hi'), 5000])
  assert.ok(named.kind === 'exit' && format(named.reason).startsWith('{noproc,'))
})

test('gen_servers are called by name', { skip }, async () => {
  const children = await node.genCall('kernel_sup', atom('which_children'))
  assert.ok(children.kind === 'return' && listOf(children.value)!.length > 3)
  const none = await node.genCall('nobody', atom('x'))
  assert.deepEqual(none, { kind: 'exit', reason: atom('noproc') })
  await assert.rejects(node.genCall('init', atom('unknown'), { timeoutMs: 50 }), { code: 'call-timeout' })
})

test('a reply that nobody can read fails one call', { skip }, async () => {
  const deep = Buffer.concat([Buffer.from([131]), Buffer.alloc(4000, Buffer.from([104, 1])), Buffer.from([106])])
  await assert.rejects(node.rpc('erlang', 'binary_to_term', [deep]), { code: 'bad-term' })
  assert.equal(await node.rpc('erlang', 'abs', [-1]), 1)
})

test('a wrong cookie, another node and a closed port are told apart', { skip }, async () => {
  await assert.rejects(to(erl, { cookie: 'wrong', ourName: 'rem-thief@127.0.0.1' }), { code: 'wrong-cookie' })
  await assert.rejects(to(erl, { name: 'other@127.0.0.1', ourName: 'rem-lost@127.0.0.1' }), { code: 'wrong-node' })
  await assert.rejects(to(erl, { port: await freePort() }), { code: 'node-unreachable' })
  await assert.rejects(to(erl, { signal: AbortSignal.abort() }), { code: 'connect-aborted' })
  await assert.rejects(to(erl, { name: 'app' }), { code: 'bad-node-name' })
  await assert.rejects(to(erl, { ourName: 'nöt-ascii@127.0.0.1' }), { code: 'node-refused' })
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  await assert.rejects(to(erl, { port, timeoutMs: 100 }), { code: 'connect-timeout' })
  silent.close()
})

test('a second connection under our name takes the first one over', { skip }, async () => {
  const name = { ourName: 'rem-twice@127.0.0.1' }
  const first = await to(erl, name)
  const waiting = assert.rejects(first.call('timer', 'sleep', [60_000]), { code: 'node-disconnected' })
  const second = await to(erl, name)
  assert.equal((await first.closed).code, 'node-disconnected')
  await waiting
  await assert.rejects(first.call('erlang', 'node', []), { code: 'node-disconnected' })
  assert.equal(await second.rpc('erlang', 'abs', [-1]), 1)
  second.close()
})

test('closing ends what was linked to us', { skip }, async () => {
  const other = await to(erl, { ourName: 'rem-short@127.0.0.1' })
  const pid = await other.spawn(other.process(), ['timer', 'sleep', [600_000]])
  other.close()
  await until(async () => isAtom(await node.rpc('erlang', 'is_process_alive', [pid]), 'false'))
})

test('ticks keep a quiet connection alive', { skip }, async () => {
  const quick = await startErl({ after: (fn) => cleanups.push(fn) }, { args: ['-kernel', 'net_ticktime', '1'] })
  const quiet = await to(quick)
  let closed = false
  void quiet.closed.then(() => {
    closed = true
  })
  await new Promise((resolve) => setTimeout(resolve, 2500))
  assert.ok(!closed)
  assert.equal(await quiet.rpc('erlang', 'abs', [-1]), 1)
  await quick.kill()
  await quiet.closed
})
