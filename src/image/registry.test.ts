import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory, until } from '#lib/testing'
import { assembleImage, buildLayer, type Layout, openLayout, openRegistry } from './index.ts'

const skip = spawnSync('docker-registry', ['--version']).status === 0 ? false : 'docker-registry is not installed'

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function startRegistry(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t)
  const url = `http://127.0.0.1:${await freePort()}`
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') } },
    http: { addr: new URL(url).host },
  }
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config))
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' })
  t.after(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill()
    await ended
  })
  await until(async () => (await fetch(`${url}/v2/`)).ok)
  return url
}

async function sampleImage(layout: Layout, bytes: Buffer) {
  const lower = await buildLayer(layout, [{ path: 'big', kind: 'file', data: bytes }], { compression: 'none' })
  const upper = await buildLayer(layout, [{ path: 'app', kind: 'file', data: Buffer.from('app') }])
  return assembleImage(layout, { layers: [lower, upper], config: { cmd: ['app'] }, architecture: 'amd64' })
}

test('an image travels through a registry: in chunks, without what is there, mounted from next door', {
  skip,
}, async (t) => {
  const registry = openRegistry({ url: await startRegistry(t) })
  const here = openLayout(temporaryDirectory(t))
  const there = openLayout(temporaryDirectory(t))
  const image = await sampleImage(here, randomBytes(17 * 1024 * 1024))
  assert.equal((await registry.push(here, image.digest, 'team/shop', 'v1')).blobs, 3)
  assert.deepEqual(await registry.push(here, image.digest, 'team/shop', 'v2'), { blobs: 0, bytes: 0 })
  assert.deepEqual(await registry.push(here, image.digest, 'other', 'v1', { mountFrom: 'team/shop' }), {
    blobs: 0,
    bytes: 0,
  })
  const pulled = await registry.pull(there, 'team/shop', 'v2')
  assert.equal(pulled.digest, image.digest)
  for (const layer of JSON.parse(there.read(pulled.digest).toString()).layers) there.read(layer.digest)
  assert.equal((await registry.pull(there, 'other', image.digest)).digest, image.digest)
  await assert.rejects(registry.pull(there, 'team/shop', 'v9'), { code: 'registry-failed', message: /404/ })
  await assert.rejects(registry.pull(there, '../shop', 'v1'), { code: 'bad-repository' })
})

async function serve(t: TestContext, handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a token is fetched from the server that the registry names, with the credentials', async (t) => {
  const seen: string[] = []
  const url = await serve(t, (request, response) => {
    const target = new URL(request.url!, url)
    if (target.pathname === '/token') {
      seen.push(`${target.searchParams.get('scope')} ${request.headers.authorization}`)
      response.end('{"token": "t0ken"}')
    } else if (request.headers.authorization !== 'Bearer t0ken') {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${url}/token",service="r"` }).end()
    } else response.writeHead(404).end()
  })
  const registry = openRegistry({ url, credentials: { username: 'u', password: 'p' } })
  await assert.rejects(registry.pull(openLayout(temporaryDirectory(t)), 'shop', 'v1'), { code: 'registry-failed' })
  assert.deepEqual(seen, [`repository:shop:pull Basic ${Buffer.from('u:p').toString('base64')}`])
})

test('a wrong password is said to be one, and a lying registry is caught', async (t) => {
  const layout = openLayout(temporaryDirectory(t))
  const strict = await serve(t, (_, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end(),
  )
  const registry = openRegistry({ url: strict, credentials: { username: 'u', password: 'wrong' } })
  await assert.rejects(registry.pull(layout, 'shop', 'v1'), { code: 'registry-unauthorized' })
  const source = openLayout(temporaryDirectory(t))
  const image = await sampleImage(source, Buffer.from('x'))
  const liar = await serve(t, (request, response) => {
    const manifest = request.url!.includes('/manifests/')
    response.end(manifest ? source.read(image.digest) : 'not what was asked for')
  })
  await assert.rejects(openRegistry({ url: liar }).pull(layout, 'shop', 'v1'), { code: 'blob-damaged' })
  assert.equal(layout.has(image.digest), false)
})
