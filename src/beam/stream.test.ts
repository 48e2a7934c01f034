import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '#lib/testing'
import { type BeamNode, connect } from './distribution/index.ts'
import { evaluate } from './evaluate.ts'
import { streamCall, streamFrom } from './stream.ts'
import { atom, isAtom, listOf, type Term } from './term/index.ts'
import { startErl } from './testing/erl-node.ts'
import { missing } from './testing/missing.ts'

const skip = missing('erl')
const cleanups: (() => void | Promise<void>)[] = []
let node: BeamNode

before(async () => {
  if (skip) return
  const { name, port, cookie } = await startErl({ after: (fn) => cleanups.push(fn) })
  node = await connect({ name, port, cookie, ourName: 'rem-stream@127.0.0.1' })
})

after(async () => {
  node?.close()
  for (const cleanup of cleanups) await cleanup()
})

test('a long list and a large binary come in pieces', { skip }, async () => {
  const numbers: Term[] = []
  for await (const part of streamCall(node, ['lists', 'seq', [1, 2500]])) numbers.push(...listOf(part)!)
  assert.deepEqual(
    numbers,
    Array.from({ length: 2500 }, (_, i) => i + 1),
  )
  let bytes = 0
  for await (const part of streamCall(node, ['binary', 'copy', [Buffer.from([7]), 3_000_000]], { chunk: 65_536 })) {
    assert.ok(part instanceof Uint8Array && part.length <= 65_536 && part[0] === 7)
    bytes += part.length
  }
  assert.equal(bytes, 3_000_000)
  const whole: Term[] = []
  for await (const part of streamCall(node, ['erlang', 'abs', [-3]])) whole.push(part)
  assert.deepEqual(whole, [3])
})

test('who reads slowly keeps the node waiting; who leaves ends it', { skip }, async () => {
  const made = () => evaluate(node, 'counters:get(persistent_term:get(made), 1)')
  await evaluate(node, 'persistent_term:put(made, counters:new(1, []))')
  const endless = `
    register(streaming, self()),
    (fun Loop(N) -> counters:add(persistent_term:get(made), 1, 1), Emit(N), Loop(N + 1) end)(1)`
  const stream = streamFrom(node, endless, {}, { window: 3 })
  assert.equal((await stream.next()).value, 1)
  // Three were allowed; the fourth is made and waits.
  await until(async () => (await made()) === 4)
  assert.equal((await stream.next()).value, 2)
  await until(async () => (await made()) === 5)
  await stream.return(undefined)
  await until(async () => isAtom(await node.rpc('erlang', 'whereis', [atom('streaming')]), 'undefined'))
})

test('failures, silence and aborts are told', { skip }, async () => {
  const all = async (stream: AsyncIterable<Term>) => {
    const got: Term[] = []
    for await (const piece of stream) got.push(piece)
    return got
  }
  await assert.rejects(all(streamFrom(node, 'Emit(1), erlang:error(on_purpose)')), /stream-failed|on_purpose/)
  await assert.rejects(all(streamFrom(node, 'receive never -> ok end', {}, { timeoutMs: 50 })), {
    code: 'call-timeout',
  })
  const stop = new AbortController()
  const stream = streamFrom(node, 'Emit(1), receive never -> ok end', {}, { signal: stop.signal })
  await stream.next()
  stop.abort()
  await assert.rejects(stream.next(), { code: 'call-aborted' })
  const ended = streamFrom(node, 'Emit(X), result', { X: 5 })
  assert.deepEqual(await ended.next(), { done: false, value: 5 })
  assert.deepEqual(await ended.next(), { done: true, value: atom('result') })
})
