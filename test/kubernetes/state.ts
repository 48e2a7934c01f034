import { existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { endMachine } from './node/machine.ts'
import { startTime } from './start-time.ts'

/** Where a cluster of `kubernetes:up` lives: the folder that was named, else one of this user's temporary files. */
export function stateFolder(args: readonly string[], env: NodeJS.ProcessEnv): string {
  const folder = args.find((arg) => !arg.startsWith('-'))
  return folder ? resolve(folder) : join(env['TMPDIR'] ?? tmpdir(), `cuddle-kubernetes-${process.getuid?.() ?? 0}`)
}

export function stateOf(home: string): string {
  return join(home, 'processes.json')
}

/** Of the processes noted in `home` those that are still themselves: a pid may be another's by now. */
export function aliveProcesses(home: string): { name: string; pid: number }[] {
  if (!existsSync(stateOf(home))) return []
  const noted = JSON.parse(readFileSync(stateOf(home), 'utf8')) as { name: string; pid: number; started: string }[]
  return noted.filter(({ pid, started }) => started !== '' && startTime(pid) === started)
}

/** Ends the node and the processes noted in `home`, and removes it; nothing when no cluster is noted there. */
export async function endCluster(home: string): Promise<void> {
  if (!existsSync(stateOf(home))) return
  await endMachine(home)
  // Clients before servers: nobody complains of a server that has gone.
  for (const { pid } of aliveProcesses(home).reverse()) {
    process.kill(pid, 'SIGTERM')
    const deadline = Date.now() + 5_000
    while (aliveProcesses(home).some((one) => one.pid === pid)) {
      if (Date.now() > deadline) process.kill(pid, 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
}
