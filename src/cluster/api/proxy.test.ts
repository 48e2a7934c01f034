import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { loadKubeConfig } from '#kube'
import { testApi } from './testing.ts'

const merge = { type: 'application/merge-patch+json' }
const root = '/api/v1/namespaces/default'

/** A pod `web` with a server behind it that tells what it was asked, and a Service of it. */
async function withPod(t: TestContext) {
  const api = await testApi(t)
  const server = createServer((request, response) => {
    if (request.url === '/old') response.writeHead(302, { location: '/new' })
    else response.writeHead(200, { 'content-type': 'text/x-told' })
    const { method, url, headers } = request
    let body = ''
    request
      .on('data', (chunk) => (body += chunk))
      .on('end', () => response.end(JSON.stringify({ method, url, headers, body })))
  })
  server.on('upgrade', (request: IncomingMessage, socket) => {
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n${request.url}`)
  })
  const ip = '127.64.9.9'
  await new Promise<void>((resolve) => server.listen(0, ip, resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const containers = [{ name: 'c', image: 'host', ports: [{ containerPort: port }] }]
  await api.send('POST', `${root}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: { containers },
  })
  const status = { podIP: ip, podIPs: [{ ip }] }
  assert.equal((await api.send('PATCH', `${root}/pods/web/status`, { status }, merge)).code, 200)
  const spec = { ports: [{ port: 80, targetPort: port, name: 'http' }] }
  await api.send('POST', `${root}/services`, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec })
  const addresses = [{ ip, targetRef: { kind: 'Pod', name: 'web', namespace: 'default' } }]
  const subsets = [{ addresses, ports: [{ name: 'http', port }] }]
  const endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'web' }, subsets }
  assert.equal((await api.send('POST', `${root}/endpoints`, endpoints)).code, 201)
  return { ...api, port }
}

const told = ({ body, text }: { body: any; text: string }) => body ?? JSON.parse(text)

test('requests are passed on to pods and Services, without credentials, and answers back', async (t) => {
  const { send, port } = await withPod(t)
  const got = await send('GET', `${root}/pods/web/proxy/a%20b(c)/?x=1`)
  assert.equal(got.headers['content-type'], 'text/x-told')
  const { method, url, headers } = told(got)
  assert.deepEqual([method, url, headers.authorization], ['GET', '/a%20b%28c%29/?x=1', undefined])
  assert.equal(headers['x-forwarded-uri'], `${root}/pods/web/proxy/a%20b%28c%29/`)
  for (const way of [`pods/web:${port}`, 'services/web:http', 'services/http:web:80']) {
    const posted = told(await send('POST', `${root}/${way}/proxy/form`, { some: 'thing' }))
    assert.deepEqual([posted.method, posted.url, posted.body], ['POST', '/form', '{"some":"thing"}'])
  }
})

test('redirects stay behind the proxy', async (t) => {
  const { send } = await withPod(t)
  const bare = await send('GET', `${root}/services/web:http/proxy`)
  assert.deepEqual([bare.code, bare.headers['location']], [301, `${root}/services/web:http/proxy/`])
  const old = await send('GET', `${root}/services/web:http/proxy/old`)
  assert.deepEqual([old.code, old.headers['location']], [302, `${root}/services/web:http/proxy/new`])
})

test('what cannot be reached, and what may not', async (t) => {
  const { send } = await withPod(t)
  const refused = async (path: string) => {
    const { code, body } = await send('GET', path)
    return [code, body.message]
  }
  assert.deepEqual(await refused(`${root}/pods/none/proxy/`), [404, 'pods "none" not found'])
  assert.deepEqual(await refused(`${root}/pods/ftp:web:1/proxy/`), [400, 'invalid pod request "ftp:web:1"'])
  assert.deepEqual(await refused(`${root}/services/web:81/proxy/`), [503, 'no service port 81 found for service "web"'])
  const closed = await refused(`${root}/pods/web:1/proxy/`)
  assert.match(closed.join(' '), /^503 error trying to reach service: .*ECONNREFUSED/)
  const status = { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] }
  await send('PATCH', `${root}/pods/web/status`, { status }, merge)
  assert.deepEqual(await refused(`${root}/pods/web/proxy/`), [400, 'address not allowed'])
})

test('a WebSocket is led to the pod', async (t) => {
  const { kubeconfig } = await withPod(t)
  const { server, ca, cert, key } = loadKubeConfig({ path: kubeconfig })
  const { hostname, port } = new URL(server)
  const said = await new Promise<string>((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'AAAA',
      'sec-websocket-version': '13',
    }
    const path = `${root}/services/web:http/proxy/socket?a=b`
    const outgoing = request({ hostname, port, path, headers, ca, cert, key, agent: false })
    outgoing.on('upgrade', (_, socket, head) => {
      let text = head.toString()
      socket.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text))
    })
    outgoing.on('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)))
    outgoing.on('error', reject).end()
  })
  assert.equal(said, '/socket?a=b')
})
