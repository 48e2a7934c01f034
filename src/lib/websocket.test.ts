import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocketPeer, webSocketAccept } from './websocket.ts'

type Context = { after(fn: () => void): void }

async function sockets(t: Context): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1' })
  const [far] = (await once(server, 'connection')) as [Socket]
  t.after(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

test('the handshake answers as in the example of RFC 6455', () => {
  assert.equal(webSocketAccept('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('messages of every length arrive as they were sent, and the end is told to both', async (t) => {
  const [near, far] = await sockets(t)
  const client = new WebSocketPeer(near, 'client')
  const server = new WebSocketPeer(far, 'server')
  const echo = (async () => {
    for await (const { data, binary } of server.messages()) server.send(data, binary)
  })()
  const lengths = [0, 1, 125, 126, 65_535, 65_536, 1_000_000]
  for (const length of lengths) client.send(Buffer.alloc(length, length & 0xff))
  client.send('täxt', false)
  const got: string[] = []
  for await (const { data, binary } of client.messages()) {
    got.push(binary ? `${data.length} ${data.every((byte) => byte === (data.length & 0xff))}` : data.toString())
    if (!binary) client.close(1000, 'enough')
  }
  await echo
  assert.deepEqual(got, [...lengths.map((length) => `${length} true`), 'täxt'])
  assert.deepEqual(server.closed, { code: 1000, reason: 'enough' })
  assert.deepEqual(client.closed, { code: 1000, reason: '' })
})

test('fragments are one message, and pings between them are answered', async (t) => {
  const [near, far] = await sockets(t)
  const server = new WebSocketPeer(far, 'server')
  // FIN=0 text "he", ping "p", FIN=1 continuation "y"; masked with zeros.
  near.write(Buffer.from('01820000000068658981000000007080810000000079', 'hex'))
  const messages = server.messages()
  const { value } = await messages.next()
  assert.deepEqual(value, { data: Buffer.from('hey'), binary: false })
  const [pong] = (await once(near, 'data')) as [Buffer]
  assert.deepEqual(pong, Buffer.from('8a0170', 'hex'))
})

for (const [what, bytes, code] of [
  ['a frame that is not masked', '820141', 1002],
  ['a continuation of nothing', '80810000000041', 1002],
  ['reserved bits', 'c2810000000041', 1002],
  ['a length beyond reason', '82ffffffffffffffffff00000000', 1009],
] as const) {
  test(`${what} closes with ${code}`, async (t) => {
    const [near, far] = await sockets(t)
    const server = new WebSocketPeer(far, 'server')
    near.write(Buffer.from(bytes, 'hex'))
    for await (const _ of server.messages()) assert.fail('no message was sent')
    const [frame] = (await once(near, 'data')) as [Buffer]
    assert.equal(frame[0], 0x88)
    assert.equal(frame.readUInt16BE(2), code)
  })
}
