import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkScanner } from './chunks.ts'
import { Head, incomplete, parseRequestHead, parseResponseHead } from './head.ts'
import { Conversation, httpApp, router, viewOf } from './testing/index.ts'

const host = 'Host: shop.localhost'

/** What another server on the way might read differently: each is refused, and the connection closed. */
const refused: Record<string, [number, string]> = {
  'both lengths': [
    400,
    `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  'two lengths': [400, `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd`],
  'a list of lengths': [400, `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 4, 4\r\n\r\nabcd`],
  'a signed length': [400, `POST / HTTP/1.1\r\n${host}\r\nContent-Length: +4\r\n\r\nabcd`],
  'a hex length': [400, `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 0x4\r\n\r\nabcd`],
  'a huge length': [400, `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 99999999999999999999\r\n\r\n`],
  'an empty length': [400, `POST / HTTP/1.1\r\n${host}\r\nContent-Length: \r\n\r\n`],
  'an unknown coding': [501, `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  'a disguised coding': [501, `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  'two codings': [
    400,
    `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  'chunks from HTTP/1.0': [400, `POST / HTTP/1.0\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  'a bad chunk size': [400, `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n`],
  'a chunk that ends early': [
    400,
    `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n`,
  ],
  'a chunk size with a bare LF': [
    400,
    `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n`,
  ],
  'an extension with a bare LF': [
    400,
    `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n`,
  ],
  'a chunk size too long': [
    400,
    `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n${'0'.repeat(40)}1\r\na\r\n`,
  ],
  'a space before the colon': [400, `GET / HTTP/1.1\r\n${host}\r\nContent-Length : 0\r\n\r\n`],
  'a folded line': [400, `GET / HTTP/1.1\r\n${host}\r\nA: b\r\n c\r\n\r\n`],
  'a bare LF': [400, `GET / HTTP/1.1\n${host}\n\n`],
  'a bare LF in a field': [400, `GET / HTTP/1.1\r\n${host}\nA: b\r\n\r\n`],
  'a bare CR in a field': [400, `GET / HTTP/1.1\r\n${host}\r\nA: b\rc\r\n\r\n`],
  'a NUL': [400, `GET / HTTP/1.1\r\n${host}\r\nA: b\0c\r\n\r\n`],
  'an empty name': [400, `GET / HTTP/1.1\r\n${host}\r\n: b\r\n\r\n`],
  'no host': [400, 'GET / HTTP/1.1\r\n\r\n'],
  'two hosts': [400, `GET / HTTP/1.1\r\n${host}\r\nHost: other\r\n\r\n`],
  'a bad host': [400, 'GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n'],
  'no target': [400, `GET  HTTP/1.1\r\n${host}\r\n\r\n`],
  'a target with a space': [400, `GET /a b HTTP/1.1\r\n${host}\r\n\r\n`],
  'a relative target': [400, `GET a HTTP/1.1\r\n${host}\r\n\r\n`],
  'no version': [400, 'GET /\r\n\r\n'],
  'version 2': [505, `GET / HTTP/2.0\r\n${host}\r\n\r\n`],
  'two Upgrades': [400, `GET / HTTP/1.1\r\n${host}\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n`],
  CONNECT: [405, `CONNECT shop:80 HTTP/1.1\r\n${host}\r\n\r\n`],
  TRACE: [405, `TRACE / HTTP/1.1\r\n${host}\r\n\r\n`],
  'a long target': [414, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n\r\n`],
  'a large head': [431, `GET / HTTP/1.1\r\n${host}\r\nA: ${'a'.repeat(70_000)}\r\n\r\n`],
  'many small fields': [431, `GET / HTTP/1.1\r\n${host}\r\n${'A: b\r\n'.repeat(12_000)}\r\n`],
}

test('refuses what could be read in two ways, and lets nothing of it through', async (t) => {
  let requests = 0
  const app = await httpApp(t, (_, res) => {
    requests++
    res.end('ok')
  })
  const { port } = await router(t, viewOf(app.port))
  for (const [name, [status, text]] of Object.entries(refused)) {
    const answer = await new Conversation(t, port).send(text).end()
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), name)
    assert.match(answer, /\r\nConnection: close\r\n/, name)
    assert.equal(answer.split(/HTTP\/1.1 \d/).length, 2, name)
  }
  assert.equal(requests, 0)
})

test('reads a head however it is cut', async (t) => {
  const app = await httpApp(t, (req, res) => res.end(`<${req.url}>`))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port)
  for (const byte of `\r\nGET /slow HTTP/1.1\r\n${host}\r\nA: b\r\n\r\n`) {
    client.socket.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await client.sees(/<\/slow>/)
})

test('every prefix of a head is incomplete, never another head', () => {
  const head = new Head()
  const request = Buffer.from(`POST /a HTTP/1.1\r\n${host}\r\nContent-Length: 12\r\nConnection: close, x-a\r\n\r\n`)
  for (let length = 0; length < request.length; length++)
    assert.equal(parseRequestHead(request, 0, length, head), incomplete, String(length))
  assert.equal(parseRequestHead(request, 0, request.length, head), request.length)
  assert.deepEqual([head.contentLength, head.close, head.connectionExtra], [12, true, true])
  const response = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nKeep-Alive: timeout=5\r\n\r\n')
  for (let length = 0; length < response.length; length++)
    assert.equal(parseResponseHead(response, 0, length, head), incomplete, String(length))
  assert.equal(parseResponseHead(response, 0, response.length, head), response.length)
  assert.deepEqual([head.status, head.chunked, head.keepAliveTimeout], [200, true, 5])
  for (const bad of ['HTTP/1.1 2x0 OK\r\n\r\n', 'HTTX/1.1 200 OK\r\n\r\n', 'HTTP/1.1 200 OK\r\nA b\r\n\r\n\r\n'])
    assert.equal(parseResponseHead(Buffer.from(bad), 0, bad.length, head), -502, bad)
})

test('a chunked body ends at the same byte however it is cut', () => {
  const body = Buffer.from('5;name="v"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nNEXT')
  for (let size = 1; size <= body.length; size++) {
    const scanner = new ChunkScanner()
    let content = ''
    let at = 0
    while (at < body.length && !scanner.done) {
      const end = Math.min(body.length, at + size)
      at = scanner.feed(body, at, end, (from, to) => {
        content += body.toString('latin1', from, to)
      })
    }
    assert.equal(content, 'hello0123456789')
    assert.equal(body.toString('latin1', at), 'NEXT')
  }
})
