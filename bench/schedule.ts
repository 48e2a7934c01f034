/*
 * npm run bench -- schedule: pods bound per second (durably, through the API) with 5,000 hollow nodes: the embedded scheduler against
 * kube-scheduler. Pods are all there before the scheduler starts. Then the same with required anti-affinity between the pods.
 */
import { Pod } from '#kube'
import { benchPod, fillPods } from './lib/pods.ts'
import { type Row, report, type Skipped } from './lib/report.ts'
import { removeHome, type Server, startOurs, startTheirs, temporaryHome } from './lib/servers.ts'
import { openClients } from './lib/wire.ts'

const nodes = Number(process.env['BENCH_NODES'] ?? 5_000)
const plain = Number(process.env['BENCH_PODS'] ?? 10_000)
const apart = plain / 5

const antiAffinity = (index: number) =>
  benchPod(`pod-${index}`, {
    labels: { color: 'green' },
    spec: {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { color: 'green' } } },
          ],
        },
      },
    },
  })

function hollowNode(index: number): object {
  const name = `node-${index}`
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${index % 3}` }
  const amounts = { cpu: '8', memory: '32Gi', pods: '110' }
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    status: { capacity: amounts, allocatable: amounts, conditions },
  }
}

type Start = (home: string) => Promise<Server | Skipped>

/** Pods bound per second, from the first to the last. */
async function measure(start: Start, count: number, make: (index: number) => object): Promise<number | Skipped> {
  const home = temporaryHome()
  try {
    const server = await start(home)
    if (!('stop' in server)) return server
    const clients = await openClients(server, 16)
    const path = '/api/v1/nodes'
    await clients.rate(nodes, (index) => ({ method: 'POST', path, body: JSON.stringify(hollowNode(index)) }))
    // Admission taints new nodes as not ready, and the controller that would take that back does not run.
    const body = JSON.stringify({ spec: { taints: null } })
    const type = 'application/merge-patch+json'
    await clients.rate(nodes, (index) => ({ method: 'PATCH', path: `${path}/node-${index}`, type, body }))
    clients.close()
    await fillPods(server, 'many', count, make)
    const rate = await boundPerSecond(server)
    await server.stop()
    return rate
  } finally {
    removeHome(home)
  }
}

/** A pod that is bound leaves the selection of those without a node. */
async function boundPerSecond(server: Server): Promise<number> {
  const { kube } = server
  const stop = new AbortController()
  const selection = { namespace: 'many', fieldSelector: 'spec.nodeName=' }
  const { items, metadata } = await kube.list(Pod, selection)
  const resourceVersion = metadata.resourceVersion!
  let bound = 0
  let first = 0
  await server.startScheduler()
  for await (const { type } of kube.watch(Pod, { ...selection, resourceVersion, signal: stop.signal })) {
    if (type !== 'DELETED') continue
    if (bound++ === 0) first = performance.now()
    if (bound === items.length) break
  }
  stop.abort()
  return (items.length - 1) / ((performance.now() - first) / 1000)
}

const rows: Row[] = []
const row = (what: string, goal: number | undefined, ours: number, theirs: number): Row => ({
  what,
  unit: '/s',
  baseline: 'kube-scheduler 1.36',
  better: 'more',
  ...(goal && { goal }),
  ours,
  theirs,
})
const many = (index: number) => benchPod(`pod-${index}`)
const ours = await measure(startOurs, plain, many)
const theirs = await measure(startTheirs, plain, many)
const oursApart = await measure(startOurs, apart, antiAffinity)
const theirsApart = await measure(startTheirs, apart, antiAffinity)
const skipped = [theirs].filter((result) => typeof result !== 'number')
if (typeof ours === 'number' && typeof oursApart === 'number') {
  if (typeof theirs === 'number') rows.push(row(`pods bound, ${nodes} nodes`, 10, ours, theirs))
  if (typeof theirsApart === 'number')
    rows.push(row('  with required anti-affinity', undefined, oursApart, theirsApart))
  rows.push({ ...row('anti-affinity ÷ plain', 0.5, oursApart, ours), baseline: 'ours, plain' })
}
report('schedule', rows, { skipped })
