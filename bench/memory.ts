/*
 * npm run bench -- memory: resident memory of the API with its controllers and scheduler, ours in one process, theirs in four (etcd,
 * kube-apiserver, kube-controller-manager, kube-scheduler): idle, and with 10,000 pods that nobody runs.
 */
import { fillPods } from './lib/pods.ts'
import { rssBytes } from './lib/processes.ts'
import { type Row, report } from './lib/report.ts'
import { type Server, withServers } from './lib/servers.ts'

/** Long enough for garbage to be collected and for bootstrap to be over. */
const settleMs = 30_000
const pods = 10_000

await withServers({ controllers: true }, async (ours, theirs) => {
  if (!('stop' in theirs)) return report('memory', [], { skipped: [theirs] })
  const settle = () => new Promise((resolve) => setTimeout(resolve, settleMs))
  const both = () => ({ ours: rssBytes(ours.pids) / 2 ** 20, theirs: rssBytes(theirs.pids) / 2 ** 20 })
  const row = (what: string, goal: number | undefined, values: { ours: number; theirs: number }): Row => ({
    what,
    unit: 'MiB',
    baseline: 'etcd + apiserver + kcm + scheduler',
    better: 'less',
    ...(goal && { goal }),
    ...values,
  })
  await settle()
  const idle = both()
  const fill = (server: Server) => fillPods(server, 'many', pods)
  await fill(ours)
  await fill(theirs)
  await settle()
  const full = both()
  const perPod = (name: 'ours' | 'theirs') => ((full[name] - idle[name]) * 1024) / pods
  report('memory', [
    row('idle', 0.25, idle),
    row(`with ${pods.toLocaleString('en-US')} pending pods`, undefined, full),
    { ...row('  a pod', undefined, { ours: perPod('ours'), theirs: perPod('theirs') }), unit: 'KiB' },
  ])
})
