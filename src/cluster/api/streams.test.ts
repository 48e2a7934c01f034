import assert from 'node:assert/strict'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { systemClock } from '#lib'
import { acceptRemoteCommand, exitStatus } from '../streams/index.ts'
import { type TestApi, testApi } from './testing.ts'

type Context = { after(fn: () => void | Promise<void>): void }

const pods = '/api/v1/namespaces/default/pods'

/** A node whose kubelet API answers every exec with what it was asked, and exit code 7. */
async function withNode(t: Context, options: { adminToken?: string } = {}): Promise<TestApi> {
  const api = await testApi(t, options)
  const { cert, key } = api.pki.node
  const kubelet = createServer({ cert, key, ca: api.pki.ca.cert, requestCert: true, rejectUnauthorized: true })
  kubelet.on('upgrade', async (incoming, socket: TLSSocket) => {
    const wants = { stdin: false, stdout: true, stderr: false, tty: false }
    const streams = await acceptRemoteCommand(incoming, socket, wants, systemClock)
    streams!.stdout!.write(`${socket.getPeerCertificate().subject.CN} ${incoming.url}`)
    await streams!.finish(exitStatus(7, streams!.protocol))
  })
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve))
  t.after(() => void kubelet.close())
  const { port } = kubelet.address() as AddressInfo
  await api.send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-0' } })
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  }
  const type = 'application/merge-patch+json'
  const patched = await api.send('PATCH', '/api/v1/nodes/node-0/status', { status }, { type })
  assert.equal(patched.code, 200, patched.text)
  for (const [name, nodeName] of [
    ['here', 'node-0'],
    ['nowhere', undefined],
  ]) {
    const containers = ['one', 'two'].map((container) => ({ name: container, image: 'host' }))
    const made = await api.send('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers, ...(nodeName && { nodeName }) },
    })
    assert.equal(made.code, 201, made.text)
  }
  return api
}

for (const over of ['TLS', 'a call in the same process']) {
  test(`exec over ${over} is led to the node of the pod`, async (t) => {
    const api = await withNode(t)
    const transport = over === 'TLS' ? httpTransport(loadKubeConfig({ path: api.kubeconfig })) : api.server.transport()
    const kube = createKube(transport)
    t.after(() => kube.close())
    let output = ''
    const stdout = (chunk: Uint8Array) => void (output += chunk)
    const command = ['echo', 'a b', '&c']
    assert.equal(await kube.exec('here', 'default', { container: 'two', command, stdout }), 7)
    assert.equal(
      output,
      'kube-apiserver-kubelet-client /exec/default/here/two?output=1&command=echo&command=a+b&command=%26c',
    )
    await assert.rejects(kube.exec('here', 'default', { command, stdout }), {
      code: 400,
      message: 'a container name must be specified for pod here, choose one of: [one two]',
    })
    await assert.rejects(kube.exec('nobody', 'default', { command, stdout }), { code: 404, reason: 'NotFound' })
    await assert.rejects(kube.exec('nowhere', 'default', { container: 'one', command, stdout }), {
      code: 400,
      message: 'pod nowhere does not have a host assigned',
    })
  })
}

test('a request that does not offer its connection, or may not, is refused', async (t) => {
  const api = await withNode(t)
  for (const kind of ['exec', 'attach', 'portforward']) {
    const plain = await api.send('GET', `${pods}/here/${kind}?container=one&command=true`)
    assert.deepEqual([plain.code, plain.body.message], [400, 'Upgrade request required'])
    const nobody = await api.send('POST', `${pods}/here/${kind}`, undefined, { as: 'nobody' })
    assert.equal(nobody.code, 403)
  }
  const elsewhere = await api.send('GET', pods, undefined, { headers: { connection: 'Upgrade', upgrade: 'h2c' } })
  assert.equal(elsewhere.code, 200)
})

test('a browser shows its token as a subprotocol, which goes no further', async (t) => {
  const api = await withNode(t, { adminToken: 's3cret' })
  const ask = (token: string) =>
    new Promise<[number, string | undefined]>((resolve, reject) => {
      const bearer = `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`
      const outgoing = request({
        host: '127.0.0.1',
        port: api.server.port,
        path: `${pods}/here/exec?container=one&command=true&stdout=1`,
        ca: api.pki.ca.cert,
        agent: false,
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'eA==',
          'sec-websocket-version': '13',
          'sec-websocket-protocol': `${bearer}, v5.channel.k8s.io`,
        },
      })
      outgoing.on('response', (response) => resolve([response.resume().statusCode!, undefined]))
      outgoing.on('upgrade', (response, socket) => {
        socket.destroy()
        resolve([response.statusCode!, response.headers['sec-websocket-protocol']])
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  assert.deepEqual(await ask('s3cret'), [101, 'v5.channel.k8s.io'])
  assert.deepEqual(await ask('wrong'), [401, undefined])
})

test('metrics of a cluster without nodes are an empty list, and those of nodes that do not answer are unavailable', async (t) => {
  const api = await testApi(t)
  const empty = await api.send('GET', '/apis/metrics.k8s.io/v1beta1/nodes')
  assert.deepEqual([empty.code, empty.body.kind, empty.body.items], [200, 'NodeMetricsList', []])
  const group = await api.send('GET', '/apis/metrics.k8s.io/v1beta1')
  assert.deepEqual(
    group.body.resources.map(({ name, kind }: any) => `${name} ${kind}`),
    ['nodes NodeMetrics', 'pods PodMetrics'],
  )
  await api.send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'silent' } })
  assert.equal((await api.send('GET', '/apis/metrics.k8s.io/v1beta1/nodes/silent')).code, 503)
  assert.equal((await api.send('GET', '/apis/metrics.k8s.io/v1beta1/pods', undefined, { as: 'nobody' })).code, 403)
})
