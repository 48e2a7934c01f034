import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect as dialTcp } from 'node:net'
import { test } from 'node:test'
import type { Kube } from '#kube'
import { systemClock } from '#lib'
import { fakeCookie, fakeName, fakePeer } from '../../beam/testing/fake-peer.ts'
import { dial } from './cookie.ts'
import type { BeamPod } from './nodes.ts'
import { openWay } from './way.ts'

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
const anytime = new AbortController().signal

test('a pod whose address leads nowhere from here is reached through the API server, and so are others after it', async (t) => {
  const { port } = await fakePeer(t, { flags: 0x1070f94n })
  const { kube, asked } = cluster(port)
  for (const _ of [1, 2]) {
    // An old OTP answers: the handshake got through.
    await assert.rejects(dial(kube, pod(nowhere, 9), { ourName: 'rem-x@127.0.0.1' }), { code: 'unsupported-otp' })
  }
  assert.deepEqual(asked, ['web-0', 'web-0'])
})

test('a pod that answers here is reached directly, also when it refuses', async (t) => {
  const { port } = await fakePeer(t)
  const { kube, asked } = cluster(port)
  ;(await openWay(kube, pod('127.0.0.1', port), systemClock, anytime)).destroy()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const closed = (server.address() as { port: number }).port
  server.close()
  await once(server, 'close')
  await assert.rejects(openWay(kube, pod('127.0.0.1', closed), systemClock, anytime), /ECONNREFUSED/)
  assert.deepEqual(asked, [])
})

test('where neither way leads there, both are told', async () => {
  const { kube } = cluster(undefined)
  await assert.rejects(openWay(kube, pod(nowhere, 9), systemClock, anytime), {
    code: 'node-unreachable',
    message: /192\.0\.2\.1:9 cannot be reached: .*; through the API server neither: pods "web-0" is forbidden/,
  })
})
