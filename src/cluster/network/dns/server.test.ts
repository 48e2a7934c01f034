import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import dns from 'dns-packet'
import { exec, silentLogger, systemClock } from '#lib'
import { temporaryDirectory, until } from '#lib/testing'
import type { Nameserver } from '../../resolv-conf.ts'
import { startDns } from './server.ts'
import { type Zone, zoneOf } from './zone.ts'

const many = Array.from({ length: 100 }, (_, index) => ({
  addresses: [`127.64.0.${index + 1}`],
  hostname: `n-${index}`,
}))
const service = (name: string, clusterIP: string): any => ({
  metadata: { name, namespace: 'shop' },
  spec: { clusterIP, ports: [{ name: 'http', port: 80 }] },
})
const slice: any = {
  metadata: { name: 'nodes-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'nodes' } },
  addressType: 'IPv4',
  endpoints: many,
  ports: [{ name: 'dist', port: 9100, protocol: 'TCP' }],
}
const full = zoneOf([service('web', '127.48.0.9'), service('nodes', 'None')], [slice])

async function serve(t: TestContext, zone: () => Zone | undefined, resolvConf = '/nonexistent'): Promise<Nameserver> {
  const stop = new AbortController()
  t.after(() => stop.abort())
  const options = { clock: systemClock, log: silentLogger, signal: stop.signal, zone, resolvConf }
  return (await startDns({ ...options, places: [{ host: '127.0.0.1', port: 0 }] }))!
}

function resolver({ host, port }: Nameserver): Resolver {
  const client = new Resolver({ timeout: 5000, tries: 2 })
  client.setServers([`${host}:${port}`])
  return client
}

test('a resolver finds services, over TCP where an answer is too long', async (t) => {
  const client = resolver(await serve(t, () => full))
  assert.deepEqual(await client.resolve4('web.shop.svc.cluster.local'), ['127.48.0.9'])
  assert.equal((await client.resolve4('nodes.shop.svc.cluster.local')).length, 100)
  const srv = await client.resolveSrv('_dist._tcp.nodes.shop.svc.cluster.local')
  assert.equal(srv.length, 100)
  assert.ok(srv.every(({ port, name }) => port === 9100 && /^n-\d+\.nodes\.shop/.test(name)))
  assert.deepEqual(await client.reverse('127.48.0.9'), ['web.shop.svc.cluster.local'])
  await assert.rejects(client.resolve4('api.shop.svc.cluster.local'), { code: 'ENOTFOUND' })
  await assert.rejects(client.resolve6('web.shop.svc.cluster.local'), { code: 'ENODATA' })
})

test('nothing is denied before it is known', async (t) => {
  let zone: Zone | undefined
  const client = resolver(await serve(t, () => zone))
  await assert.rejects(client.resolve4('web.shop.svc.cluster.local'), { code: 'ESERVFAIL' })
  zone = full
  assert.deepEqual(await client.resolve4('web.shop.svc.cluster.local'), ['127.48.0.9'])
})

test('everything else is asked of the machine’s servers', async (t) => {
  const upstream = createSocket('udp4')
  t.after(() => upstream.close())
  try {
    await new Promise<void>((resolve, reject) => {
      upstream.once('error', reject)
      upstream.bind({ address: `127.61.${process.pid % 250}.1`, port: 53 }, resolve)
    })
  } catch {
    return t.skip('needs the right to listen on port 53')
  }
  upstream.on('message', (message, from) => {
    const { id, questions } = dns.decode(message)
    const { name } = questions![0]
    const answers = [{ type: 'A' as const, name, ttl: 60, data: '192.0.2.7' }]
    upstream.send(dns.encode({ type: 'response', id: id!, questions: questions!, answers }), from.port, from.address)
  })
  const file = join(temporaryDirectory(t), 'resolv.conf')
  writeFileSync(file, `# mine\nnameserver ${upstream.address().address}\n`)
  const client = resolver(await serve(t, () => full, file))
  assert.deepEqual(await client.resolve4('example.com'), ['192.0.2.7'])
  const alone = resolver(await serve(t, () => full))
  await assert.rejects(alone.resolve4('example.com'), { code: 'ESERVFAIL' })
})

test('rubbish is answered with an error or not at all, and hurts nobody', async (t) => {
  const at = await serve(t, () => full)
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const replies: Buffer[] = []
  socket.on('message', (reply) => replies.push(reply))
  await new Promise<void>((resolve) => socket.connect(at.port, at.host, resolve))
  const question = dns.encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'web.shop.svc.cluster.local' }] })
  for (let length = 0; length < question.length; length++) socket.send(question.subarray(0, length))
  const loop = Buffer.from(question)
  loop.set([0xc0, 12], 12)
  socket.send(loop)
  const tcp = connect(at)
  tcp.on('error', () => {})
  tcp.write(Buffer.concat([Buffer.from([0, 20]), Buffer.alloc(20, 255)]))
  tcp.end()
  socket.send(question)
  await until(() => replies.some((reply) => dns.decode(reply).answers?.length === 1))
  assert.ok(replies.every((reply) => reply.readUInt16BE(2) & 0x8000))
})

test('Erlang asks it by ERL_INETRC, whatever its port', async (t) => {
  const found = await exec('sh', ['-c', 'command -v erl'], { env: { PATH: process.env.PATH } })
  if (found.code !== 0) return t.skip('needs erl')
  const { host, port } = await serve(t, () => full)
  const inetrc = join(temporaryDirectory(t), 'inetrc')
  writeFileSync(inetrc, `{resolv_conf, ""}.\n{nameserver, {${host.replaceAll('.', ',')}}, ${port}}.\n`)
  const code = 'io:format("~p", [inet_res:lookup("web.shop.svc.cluster.local", in, a)]), halt().'
  const said = await exec('erl', ['-noinput', '-boot', 'no_dot_erlang', '-eval', code], {
    env: { PATH: process.env.PATH, ERL_INETRC: inetrc, HOME: '/' },
  })
  assert.equal(said.stdout, '[{127,48,0,9}]', said.stderr)
})
