// npm run bench -- api: the embedded API server against kube-apiserver with etcd, both in processes of their own, both durable.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startRealCluster } from '../test/kubernetes/cluster.ts'
import { findPrograms } from '../test/kubernetes/programs.ts'
import { interleaved, type Row, report } from './lib/report.ts'

const clients = 32
const path = '/api/v1/namespaces/default/configmaps'

/** One server, asked over TLS with a client certificate and kept connections. */
function asker(home: string, port: number) {
  const pem = (name: string) => readFileSync(join(home, 'pki', name))
  const tls = { ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') }
  const agent = new Agent({ keepAlive: true, maxSockets: clients, ...tls })
  let made = 0
  const send = (method: string, path: string, body?: string) =>
    new Promise<void>((resolve, reject) => {
      const headers = body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {}
      const outgoing = request({ host: '127.0.0.1', port, path, method, agent, headers }, (incoming) => {
        incoming.resume().on('end', () => {
          if (incoming.statusCode! < 300) resolve()
          else reject(new Error(`${method} ${path}: ${incoming.statusCode}`))
        })
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  const create = (prefix: string) => {
    const metadata = { name: `${prefix}-${made++}`, labels: { prefix } }
    return send('POST', path, JSON.stringify({ metadata, data: { value: 'x'.repeat(800) } }))
  }
  return { send, create, close: () => agent.destroy() }
}

/** Operations per second, `clients` at a time. */
async function rate(count: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  let left = count
  const one = async () => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: clients }, one))
  return count / ((performance.now() - began) / 1000)
}

const programs = findPrograms(process.env, { build: false })
if ('missing' in programs) {
  report('api', [], { skipped: [{ baseline: 'kube-apiserver', reason: programs.missing }] })
  process.exit(0)
}
const homes = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'cuddle-bench-')))
const script = join(import.meta.dirname, 'lib/api-process.ts')
const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, homes[0]], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const [port] = await Promise.all([
  new Promise<number>((resolve) =>
    createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line))),
  ),
])
const real = await startRealCluster({
  home: homes[1],
  programs: { etcd: programs.etcd, apiserver: programs.apiserver },
})
const ours = asker(homes[0], port)
const theirs = asker(homes[1], real.port)
try {
  for (const server of [ours, theirs]) {
    await rate(500, () => server.create('listed'))
    await server.create('one')
  }
  const measure = async (work: (server: typeof ours) => Promise<number>) =>
    interleaved({ ours: () => work(ours), theirs: () => work(theirs) }, 3)
  const row = (what: string, unit: string, goal: number, result: { ours: number; theirs: number }): Row => ({
    what,
    unit,
    baseline: 'kube-apiserver 1.36 + etcd',
    better: 'more',
    goal,
    ...result,
  })
  const rows = [
    row('durable creates, 32 clients', '/s', 3, await measure((server) => rate(2000, () => server.create('new')))),
    row(
      'gets, 32 clients',
      '/s',
      3,
      await measure((server) => rate(6000, () => server.send('GET', `${path}/one-500`))),
    ),
    row(
      'lists of 500 ConfigMaps',
      '/s',
      5,
      await measure((server) => rate(96, () => server.send('GET', `${path}?labelSelector=prefix%3Dlisted`))),
    ),
  ]
  const notes = ['one client process on the same cores takes part of the time of both']
  report('api', rows, { notes })
} finally {
  ours.close()
  theirs.close()
  child.stdin.end()
  await real.stop()
  for (const home of homes) rmSync(home, { recursive: true, force: true, maxRetries: 5 })
}
