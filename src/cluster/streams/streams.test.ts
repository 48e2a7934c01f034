import assert from 'node:assert/strict'
import { createServer as createHttpServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { systemClock, webSockets } from '#lib'
import { acceptPortForward, acceptRemoteCommand, exitStatus, type RemoteStreams } from './index.ts'

type Context = { after(fn: () => void): void }

/** A server that hands its upgrades to `serve`, and a client of it. */
async function upgrading(t: Context, serve: (request: IncomingMessage, socket: Duplex) => void) {
  const server = createHttpServer()
  server.on('upgrade', (incoming, socket) => serve(incoming, socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const { WebSocketPeer } = await webSockets()
  return async (protocol: string) => {
    const outgoing = request({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': 'eA==',
        'sec-websocket-version': '13',
        'sec-websocket-protocol': protocol,
      },
    })
    outgoing.end()
    return new Promise<{ protocol: string; peer: InstanceType<typeof WebSocketPeer> } | { code: number }>((resolve) => {
      outgoing.on('response', (response) => resolve({ code: response.resume().statusCode! }))
      outgoing.on('upgrade', (response, socket, head) => {
        if (head.length > 0) socket.unshift(head)
        t.after(() => void socket.destroy())
        const chosen = response.headers['sec-websocket-protocol'] ?? ''
        resolve({ protocol: chosen, peer: new WebSocketPeer(socket as Socket, 'client') })
      })
    })
  }
}

/** Echoes input to output, says the terminal's sizes on it too, and ends with 3. */
async function echo(streams: RemoteStreams | undefined): Promise<void> {
  streams?.onResize(({ columns, rows }) => void streams.stdout!.write(`${columns}x${rows} `))
  for await (const chunk of streams!.stdin!) {
    streams!.stdout!.write(chunk)
    if (chunk.toString().endsWith('.')) break
  }
  await streams!.finish(exitStatus(3, streams!.protocol))
}

const wants = { stdin: true, stdout: true, stderr: false, tty: false }
const statusOf = (protocol: string) => JSON.stringify(exitStatus(3, protocol))

test('v5 ends the input without ending the connection', async (t) => {
  const open = await upgrading(t, (incoming, socket) =>
    acceptRemoteCommand(incoming, socket, wants, systemClock).then(echo),
  )
  const found = await open('v9.channel.k8s.io, v5.channel.k8s.io')
  assert.ok('peer' in found)
  assert.equal(found.protocol, 'v5.channel.k8s.io')
  found.peer.send(Buffer.from('\x04{"Width":80,"Height":24}'))
  found.peer.send(Buffer.from('\0hello'))
  found.peer.send(Buffer.from([255, 0]))
  const got: string[] = []
  for await (const { data } of found.peer.messages()) got.push(data.toString('latin1'))
  assert.equal(got[0], '\x01', 'an empty first message tells that the streams are up')
  assert.equal(got.slice(1, -1).join('').replaceAll('\x01', ''), '80x24 hello')
  assert.equal(got.at(-1), `\x03${statusOf('v5.channel.k8s.io')}`)
  assert.equal(found.peer.closed?.code, 1000)
})

test('browsers speak base64', async (t) => {
  const open = await upgrading(t, (incoming, socket) =>
    acceptRemoteCommand(incoming, socket, wants, systemClock).then(echo),
  )
  const found = await open('v4.base64.channel.k8s.io')
  assert.ok('peer' in found)
  found.peer.send(`0${Buffer.from('hello.').toString('base64')}`, false)
  const got: string[] = []
  for await (const { data, binary } of found.peer.messages()) {
    assert.equal(binary, false)
    got.push(data[0] - 0x30 + Buffer.from(data.toString().slice(1), 'base64').toString())
  }
  assert.deepEqual(got, ['1', '1hello.', `3${statusOf('v4.base64.channel.k8s.io')}`])
})

test('a client that offers nothing we know is refused', async (t) => {
  const open = await upgrading(t, (incoming, socket) => acceptRemoteCommand(incoming, socket, wants, systemClock))
  assert.deepEqual(await open('chat'), { code: 403 })
})

test('port-forward over channels: each begins with its port, and errors have their own', async (t) => {
  const app = createServer((socket) => socket.on('data', (chunk) => socket.end(`got ${chunk}`)))
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  t.after(() => void app.close())
  const { port } = app.address() as AddressInfo
  const query = new URLSearchParams([
    ['ports', '8080'],
    ['ports', '1'],
  ])
  const open = await upgrading(t, (incoming, socket) =>
    acceptPortForward(incoming, socket, query, async (asked) => {
      if (asked !== 8080) throw new Error('connection refused')
      return connect({ port, host: '127.0.0.1' })
    }),
  )
  const found = await open('v4.channel.k8s.io')
  assert.ok('peer' in found)
  found.peer.send(Buffer.from('\0hello'))
  const got = ['', '', '', '']
  for await (const { data } of found.peer.messages()) {
    got[data[0]] += data.toString('latin1', 1)
    if (got[0].endsWith('hello') && got[3].length > 2) found.peer.close()
  }
  assert.deepEqual(got, [
    '\x90\x1fgot hello',
    '\x90\x1f',
    '\x01\0',
    '\x01\0unable to connect to port 1 of the pod: connection refused',
  ])
})
