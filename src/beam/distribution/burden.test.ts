import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '#lib/testing'
import { evaluate } from '../evaluate.ts'
import { createSampler, etsTables, supervisionTree, topProcesses } from '../observe/index.ts'
import { streamCall } from '../stream.ts'
import { atom, isAtom, numberOf, Pid } from '../term/index.ts'
import { type ErlNode, startErl } from '../testing/erl-node.ts'
import { fakeCookie, fakeName, fakePeer } from '../testing/fake-peer.ts'
import { missing } from '../testing/missing.ts'
import { Random } from '../testing/random.ts'
import { connect } from './connect.ts'
import type { BeamNode } from './node.ts'

/* What a node may do to us, and what we may leave behind on a node. */

const skip = missing('erl')
const ourName = 'rem-burden@127.0.0.1'
const cleanups: (() => void | Promise<void>)[] = []
let erl: ErlNode

before(async () => {
  if (!skip) erl = await startErl({ after: (fn) => cleanups.push(fn) })
})
after(async () => {
  for (const cleanup of cleanups) await cleanup()
})

const open = () => connect({ name: erl.name, port: erl.port, cookie: erl.cookie, ourName })

test('a node that floods us from all sides costs no memory, and is still answered', { skip }, async () => {
  const node = await open()
  const gone = node.process()
  const here = node.process({ message: () => {} })
  let printed = 0
  const output = () => void printed++
  gone.close()
  const flood = `
    Data = lists:seq(1, 200),
    Flood = fun(Send) -> spawn(fun() -> [Send({flood, N, Data}) || N <- lists:seq(1, 40000)], put(done, true) end) end,
    [Flood(fun(M) -> Gone ! M end), Flood(fun(M) -> Here ! M end),
     Flood(fun(M) -> {net_kernel, node(Here)} ! M end), Flood(fun(M) -> {nobody, node(Here)} ! M end),
     Flood(fun(_) -> erlang:monitor(process, Gone) end),
     spawn(fun() -> [io:put_chars("flood ") || _ <- lists:seq(1, 3000)] end)]`
  const heap = process.memoryUsage().rss
  const floods = (await evaluate(node, flood, { Gone: gone.pid, Here: here.pid }, { output })) as Pid[]
  let most = 0
  await until(
    async () => {
      most = Math.max(most, process.memoryUsage().rss)
      const alive = await node.callAll(floods.map((pid) => ['erlang', 'is_process_alive', [pid]]))
      return alive.every((one) => isAtom(one, 'false'))
    },
    { what: 'the end of the flood', timeoutMs: 120_000 },
  )
  assert.ok(floods.every((pid) => pid instanceof Pid))
  assert.ok(most < heap + 250e6, `grew by ${(most - heap) / 1e6} MB`)
  assert.equal(await node.rpc('erlang', 'abs', [-1]), 1)
  here.close()
  node.close()
})

test('looking at a node again and again, and coming back to it, makes no atoms there', { skip }, async () => {
  const uses = async (node: BeamNode) => {
    const sampler = await createSampler(node)
    await sampler.sample()
    sampler.close()
    await topProcesses(node, { by: 'memory', limit: 5 })
    await etsTables(node, { by: 'memory' })
    await supervisionTree(node)
    await evaluate(node, 'lists:sum(L)', { L: [1, 2] })
    await node.call('erlang', 'error', [atom('badarg')])
    await node.genCall('init', atom('unknown'), { timeoutMs: 20 }).catch(() => {})
    for await (const _ of streamCall(node, ['lists', 'seq', [1, 10]], { chunk: 4 }));
  }
  const atoms = async (node: BeamNode) => numberOf(await node.rpc('erlang', 'system_info', [atom('atom_count')]))
  const round = async () => {
    const node = await open()
    await uses(node)
    const count = await atoms(node)
    node.close()
    await node.closed
    return count
  }
  // The node loads modules of its own at first.
  await round()
  const known = await round()
  for (let n = 0; n < 5; n++) assert.equal(await round(), known)
})

test('whatever stands in a handshake, it ends in words', async (t) => {
  const random = new Random(23)
  const said = () => {
    const bytes = random.bytes(random.below(40))
    return random.pick([bytes, Buffer.concat([Buffer.from('N'), bytes]), Buffer.concat([Buffer.from('s'), bytes])])
  }
  for (let n = 0; n < 60; n++) {
    const options = n % 2 === 0 ? { status: said() } : { challenge: said() }
    const { port } = await fakePeer(t, options)
    const attempt = connect({ name: fakeName, port, cookie: fakeCookie, ourName, timeoutMs: 5_000 })
    await assert.rejects(attempt, { name: 'CuddleError' })
  }
})
