/*
 * npm run bench -- informer: a cache of 15,000 pods: time until it is in sync, and heap an object, of our operator (whole objects, and
 * only the fields that a controller of pods reads) against the informer of @kubernetes/client-node. Each in a process of its own.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { benchPod, fillPods } from './lib/pods.ts'
import { median, type Row, report } from './lib/report.ts'
import { removeHome, startOurs, temporaryHome } from './lib/servers.ts'

const count = 15_000
const rounds = 3
const root = join(import.meta.dirname, '..')
const home = temporaryHome()

interface Outcome {
  ms: number
  bytes: number
}

function run(config: object, what: string, client = ''): Outcome {
  const script = join(import.meta.dirname, 'lib/informer-process.ts')
  const args = [...process.execArgv, '--expose-gc', script, what, client]
  const options = { input: JSON.stringify(config), encoding: 'utf8', maxBuffer: 2 ** 20 } as const
  return JSON.parse(execFileSync(process.execPath, args, options))
}

let entry = ''
let reason = ''
try {
  const args = [join(root, 'scripts/clients.sh'), 'node']
  entry = execFileSync('sh', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
} catch (error) {
  reason = String((error as { stderr?: string }).stderr).trim()
}
const server = await startOurs(home)
try {
  await fillPods(server, 'many', count, (index) => benchPod(`pod-${index}`))
  const config = { server: `https://127.0.0.1:${server.port}`, ...server.tls, count }
  const found: Record<string, Outcome[]> = { whole: [], read: [], theirs: [] }
  for (let round = 0; round < rounds; round++) {
    found['whole'].push(run(config, 'whole'))
    found['read'].push(run(config, 'read'))
    if (entry) found['theirs'].push(run(config, 'theirs', entry))
  }
  const middle = (name: string, key: keyof Outcome) => median(found[name].map((outcome) => outcome[key]))
  const rows: Row[] = []
  for (const [name, what, goals] of [
    ['read', 'fields that are read', [1 / 3, 1 / 5]],
    ['whole', 'whole objects', [undefined, undefined]],
  ] as const) {
    const row = { baseline: '@kubernetes/client-node', better: 'less' } as const
    const goal = (index: 0 | 1) => (goals[index] === undefined ? {} : { goal: Number(goals[index].toFixed(2)) })
    const time = { ours: middle(name, 'ms'), theirs: middle('theirs', 'ms') }
    const heap = { ours: middle(name, 'bytes'), theirs: middle('theirs', 'bytes') }
    rows.push({ ...row, what: `sync of 15,000 pods, ${what}`, unit: 'ms', ...goal(0), ...time })
    rows.push({ ...row, what: '  heap a pod', unit: 'bytes', ...goal(1), ...heap })
  }
  report('informer', entry ? rows : [], { skipped: reason ? [{ baseline: '@kubernetes/client-node', reason }] : [] })
} finally {
  await server.stop()
  removeHome(home)
}
