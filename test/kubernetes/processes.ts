/** The programs of a cluster as child processes, each with its log in a file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rfc3339, systemClock } from '#lib'
import { freePort } from '../../scripts/demo/stage.ts'

export interface Processes {
  /** Starts a program; `flags` become `--name=value`. */
  start(name: string, command: readonly string[], flags?: Record<string, string>): void
  /** Polls until `probe` says true. Throws with the end of a log when a program ends or `name` takes longer than `patience` ms. */
  ready(name: string, probe: () => Promise<boolean>, patience: number): Promise<void>
  /** Ends them, the last first: nobody complains of a server that has gone. */
  stop(): Promise<void>
}

/** Only the kernel tells a child of a parent that was killed (prctl(2), PR_SET_PDEATHSIG); exec keeps it. */
const dieWithParent = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []

/**
 * Logs are in home/log. With `detached` the programs outlive this process; else they die with it, also when it is killed.
 * @param options.started told of each, so that somebody else can end it
 */
export function createProcesses(options: {
  home: string
  detached?: boolean
  started?: (name: string, pid: number) => void
}): Processes {
  const { home, detached } = options
  const children: { name: string; child: ChildProcess }[] = []
  const logOf = (name: string) => join(home, 'log', `${name}.log`)
  mkdirSync(join(home, 'log'), { recursive: true })
  return {
    start(name, command, flags = {}) {
      const log = openSync(logOf(name), 'a')
      const args = [...command.slice(1), ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)]
      // Kubernetes' programs call themselves after it where they write, in managedFields for one.
      const named = /^kube/.test(name) ? ['bash', '-c', 'exec -a "$0" "$@"', name] : []
      const words = [...(detached ? [] : dieWithParent), ...named, command[0], ...args]
      const child = spawn(words[0], words.slice(1), { stdio: ['ignore', log, log], detached, cwd: home })
      closeSync(log)
      // A program that cannot be started is a child without a pid; `ready` tells.
      child.on('error', () => {})
      if (detached) child.unref()
      children.push({ name, child })
      if (child.pid !== undefined) options.started?.(name, child.pid)
    },

    async ready(name, probe, patience) {
      const deadline = systemClock.now() + patience
      for (;;) {
        const dead = children.find(({ child }) => child.pid === undefined || child.exitCode !== null)
        if (dead || systemClock.now() > deadline) {
          const guilty = dead?.name ?? name
          const lines = existsSync(logOf(guilty)) ? readFileSync(logOf(guilty), 'utf8').trim().split('\n') : []
          const what = dead ? 'ended' : 'is not ready'
          throw new Error(`${guilty} ${what} at ${rfc3339(systemClock.now())}:\n${lines.slice(-12).join('\n')}`)
        }
        if (await probe()) return
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },

    async stop() {
      for (const { child } of [...children].reverse()) {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGTERM')
        const patience = setTimeout(() => child.kill('SIGKILL'), 5_000)
        await gone
        clearTimeout(patience)
      }
    },
  }
}

/** Ports of loopback that nobody listens on at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}
