import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { FakeClock } from '#lib/testing'
import { atom, encode, type Pid, type Term, tuple } from '../term/index.ts'
import {
  answerCall,
  type FakeOptions,
  fakeCookie,
  fakeName,
  fakePeer,
  introduction,
  rawFrame,
} from '../testing/fake-peer.ts'
import { Random } from '../testing/random.ts'
import { type ConnectOptions, connect } from './connect.ts'
import { FrameReader } from './frames.ts'

const ourName = 'rem-cuddle@127.0.0.1'
type Context = { after(fn: () => void): void }

async function dial(t: Context, options: FakeOptions, more: Partial<ConnectOptions> = {}) {
  const { port, said } = await fakePeer(t, options)
  return { said, node: connect({ name: fakeName, port, cookie: fakeCookie, ourName, ...more }) }
}

/** A peer that answers the questions of `connect`, and then the calls as told. */
function answering(outcome: (call: readonly Term[], socket: Socket, n: number) => Uint8Array): FakeOptions {
  let calls = 0
  return {
    onControl: (control, socket) => {
      if (control[0] !== 29) return
      calls += 1
      answerCall(control, socket, calls === 1 ? introduction(control) : outcome(control, socket, calls))
    },
  }
}

const returned = (control: readonly Term[], value: Term) => encode(tuple(control[1], atom('return'), value))

test('every way in which a handshake can end has its own code', async (t) => {
  const refused = async (options: FakeOptions, code: string, more: Partial<ConnectOptions> = {}) => {
    await assert.rejects((await dial(t, options, more)).node, { code })
  }
  await refused({ status: 'snot_allowed' }, 'node-refused')
  await refused({ status: 'snok' }, 'node-refused')
  await refused({ status: 'what' }, 'node-refused')
  await refused({ cookie: 'another' }, 'wrong-cookie')
  await refused({ flags: 0x1070f94n }, 'unsupported-otp')
  await refused({ challenge: Buffer.from('n\0\x05') }, 'unsupported-otp')
  await refused({ challenge: Buffer.alloc(0) }, 'unsupported-otp')
  await refused({}, 'wrong-node', { name: 'other@127.0.0.1' })
})

test('a connection that still exists under our name is taken over', async (t) => {
  const { node, said } = await dial(t, { status: 'salive', ...answering((control) => returned(control, 5)) })
  const connected = await node
  assert.equal(said[1].toString(), 'strue')
  assert.equal(await connected.rpc('m', 'f', []), 5)
  assert.deepEqual([connected.creation, connected.otpRelease], [4711, '99'])
  connected.close()
})

test('a tag that nobody knows fails its call and no other', async (t) => {
  const { node } = await dial(
    t,
    answering((control, _, n) => (n % 2 === 0 ? Buffer.from([131, 250, 1, 2, 3]) : returned(control, n))),
  )
  const connected = await node
  await assert.rejects(connected.rpc('m', 'f', []), { code: 'bad-term' })
  assert.equal(await connected.rpc('m', 'f', []), 3)
  connected.close()
})

test('garbage between good messages does no harm', async (t) => {
  const random = new Random(5)
  const garbage = (control: readonly Term[]): Buffer => {
    const us = control[2] as Pid
    const parts: Term[] = [us, us.id, control[1], atom('net_kernel'), tuple(atom('io_request'), us), [], us]
    const shaped = [random.below(40), ...Array.from({ length: random.below(6) }, () => random.pick(parts))]
    const bytes = random.bytes(random.below(50))
    return random.pick([
      rawFrame(shaped),
      rawFrame(shaped, bytes),
      rawFrame(bytes),
      rawFrame(shaped, encode(random.pick(parts))),
    ])
  }
  const { node } = await dial(
    t,
    answering((control, socket, n) => {
      // What names the reference of this very call would be its answer.
      const without = [control[0], tuple(atom('other')), control[2]]
      for (let i = 0; i < 50; i++) socket.write(garbage(without))
      return returned(control, n)
    }),
  )
  const connected = await node
  for (let n = 2; n < 30; n++) assert.equal(await connected.rpc('m', 'f', []), n)
  connected.close()
})

test('a peer that falls silent is given up', async (t) => {
  const clock = new FakeClock()
  const { node } = await dial(
    t,
    answering((control) => returned(control, 1)),
    { clock },
  )
  const connected = await node
  const waiting = assert.rejects(connected.genCall('x', 1, { timeoutMs: Number.POSITIVE_INFINITY }), {
    code: 'node-disconnected',
  })
  await clock.advance(60_000)
  assert.ok(!connected.isClosed)
  await clock.advance(60_000)
  assert.match((await connected.closed).message, /nothing was heard/)
  await waiting
})

test('a peer that stops reading makes calls wait, and time out', async (t) => {
  let calls = 0
  const { node } = await dial(t, {
    onControl: (control, socket) => {
      calls += 1
      if (calls > 1) return new Promise<void>(() => {})
      answerCall(control, socket, introduction(control))
    },
  })
  const connected = await node
  const chunk = Buffer.alloc(1024 * 1024)
  const call = () => assert.rejects(connected.call('m', 'f', [chunk], { timeoutMs: 300 }), { code: 'call-timeout' })
  await Promise.all(Array.from({ length: 40 }, call))
  await assert.rejects(connected.genCall('x', chunk, { timeoutMs: 50 }), { code: 'call-timeout' })
  await assert.rejects(connected.rpc('m', 'f', [], { signal: AbortSignal.timeout(50) }), { code: 'call-aborted' })
  const pending = connected.drained()
  connected.close()
  await pending
})

test('frames are put together from any pieces', () => {
  const random = new Random(9)
  const bodies = Array.from({ length: 300 }, () => random.bytes(random.pick([0, 1, 3, 50, 3000])))
  const stream = Buffer.concat(
    bodies.map((body) => {
      const head = Buffer.alloc(4)
      head.writeUInt32BE(body.length)
      return Buffer.concat([head, body])
    }),
  )
  const frames: Buffer[] = []
  const reader = new FrameReader(1e6, (bytes, start, end) => frames.push(Buffer.from(bytes.subarray(start, end))))
  for (let at = 0; at < stream.length; ) {
    const end = at + 1 + random.below(random.pick([3, 100, 5000]))
    reader.push(stream.subarray(at, end))
    at = end
  }
  assert.deepEqual(frames, bodies)
})

test('a frame over the limit is skipped, its beginning kept', () => {
  const frames: (number | undefined)[][] = []
  const reader = new FrameReader(200_000, (_, start, end, fullLength) => frames.push([end - start, fullLength]))
  const huge = Buffer.alloc(4 + 1_000_000, 7)
  huge.writeUInt32BE(1_000_000)
  const stream = Buffer.concat([huge, Buffer.from([0, 0, 0, 2, 1, 2])])
  for (let at = 0; at < stream.length; at += 60_000) reader.push(stream.subarray(at, at + 60_000))
  assert.deepEqual(frames, [
    [65_536, 1_000_000],
    [2, undefined],
  ])
})
