// npm run kubernetes:up [-- FOLDER]: a real control plane that stays, until kubernetes:down.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { startRealCluster } from './cluster.ts'
import { findPrograms } from './programs.ts'
import { aliveProcesses, startTime, stateFolder, stateOf } from './state.ts'

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
// What a cluster of another day left is no base for this one; what is not a cluster's is not ours to remove.
if (existsSync(stateOf(home))) rmSync(home, { recursive: true, force: true })
mkdirSync(home, { recursive: true, mode: 0o700 })
if (readdirSync(home).length > 0) {
  console.error(`kubernetes: ${home} is not empty, and no cluster's: name another folder`)
  process.exit(73)
}
writeFileSync(stateOf(home), '[]')
const cluster = await startRealCluster({ home, programs, detached: true })
const processes = cluster.processes.map(({ name, pid }) => ({ name, pid, started: startTime(pid) }))
writeFileSync(stateOf(home), JSON.stringify(processes))
console.log(`kubernetes: ${cluster.url} is ready: export KUBECONFIG=${cluster.kubeconfig}`)
