import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get as httpGet } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { until } from '#lib/testing'
import { Conversation, httpApp, rawApp, router, viewOf } from './testing/index.ts'

const get = (path = '/', ...fields: string[]) => [`GET ${path} HTTP/1.1`, 'Host: shop.localhost', ...fields, '', '']
const post = (path = '/') => [`POST ${path} HTTP/1.1`, 'Host: shop.localhost', 'Content-Length: 2', '', 'hi']
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A port that nobody listens on. */
async function closedPort(t: { after(fn: () => void): void }): Promise<number> {
  const { port, server } = await rawApp(t, () => {})
  server.close()
  await once(server, 'close')
  return port
}

test('a connection that is refused is tried elsewhere, whatever the method', async (t) => {
  const app = await httpApp(t, (_, res) => res.end('ok'))
  const started = await router(t, viewOf(await closedPort(t), app.port))
  for (let turn = 0; turn < 6; turn++) {
    const client = new Conversation(t, started.port).send(...post())
    await client.sees(/^HTTP\/1.1 200/)
  }
})

test('a GET that an endpoint dropped unanswered is sent again; a POST is not', async (t) => {
  let dropped = 0
  const bad = await rawApp(t, (socket) => {
    socket.on('data', () => {
      dropped++
      socket.destroy()
    })
  })
  const good = await rawApp(t, (socket) => socket.on('data', () => socket.write(ok)))
  const started = await router(t, viewOf(bad.port, good.port))
  for (let turn = 0; turn < 4; turn++)
    await new Conversation(t, started.port).send(...get('/', 'Connection: close')).sees(/^HTTP\/1.1 200/)
  assert.ok(dropped > 0)
  assert.equal(started.metrics().routes[0].retries, dropped)
  started.update(viewOf(bad.port))
  dropped = 0
  await new Conversation(t, started.port).send(...post()).sees(/^HTTP\/1.1 502/)
  assert.equal(dropped, 1)
})

test('a resting connection that the app closes is replaced without anybody noticing', async (t) => {
  const sockets: Socket[] = []
  const app = await rawApp(t, (socket) => {
    sockets.push(socket)
    let served = 0
    socket.on('data', () => {
      // The second request on a connection meets a server that has just decided to close it.
      if (++served === 1) socket.write(ok)
      else socket.destroy()
    })
  })
  const started = await router(t, viewOf(app.port))
  const client = new Conversation(t, started.port)
  for (let turn = 1; turn <= 4; turn++) {
    client.send(...get())
    await until(() => client.text.split('200 OK').length === turn + 1)
  }
  assert.ok(sockets.length >= 3)
})

test('never sends to an endpoint that is not ready; falls back to terminating ones that still serve', async (t) => {
  const apps = await Promise.all(['a', 'b', 'c'].map((name) => httpApp(t, (_, res) => res.end(`<${name}>`))))
  const [a, b, c] = apps.map(({ port }) => port)
  const notReady = { ready: false, serving: false, terminating: false }
  const leaving = { ready: false, serving: true, terminating: true }
  const started = await router(t)
  const seen = async () => {
    const client = new Conversation(t, started.port)
    for (let turn = 1; turn <= 6; turn++) {
      client.send(...get())
      await until(() => client.text.match(/<[abc]>/g)?.length === turn)
    }
    return [...new Set(client.text.match(/<[abc]>/g))].sort()
  }
  started.update(viewOf(a, { port: b, ...notReady }, { port: c, ...leaving }))
  assert.deepEqual(await seen(), ['<a>'])
  started.update(viewOf(a, b, { port: c, ...leaving }))
  assert.deepEqual(await seen(), ['<a>', '<b>'])
  started.update(viewOf({ port: a, ...notReady }, { port: c, ...leaving }))
  assert.deepEqual(await seen(), ['<c>'])
})

test('holds a request until an endpoint is ready, and says honestly when none comes', async (t) => {
  const app = await httpApp(t, (req, res) => req.pipe(res))
  const started = await router(t, viewOf(), { limits: { holdMs: 5000, maxWaiting: 1 } })
  const client = new Conversation(t, started.port).send(...post())
  await until(() => started.metrics().waiting === 1)
  const turnedAway = await new Conversation(t, started.port)
    .send(...get('/', 'Connection: close', 'Accept: application/json'))
    .end()
  assert.match(turnedAway, /^HTTP\/1.1 503 /)
  const page = JSON.parse(turnedAway.split('\r\n\r\n')[1])
  assert.equal(page.app, 'shop')
  assert.match(page.hints.join(), /cuddle ps.*cuddle logs/)
  started.update(viewOf(app.port))
  await client.sees(/^HTTP\/1.1 200[\s\S]*hi/)
  assert.equal(started.metrics().waiting, 0)

  const short = await router(t, viewOf(await closedPort(t)), { limits: { holdMs: 150 } })
  const refused = await new Conversation(t, short.port)
    .send(...get('/', 'Connection: close', 'Accept: text/html'))
    .end()
  assert.match(refused, /^HTTP\/1.1 503 [\s\S]*<!doctype html>[\s\S]*no process of shop is ready[\s\S]*cuddle logs/)
})

test('an unknown host is told nothing about the others', async (t) => {
  const app = await httpApp(t, (_, res) => res.end('ok'))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port).send('GET / HTTP/1.1', 'Host: bank.localhost:1234', '', '')
  await client.sees(/^HTTP\/1.1 404 [\s\S]*no app answers at this address/)
  assert.doesNotMatch(client.text, /shop/)
})

test('an app that does not answer in time is a 504; one that talks nonsense a 502', async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.on('data', (bytes) => {
      if (String(bytes).includes('/nonsense')) socket.write('220 mail ready\r\n')
    })
  })
  const { port } = await router(t, viewOf(app.port), { limits: { responseMs: 1000 } })
  await new Conversation(t, port).send(...post('/late')).sees(/^HTTP\/1.1 504 /)
  await new Conversation(t, port).send(...get('/nonsense')).sees(/^HTTP\/1.1 502 /)
})

test('websockets pass, with what was said before the answer, and outlive their endpoint', async (t) => {
  const app = await httpApp(t, (_, res) => res.end())
  const wss = new WebSocketServer({ server: app.server })
  wss.on('connection', (socket, req) => {
    socket.send(`hello ${req.headers['x-forwarded-host']}`)
    socket.on('message', (data) => socket.send(`echo ${data}`))
  })
  const started = await router(t, viewOf(app.port))
  const client = new WebSocket(`ws://127.0.0.1:${started.port}/socket`, { headers: { host: 'shop.localhost' } })
  const seen: string[] = []
  client.on('message', (data) => seen.push(String(data)))
  await once(client, 'open')
  started.update(viewOf())
  client.send('x'.repeat(100_000))
  await until(() => seen.length === 2)
  assert.equal(seen[0], 'hello shop.localhost')
  assert.equal(seen[1].length, 100_005)
  client.close()
  await once(client, 'close')
  await until(() => started.metrics().connections === 0)
})

test('an upgrade that the app refuses is an ordinary answer; h2c is not offered to it', async (t) => {
  const app = await httpApp(t, (req, res) => res.end(`upgrade: ${req.headers.upgrade}`))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port)
  await client
    .send(...get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAAA'))
    .sees(/upgrade: undefined/)
  await client.send(...get('/', 'Connection: Upgrade', 'Upgrade: unknown')).sees(/upgrade: unknown|200 OK[\s\S]*200 OK/)
})

test('fields that Connection names go no further, except those that frame or identify', async (t) => {
  const app = await httpApp(t, (req, res) => res.end(JSON.stringify(req.headers)))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port)
  client.send(...get('/', 'Connection: close, X-Secret, Host, X-Forwarded-For', 'X-Secret: 1', 'X-Kept: 2'))
  const headers = JSON.parse((await client.end()).split('\r\n\r\n')[1])
  assert.equal(headers['x-secret'], undefined)
  assert.deepEqual([headers['x-kept'], headers.host, headers['x-forwarded-for']], ['2', 'shop.localhost', '127.0.0.1'])
})

test('a target in absolute form overrides Host', async (t) => {
  const app = await httpApp(t, (req, res) => res.end(`<${req.headers.host} ${req.url}>`))
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port).send('GET http://shop.localhost/x?y HTTP/1.1', 'Host: other', '', '')
  await client.sees(/<shop.localhost \/x\?y>/)
})

test('an early answer ends an upload without losing the answer', async (t) => {
  const app = await httpApp(t, (req, res) => {
    res.writeHead(413, { connection: 'close' }).end('too large')
    req.destroy()
  })
  const { port } = await router(t, viewOf(app.port))
  const client = new Conversation(t, port).send(
    'POST / HTTP/1.1',
    'Host: shop.localhost',
    'Content-Length: 10000000',
    '',
    'x'.repeat(1000),
  )
  assert.match(await client.end(), /^HTTP\/1.1 413 [\s\S]*Connection: close[\s\S]*too large/)
})

test('draining: what is under way ends, resting connections close, new ones are refused', async (t) => {
  let answer: () => void = () => {}
  const app = await httpApp(t, (_, res) => {
    answer = () => res.end('late')
  })
  const started = await router(t, viewOf(app.port))
  const resting = new Conversation(t, started.port)
  const busy = new Conversation(t, started.port).send(...get())
  await until(() => started.metrics().connections === 2 && started.metrics().routes[0].active === 1)
  const closing = started.close({ drainMs: 10_000 })
  await resting.end()
  answer()
  assert.match(await busy.end(), /Connection: close\r\n\r\nlate$/)
  await closing
  await new Conversation(t, started.port).end()
})

test('no request fails while endpoints come and go under load', async (t) => {
  const started = await router(t)
  const start = () => httpApp(t, (req, res) => setTimeout(() => req.pipe(res), 1))
  let current = [await start(), await start()]
  started.update(viewOf(...current.map(({ port }) => port)))
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  t.after(() => agent.destroy())
  let done = false
  const statuses: Record<string, number> = {}
  const load = async () => {
    while (!done) {
      const status = await new Promise<string>((resolve) => {
        httpGet({ port: started.port, host: '127.0.0.1', agent, headers: { host: 'shop.localhost' } }, (res) => {
          res.resume().on('end', () => resolve(String(res.statusCode)))
        }).on('error', (error) => resolve(error.message))
      })
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  }
  const loads = Array.from({ length: 8 }, load)
  for (let rollout = 0; rollout < 15; rollout++) {
    const fresh = await start()
    const [oldest] = current
    current = [...current.slice(1), fresh]
    const before = statuses['200'] ?? 0
    started.update(viewOf(...current.map(({ port }) => port)))
    // The old one stops as an app does on SIGTERM, at once, while requests may be on their way to it.
    oldest.server.close()
    oldest.server.closeIdleConnections()
    await until(() => (statuses['200'] ?? 0) > before + 20)
  }
  done = true
  await Promise.all(loads)
  assert.deepEqual(Object.keys(statuses), ['200'])
})
