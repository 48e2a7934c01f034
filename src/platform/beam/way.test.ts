import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dialTcp, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Kube } from '#kube'
import { fakeCookie, fakeName, fakePeer } from '../../beam/testing/fake-peer.ts'
import { dial } from './cookie.ts'
import type { BeamPod } from './nodes.ts'

const pod = (host: string, port: number): BeamPod => ({
  ...{ pod: 'web-0', uid: 'u', process: 'web', namespace: 'shop', name: fakeName, host, port },
  ...{ restarts: 0, ready: true, clustered: true, schedulers: undefined, cookie: { name: 'own', key: 'cookie' } },
})
/** The part of a cluster that the way to a node takes: its Secret, and a port-forward to where the node is. */
function cluster(port: number | undefined) {
  const asked: string[] = []
  const data = { cookie: Buffer.from(fakeCookie).toString('base64') }
  const kube = {
    find: async () => ({ data }),
    openPort: async (name: string) => {
      asked.push(name)
      if (port === undefined) throw new Error('pods "web-0" is forbidden')
      const socket = dialTcp(port, '127.0.0.1')
      await once(socket, 'connect')
      return socket
    },
  } as unknown as Kube
  return { kube, asked }
}
/** Of TEST-NET-1 (RFC 5737): nobody is there, whether the network says so or not. */
const nowhere = '192.0.2.1'
const ourName = 'rem-x@127.0.0.1'
/** Leads to this machine, and does not look like it. */
const elsewhere = '0.0.0.0'

async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a pod whose address leads nowhere from here is reached through the API server, and so are others after it', async (t) => {
  const { port } = await fakePeer(t, { cookie: 'another' })
  const { kube, asked } = cluster(port)
  for (const _ of [1, 2]) await assert.rejects(dial(kube, pod(nowhere, 9), { ourName }), { code: 'wrong-cookie' })
  assert.deepEqual(asked, ['web-0', 'web-0'])
  const { port: direct } = await fakePeer(t, { cookie: 'another' })
  await assert.rejects(dial(kube, pod(elsewhere, direct), { ourName }), { code: 'wrong-cookie' })
  assert.equal(asked.length, 3, 'the API server is asked first from then on')
})

test('so is one at whose address somebody else answers, or a proxy that takes every connection', async (t) => {
  const { port } = await fakePeer(t, { cookie: 'another' })
  const silent = await listen(t, () => {})
  const page = await listen(t, (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const { port: other } = await fakePeer(t, { name: 'other@127.0.0.1' })
  for (const there of [silent, page, other]) {
    const { kube, asked } = cluster(port)
    const options = { ourName, timeoutMs: 2_000 }
    await assert.rejects(dial(kube, pod(elsewhere, there), options), { code: 'wrong-cookie' })
    assert.deepEqual(asked, ['web-0'])
  }
})

test('a pod that answers here is reached directly, also when it refuses', async (t) => {
  const { port } = await fakePeer(t, { cookie: 'another' })
  const { kube, asked } = cluster(port)
  for (const host of [elsewhere, '127.0.0.1']) {
    await assert.rejects(dial(kube, pod(host, port), { ourName }), { code: 'wrong-cookie' })
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const closed = (server.address() as AddressInfo).port
  server.close()
  await once(server, 'close')
  await assert.rejects(dial(kube, pod('127.0.0.1', closed), { ourName }), /ECONNREFUSED/)
  assert.deepEqual(asked, [])
})

test('a node that hangs is not asked twice where others answer directly, unless it hangs on', async (t) => {
  const { port } = await fakePeer(t, { cookie: 'another' })
  const silent = await listen(t, () => {})
  const { kube, asked } = cluster(port)
  await assert.rejects(dial(kube, pod(elsewhere, port), { ourName }), { code: 'wrong-cookie' })
  const hung = () => dial(kube, pod(elsewhere, silent), { ourName, timeoutMs: 300 })
  await assert.rejects(hung(), { code: 'connect-timeout' })
  assert.deepEqual(asked, [])
  await assert.rejects(hung(), { code: 'wrong-cookie' })
  assert.deepEqual(asked, ['web-0'])
})

test('where neither way leads there, both are told', async () => {
  const { kube } = cluster(undefined)
  await assert.rejects(dial(kube, pod(nowhere, 9), { ourName }), {
    code: 'node-unreachable',
    message: /192\.0\.2\.1:9 cannot be reached: .*; through the API server neither: pods "web-0" is forbidden/,
  })
})
