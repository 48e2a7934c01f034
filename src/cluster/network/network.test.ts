import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { EndpointSlice, Ingress, Service } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { temporaryDirectory, until } from '#lib/testing'
import { type NetworkOptions, startNetwork } from './network.ts'
import { Conversation, httpApp } from './testing/index.ts'
import { MemoryKube } from './testing/kube.ts'

async function network(t: TestContext, kube: MemoryKube, options: Partial<NetworkOptions> = {}) {
  const stop = new AbortController()
  const base = { kube: kube.kube, routerPort: 0, clock: systemClock, log: silentLogger, signal: stop.signal }
  const started = await startNetwork({ ...base, ...options })
  t.after(async () => {
    stop.abort()
    await started.stopped
  })
  return { ...started, router: started.router, stop }
}

function shop(kube: MemoryKube, port: number, clusterIP = 'None', servicePort = 80): void {
  const backend = { service: { name: 'web', port: { name: 'http' } } }
  const metadata = { name: 'web', namespace: 'shop' }
  kube.set(Ingress, {
    metadata,
    spec: { rules: [{ host: 'shop.localhost', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
  })
  kube.set(Service, { metadata, spec: { clusterIP, ports: [{ name: 'http', port: servicePort, targetPort: 'http' }] } })
  endpoint(kube, port)
}

function endpoint(kube: MemoryKube, port: number): void {
  kube.set(EndpointSlice, {
    metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'http', port }],
  })
}

const ask = (t: TestContext, port: number) =>
  new Conversation(t, port).send('GET / HTTP/1.1', 'Host: shop.localhost', 'Connection: close', '', '').end()

test('routes follow the objects, one event at a time', async (t) => {
  const kube = new MemoryKube()
  const a = await httpApp(t, (_, res) => res.end('<a>'))
  const b = await httpApp(t, (_, res) => res.end('<b>'))
  const { router, synced } = await network(t, kube)
  await synced
  assert.match(await ask(t, router.port), /^HTTP\/1.1 404 /)
  shop(kube, a.port)
  await until(async () => /<a>/.test(await ask(t, router.port)))
  endpoint(kube, b.port)
  await until(async () => /<b>/.test(await ask(t, router.port)))
  kube.remove(Ingress, 'shop', 'web')
  await until(async () => /^HTTP\/1.1 404 /.test(await ask(t, router.port)))
})

test('serves on from the last view while the API is away, also after a restart', async (t) => {
  const kube = new MemoryKube()
  const app = await httpApp(t, (_, res) => res.end('<a>'))
  const viewFile = join(temporaryDirectory(t), 'node/routes.json')
  const first = await network(t, kube, { viewFile })
  shop(kube, app.port)
  await until(async () => /<a>/.test(await ask(t, first.router.port)))
  await until(() => existsSync(viewFile))
  kube.goAway()
  assert.match(await ask(t, first.router.port), /<a>/)
  first.stop.abort()
  await first.stopped
  const second = await network(t, kube, { viewFile })
  assert.match(await ask(t, second.router.port), /<a>/)
})

test('the service proxy carries connections of a cluster IP to a ready endpoint', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs the loopback network of Linux')
  const kube = new MemoryKube()
  const a = await httpApp(t, (_, res) => res.end('<a>'))
  const clusterIP = `127.55.${process.pid % 250}.9`
  await network(t, kube)
  shop(kube, a.port, clusterIP, 18080)
  const text = await until(async () => {
    const answer = await new Conversation(t, 18080, clusterIP).send('GET / HTTP/1.0', '', '').end()
    return /<a>/.test(answer) ? answer : undefined
  })
  assert.match(text, /200 OK/)
  kube.remove(Service, 'shop', 'web')
  await until(async () => (await new Conversation(t, 18080, clusterIP).send('GET / HTTP/1.0', '', '').end()) === '')
})

test('a taken port is named, with what to do', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => void other.close())
  const { port } = other.address() as { port: number }
  await assert.rejects(network(t, new MemoryKube(), { routerPort: port }), {
    code: 'PortTaken',
    message: new RegExp(String(port)),
  })
})
