import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { until } from '#lib/testing'
import { chunksOf } from './chunks.ts'

async function ask(t: TestContext, handler: RequestListener): Promise<IncomingMessage> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, resolve)
    outgoing.on('error', reject)
    outgoing.end()
  })
}

test('a body is read whole, also when it came before anybody asked for it', async (t) => {
  const response = await ask(t, (_, answer) => answer.end('x'.repeat(3_000_000)))
  let size = 0
  for await (const chunk of chunksOf(response)) size += chunk.length
  assert.equal(size, 3_000_000)
})

test('a reader that takes its time holds the sender up', async (t) => {
  const pieces = 64
  const piece = Buffer.alloc(1024 * 1024)
  let taken = 0
  const response = await ask(t, async (_, answer) => {
    for (; taken < pieces; taken++) await new Promise<void>((resolve) => answer.write(piece, () => resolve()))
    answer.end()
  })
  const chunks = chunksOf(response)[Symbol.asyncIterator]()
  let { value } = await chunks.next()
  await until(() => response.isPaused())
  assert.ok(taken < pieces, 'all of it was taken')
  let size = 0
  for (; value; { value } = await chunks.next()) size += value.length
  assert.equal(size, pieces * piece.length)
})

test('who stops reading closes the connection; a body that is cut off is an error', async (t) => {
  let closed = false
  const endless = await ask(t, (_, answer) => {
    answer.on('close', () => {
      closed = true
    })
    answer.write('a')
  })
  for await (const _ of chunksOf(endless)) break
  await until(() => closed)
  const cut = await ask(t, (_, answer) => {
    answer.write('a', () => answer.destroy())
  })
  await assert.rejects(async () => {
    for await (const _ of chunksOf(cut));
  })
})
