// npm run kubernetes:down [-- FOLDER]: ends the processes that kubernetes:up started, and removes their state.
import { existsSync, rmSync } from 'node:fs'
import { aliveProcesses, stateFolder, stateOf } from './state.ts'

const home = stateFolder(process.argv.slice(2), process.env)
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
// Clients before servers: nobody complains of a server that has gone.
for (const { pid } of aliveProcesses(home).reverse()) {
  process.kill(pid, 'SIGTERM')
  const deadline = Date.now() + 5_000
  while (aliveProcesses(home).some((one) => one.pid === pid)) {
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL')
    await wait(20)
  }
}
if (existsSync(stateOf(home))) rmSync(home, { recursive: true, force: true })
console.log('kubernetes: is down')
