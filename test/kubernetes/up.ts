// npm run kubernetes:up [-- --node] [FOLDER]: a real control plane, and with --node a real node, that stay until kubernetes:down.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '#lib'
import { startRealCluster } from './cluster.ts'
import { findPrograms } from './programs.ts'
import { startTime } from './start-time.ts'
import { aliveProcesses, endCluster, stateFolder, stateOf } from './state.ts'

const node = process.argv.includes('--node')
const home = stateFolder(process.argv.slice(2), process.env)
if (aliveProcesses(home).length > 0) {
  console.log(`kubernetes: is up already: export KUBECONFIG=${home}/kubeconfig`)
  process.exit(0)
}
const programs = findPrograms(process.env, { build: true })
if ('missing' in programs) {
  console.error(`kubernetes: ${programs.missing}`)
  process.exit(69)
}
// Whatever cannot be installed is named when the node is started.
if (node) spawnSync('sh', [join(import.meta.dirname, 'node/tools.sh')], { stdio: 'inherit' })
// What a cluster of another day left is no base for this one; what is not a cluster's is not ours to remove.
await endCluster(home)
mkdirSync(home, { recursive: true, mode: 0o700 })
if (readdirSync(home).length > 0) {
  console.error(`kubernetes: ${home} is not empty, and no cluster's: name another folder`)
  process.exit(73)
}
writeFileSync(stateOf(home), '[]')
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void endCluster(home).then(() => process.exit(130)))
}
const processes: { name: string; pid: number; started: string }[] = []
const started = (name: string, pid: number) => {
  processes.push({ name, pid, started: startTime(pid) })
  writeFileSync(stateOf(home), JSON.stringify(processes))
}
try {
  const cluster = await startRealCluster({ home, programs, node, detached: true, started })
  console.log(`kubernetes: ${cluster.url} is ready: export KUBECONFIG=${cluster.kubeconfig}`)
  if (cluster.node) {
    const { name, address, registry } = cluster.node
    console.log(`kubernetes: ${name} is ready at ${address}`)
    console.log(`kubernetes: registry ${registry} (plain HTTP; images are named ${registry}/NAME)`)
  }
} catch (error) {
  console.error(`kubernetes: ${errorMessage(error)}`)
  await endCluster(home)
  process.exit(1)
}
