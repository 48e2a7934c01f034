/*
 * npm run bench -- api: the embedded API server against kube-apiserver with etcd, each in processes of its own, both durable, asked in
 * turn by the same cheap client over TLS with a client certificate. Creates also against bare etcd.
 */
import { startEtcd } from './lib/etcd.ts'
import { fillPods } from './lib/pods.ts'
import { cpuMs } from './lib/processes.ts'
import { interleaved, median, type Row, report, type Skipped } from './lib/report.ts'
import { removeHome, temporaryHome, withServers } from './lib/servers.ts'
import { lastOfWatchers } from './lib/watchers.ts'
import { type Clients, openClients, type WireRequest } from './lib/wire.ts'

const width = 32
const configMaps = '/api/v1/namespaces/default/configmaps'
const value = 'x'.repeat(800)
let made = 0

const operations: { what: string; goal: number; count: number; request: (index: number) => WireRequest }[] = [
  {
    what: 'durable creates, 32 clients',
    goal: 3,
    count: 3_000,
    request: () => {
      const metadata = { name: `new-${made++}`, labels: { prefix: 'new' } }
      return { method: 'POST', path: configMaps, body: JSON.stringify({ metadata, data: { value } }) }
    },
  },
  { what: 'gets, 32 clients', goal: 3, count: 10_000, request: () => ({ method: 'GET', path: `${configMaps}/one` }) },
  {
    what: 'server-side applies, 32 clients',
    goal: 3,
    count: 3_000,
    request: (index) => ({
      method: 'PATCH',
      path: `${configMaps}/applied-${index % 100}?fieldManager=bench&force=true`,
      type: 'application/apply-patch+yaml',
      body: JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: `applied-${index % 100}`, labels: { round: `${made++}` } },
        data: { value },
      }),
    }),
  },
  {
    what: 'lists of 500 pods',
    goal: 5,
    count: 150,
    request: () => ({ method: 'GET', path: '/api/v1/namespaces/n500/pods' }),
  },
  {
    what: 'lists of 5,000 pods',
    goal: 5,
    count: 20,
    request: () => ({ method: 'GET', path: '/api/v1/namespaces/n5000/pods' }),
  },
]

await withServers({}, async (ours, theirs) => {
  if (!('stop' in theirs)) return report('api', [], { skipped: [theirs] })
  const servers = { ours, theirs }
  const clients = { ours: await openClients(ours, width), theirs: await openClients(theirs, width) }
  for (const server of [ours, theirs]) {
    for (const [namespace, count] of [
      ['n500', 500],
      ['n5000', 5_000],
    ] as const)
      await fillPods(server, namespace, count)
    const metadata = { name: 'one' }
    await server.kube.request('POST', configMaps, {
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { value } },
    })
  }
  const rows: Row[] = []
  const skipped: Skipped[] = []
  const baseline = 'kube-apiserver 1.36 + etcd'
  for (const { what, goal, count, request } of operations) {
    const cpu = { ours: [] as number[], theirs: [] as number[] }
    const measure = (name: 'ours' | 'theirs') => async () => {
      const before = cpuMs(servers[name].pids)
      const rate = await clients[name].rate(count, request)
      cpu[name].push(((cpuMs(servers[name].pids) - before) * 1000) / count)
      return rate
    }
    const rates = await interleaved({ ours: measure('ours'), theirs: measure('theirs') }, 3)
    rows.push({ what, unit: '/s', baseline, better: 'more', goal, ...rates })
    const [mine, other] = [median(cpu.ours.slice(1)), median(cpu.theirs.slice(1))]
    rows.push({ what: '  CPU per operation', unit: 'µs', baseline, better: 'less', ours: mine, theirs: other })
  }
  const last = await interleaved(
    { ours: () => lastOfWatchers(ours, 50, 60), theirs: () => lastOfWatchers(theirs, 50, 60) },
    3,
  )
  rows.push({ what: 'create → last of 50 watchers', unit: 'ms', baseline, better: 'less', goal: 0.5, ...last })
  rows.push(...(await againstEtcd(clients.ours, skipped)))
  const notes = ['one client process on the same cores takes part of the time of both']
  report('api', rows, { notes, skipped })
  clients.ours.close()
  clients.theirs.close()
})

async function againstEtcd(clients: Clients, skipped: Skipped[]): Promise<Row[]> {
  const home = temporaryHome()
  const etcd = await startEtcd(home)
  try {
    if (!('stop' in etcd)) {
      skipped.push(etcd)
      return []
    }
    const puts = await openClients({ port: etcd.port }, width)
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    const put = () => {
      const body = JSON.stringify({ key: base64(`key-${made++}`), value: base64('x'.repeat(1_000)) })
      return { method: 'POST', path: '/v3/kv/put', body }
    }
    const rates = await interleaved(
      { ours: () => clients.rate(3_000, operations[0].request), theirs: () => puts.rate(3_000, put) },
      3,
    )
    puts.close()
    return [
      {
        what: 'durable creates ÷ puts',
        unit: '/s',
        baseline: 'bare etcd, plain HTTP',
        better: 'more',
        goal: 1,
        ...rates,
      },
    ]
  } finally {
    if ('stop' in etcd) await etcd.stop()
    removeHome(home)
  }
}
