import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { until } from '#lib/testing'
import { FrameTrack } from './frames.ts'
import { Conversation, httpApp, rawApp, router, viewOf } from './testing/index.ts'
import type { RouteView } from './view.ts'

const handshake = ['GET /socket HTTP/1.1', 'Host: shop.localhost', 'Connection: Upgrade', 'Upgrade: websocket', '', '']
const accepted = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
const restart = '\x88\x02\x03\xf4'

function leavingView(port: number, drainSeconds: number): RouteView {
  const view = viewOf({ port, ready: false, terminating: true }, { port: 1 })
  view.services.get('shop/web:80')!.drainSeconds = drainSeconds
  return view
}

test('websockets of a pod that leaves are open for its drain time, then closed with 1012, and the app is told', async (t) => {
  const app = await httpApp(t, (_, response) => response.end())
  const wss = new WebSocketServer({ server: app.server })
  const ends: number[] = []
  wss.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data)))
    socket.on('close', (code) => ends.push(code))
  })
  const started = await router(t, viewOf(app.port))
  const open = async () => {
    const client = new WebSocket(`ws://127.0.0.1:${started.port}/socket`, { headers: { host: 'shop.localhost' } })
    const seen = { said: '', code: 0 }
    client.on('message', (data) => (seen.said += String(data)))
    client.on('close', (code) => (seen.code = code))
    await until(() => client.readyState === WebSocket.OPEN)
    return { client, seen }
  }
  const clients = [await open(), await open()]
  started.update(leavingView(app.port, 2))
  clients[0].client.send('still here')
  await until(() => clients[0].seen.said === 'still here')
  assert.deepEqual(ends, [])
  await until(() => clients.every(({ seen }) => seen.code === 1012), { what: 'close code 1012' })
  await until(() => ends.length === 2)
  assert.deepEqual(ends, [1012, 1012])
})

test('a frame that is on its way is not cut in two, and what comes after the goodbye is dropped', async (t) => {
  let say: (text: string) => void = () => {}
  const app = await rawApp(t, (socket) => {
    say = (text) => socket.write(text, 'latin1')
    socket.once('data', () => say(`${accepted}\x81\x05he`))
  })
  const started = await router(t, viewOf(app.port))
  const client = new Conversation(t, started.port).send(...handshake)
  await client.sees(/\x81\x05he$/)
  started.update(leavingView(app.port, 0))
  // One look of the router's later it waits for the end of the frame.
  await until(() => started.metrics().connections === 1)
  setTimeout(() => say('llo\x81\x02no'), 1500)
  await client.sees(/hello/)
  assert.match(await client.end(), new RegExp(`hello${restart}$`))
})

test('a websocket whose pod just goes away ends with 1012; other tunnels end as they do', async (t) => {
  const app = await rawApp(t, (socket) =>
    socket.once('data', (data) => {
      socket.write(`${/websocket/i.test(String(data)) ? accepted : accepted.replace('websocket', 'other')}`)
      setTimeout(() => socket.destroy(), 50)
    }),
  )
  const started = await router(t, viewOf(app.port))
  assert.ok((await new Conversation(t, started.port).send(...handshake).end()).endsWith(restart))
  const other = handshake.map((line) => line.replace('websocket', 'other'))
  assert.ok(!(await new Conversation(t, started.port).send(...other).end()).endsWith(restart))
})

test('frames of every size are followed, however their bytes come', () => {
  const frame = (size: number, masked: boolean, opcode = 2) => {
    const head =
      size < 126
        ? [size]
        : size < 65_536
          ? [126, size >> 8, size & 255]
          : [127, 0, 0, 0, 0, 0, size >> 16, size >> 8, size]
    if (masked) head[0] |= 0x80
    return Buffer.from([0x80 | opcode, ...head, ...(masked ? [1, 2, 3, 4] : []), ...Buffer.alloc(size, 0x88)])
  }
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 70_000]) {
    for (const masked of [false, true]) {
      const bytes = Buffer.concat([frame(size, masked), frame(3, masked)])
      for (const step of [1, 7, bytes.length]) {
        const track = new FrameTrack()
        for (let at = 0; at < bytes.length; at += step) track.feed(bytes, at, Math.min(bytes.length, at + step))
        assert.ok(track.between && !track.closing)
        track.feed(bytes, 0, 1)
        assert.ok(!track.between)
      }
      assert.equal(new FrameTrack().feed(bytes, 0, bytes.length, true), frame(size, masked).length)
    }
  }
  const track = new FrameTrack()
  track.feed(frame(2, false, 8), 0, 4)
  assert.ok(track.closing)
})
