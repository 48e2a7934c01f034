import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { constants, deflateSync } from 'node:zlib'
import { spdyDictionary } from './dictionary.ts'
import { HeaderReader, HeaderWriter } from './headers.ts'
import { SpdySession, type SpdyStream } from './index.ts'

type Context = { after(fn: () => void): void }

async function pair(t: Context): Promise<[Socket, Socket]> {
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

test('streams carry headers and bytes both ways and end on their own', async (t) => {
  const [near, far] = await pair(t)
  const seen: SpdyStream[] = []
  new SpdySession(far, {
    role: 'server',
    onStream(stream) {
      seen.push(stream)
      stream.pipe(stream)
    },
  })
  const client = new SpdySession(near, { role: 'client' })
  const streams = ['one', 'two'].map((name) => client.open({ streamtype: name, port: '8080' }))
  const big = 'x'.repeat(3_000_000)
  streams[0].end('hello')
  streams[1].end(big)
  assert.equal(await text(streams[0]), 'hello')
  assert.equal((await text(streams[1])).length, big.length)
  assert.deepEqual(
    seen.map(({ headers }) => ({ ...headers })),
    [
      { streamtype: 'one', port: '8080' },
      { streamtype: 'two', port: '8080' },
    ],
  )
  client.close()
  await client.closed
})

test('a reader that takes its time holds the sender back, and nothing is lost', async (t) => {
  const [near, far] = await pair(t)
  const server = new SpdySession(far, { role: 'server', onStream: (stream) => void streams.push(stream) })
  const streams: SpdyStream[] = []
  const client = new SpdySession(near, { role: 'client' })
  const stream = client.open({ streamtype: 'data' })
  const total = 16 * 1024 * 1024
  const sent = new Promise<void>((resolve) => stream.end(Buffer.alloc(total, 'y'), resolve))
  while (streams.length === 0) await once(far, 'data')
  let size = 0
  for await (const chunk of streams[0]) size += chunk.length
  assert.equal(size, total)
  await sent
  server.close()
})

for (const [what, bytes] of [
  ['a frame that is too long', '8003000100ffffff'],
  ['headers that are not compressed', '800300010000001400000001000000000000ffffffffffffffffffff'],
  ['a frame that is too short', '8003000300000000'],
]) {
  test(`${what} ends the connection`, async (t) => {
    const [near, far] = await pair(t)
    const server = new SpdySession(far, { role: 'server', onStream: () => assert.fail('no stream was opened') })
    near.write(Buffer.from(bytes, 'hex'))
    await server.closed
  })
}

test('header blocks are read as Go clients write them, compressed with the dictionary', async () => {
  const block = Buffer.from('0000000100000004686f7374000000016100', 'hex').subarray(0, 17)
  const compressed = deflateSync(block, { dictionary: spdyDictionary(), finishFlush: constants.Z_SYNC_FLUSH })
  const reader = new HeaderReader()
  assert.deepEqual({ ...(await reader.read(compressed)) }, { host: 'a' })
  reader.close()
})

test('header blocks of one writer are one zlib stream', async () => {
  const writer = new HeaderWriter()
  const reader = new HeaderReader()
  for (const headers of [{ a: '1' }, {}, { streamtype: 'error', requestid: '0' }])
    assert.deepEqual({ ...(await reader.read(writer.write(headers as Record<string, string>))) }, headers)
  reader.close()
})
