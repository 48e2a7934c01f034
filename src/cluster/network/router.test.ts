import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { Conversation, httpApp, rawApp, router, viewOf } from './testing/index.ts'

const get = (path = '/', ...fields: string[]) => [`GET ${path} HTTP/1.1`, 'Host: shop.localhost', ...fields, '', '']

test('passes a request on with who asked, for what, and an id; and the answer back', async (t) => {
  const app = await httpApp(t, (req, res) => res.end(JSON.stringify({ url: req.url, headers: req.headers })))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port).send(
    ...get('/a?b=c', 'X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: https', 'TE: trailers', 'Keep-Alive: timeout=9'),
  )
  const [, json] = await client.sees(/\r\n\r\n(\{.*\})$/)
  const { url, headers } = JSON.parse(json)
  assert.equal(url, '/a?b=c')
  assert.equal(headers['x-forwarded-for'], '192.0.2.1, 127.0.0.1')
  assert.equal(headers['x-forwarded-proto'], 'http')
  assert.equal(headers['x-forwarded-host'], 'shop.localhost')
  assert.match(headers['x-request-id'], /^[\w-]{20,}$/)
  assert.equal(headers.te, undefined)
  assert.equal(headers['keep-alive'], undefined)
  assert.doesNotMatch(client.text, /keep-alive/i)
})

test('keeps connections to clients and to the app', async (t) => {
  const seen = new Set<unknown>()
  const app = await httpApp(t, (req, res) => {
    seen.add(req.socket)
    res.end('ok')
  })
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port)
  for (let turn = 1; turn <= 5; turn++) {
    client.send(...get())
    await until(() => client.text.split('HTTP/1.1 200').length === turn + 1)
  }
  assert.equal(seen.size, 1)
})

test('answers pipelined requests in order, each when the one before is done', async (t) => {
  const app = await httpApp(t, (req, res) => setTimeout(() => res.end(`<${req.url}>`), req.url === '/1' ? 30 : 0))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port).send(
    [...get('/1'), ...get('/2'), ...get('/3')].join('\r\n').replaceAll('\r\n\r\n\r\n', '\r\n\r\n'),
  )
  await client.sees(/<\/3>/)
  assert.deepEqual(client.text.match(/<\/\d>/g), ['</1>', '</2>', '</3>'])
})

test('passes bodies on: by length, chunked with trailers, and echoed by length', async (t) => {
  const app = await httpApp(t, async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    res.end(`${req.method} ${body} ${JSON.stringify(req.trailers)}`)
  })
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port)
  client.send('POST / HTTP/1.1', 'Host: shop.localhost', 'Content-Length: 5', '', 'hello')
  await client.sees(/POST hello \{\}/)
  client.send('PUT / HTTP/1.1', 'Host: shop.localhost', 'Transfer-Encoding: chunked', '', '5', 'he')
  client.send('llo', '3;x=y', ' yo', '0', 'X-Sum: 7', '', '')
  await client.sees(/PUT hello yo \{"x-sum":"7"\}/)
})

test('passes a large body through in both directions with back-pressure', async (t) => {
  const size = 24 * 1024 * 1024
  const app = await httpApp(t, (req, res) => {
    res.setHeader('content-length', String(size))
    req.pipe(res)
  })
  const { port } = await router(t, viewOf(app.port))
  const chunk = Buffer.alloc(1 << 20, 'x')
  let received = 0
  await new Promise<void>((resolve, reject) => {
    const req = request(
      { port, host: '127.0.0.1', method: 'POST', headers: { host: 'shop.localhost', 'content-length': size } },
      (res) => {
        res.on('data', (bytes: Buffer) => {
          received += bytes.length
        })
        res.on('end', resolve)
      },
    )
    req.on('error', reject)
    for (let sent = 0; sent < size; sent += chunk.length) req.write(chunk)
    req.end()
  })
  assert.equal(received, size)
})

test('finds the end of responses: chunked, until close, HEAD, 204, 304, early hints', async (t) => {
  const answers: Record<string, string> = {
    '/chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    '/none': 'HTTP/1.1 204 No Content\r\n\r\n',
    '/same': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n',
    '/hints': 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
  }
  const app = await rawApp(t, (socket) => {
    socket.on('data', (bytes) => {
      const path = String(bytes).split(' ')[1]
      if (path === '/close') socket.end('HTTP/1.0 200 OK\r\n\r\nuntil the end')
      else if (String(bytes).startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n')
      else socket.write(answers[path])
    })
  })
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port)
  await client.send(...get('/chunked')).sees(/chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/)
  await client.send(...get('/none')).sees(/204 No Content\r\n\r\n$/)
  await client.send(...get('/same')).sees(/304[\s\S]*99\r\n\r\n$/)
  await client.send('HEAD / HTTP/1.1', 'Host: shop.localhost', '', '').sees(/77\r\n\r\n$/)
  await client
    .send(...get('/hints'))
    .sees(/103 Early Hints[\s\S]*\r\n\r\nHTTP\/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi$/)
  await client
    .send(...get('/close'))
    .sees(/HTTP\/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n$/)
  await client.send(...get('/none')).sees(/0\r\n\r\nHTTP\/1.1 204[\s\S]*$/)
})

test('speaks HTTP/1.0 with those who do', async (t) => {
  const app = await httpApp(t, (req, res) => {
    if (req.url === '/length') res.setHeader('content-length', '3')
    else res.write('')
    res.write('ab')
    res.end('c')
  })
  const { port } = await router(t, viewOf(app.port))
  const old = new Conversation(t, port).send(
    'GET /length HTTP/1.0',
    'Host: shop.localhost',
    'Connection: keep-alive',
    '',
    '',
  )
  await old.sees(/Connection: keep-alive\r\n\r\nabc$/)
  old.send('GET /chunked HTTP/1.0', 'Host: shop.localhost', '', '')
  const text = await old.end()
  assert.match(text, /Connection: close\r\n\r\nabc$/)
  assert.doesNotMatch(text, /chunked/i)
})

test('lets the app decide about Expect: 100-continue', async (t) => {
  const app = await httpApp(t, (req, res) => {
    req.resume().on('end', () => res.end('done'))
  })
  app.server.on('checkContinue', (req, res) => {
    if (req.url === '/no') return res.writeHead(417, { 'content-length': '0' }).end()
    res.writeContinue()
    req.resume().on('end', () => res.end('done'))
  })
  const { port } = await router(t, viewOf(app.port))
  const head = (path: string) => [
    `POST ${path} HTTP/1.1`,
    'Host: shop.localhost',
    'Expect: 100-continue',
    'Content-Length: 4',
    '',
    '',
  ]
  const client = new Conversation(t, port)
  await client.send(...head('/yes')).sees(/^HTTP\/1.1 100 Continue\r\n\r\n$/)
  await client.send('body').sees(/200 OK[\s\S]*done$/)
  const refused = new Conversation(t, port)
  await refused.send(...head('/no')).sees(/^HTTP\/1.1 417[\s\S]*Connection: close/)
  await refused.end()
})

test('streams: each piece arrives when it was written', async (t) => {
  let next: (text: string) => void = () => {}
  let gone = false
  const app = await httpApp(t, (_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.flushHeaders()
    next = (text) => res.write(text)
    res.on('close', () => {
      gone = true
    })
  })
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port).send(...get('/events'))
  await client.sees(/text\/event-stream/)
  next('data: 1\n\n')
  await client.sees(/data: 1/)
  next('data: 2\n\n')
  await client.sees(/data: 2/)
  client.socket.destroy()
  await until(() => gone)
})

test('tells of a response that broke off by breaking off itself', async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this')
      setTimeout(() => socket.destroy(), 10)
    })
  })
  const started = await router(t, viewOf(app.port))
  const client = new Conversation(t, started.port).send(...get())
  await until(() => client.closed || client.ended)
  assert.match(client.text, /only this$/)
  assert.equal(started.metrics().routes[0].aborted, 1)
})
