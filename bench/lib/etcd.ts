import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { freePort } from '../../scripts/demo/stage.ts'
import { findPrograms } from '../../test/kubernetes/programs.ts'
import type { Skipped } from './report.ts'

/** etcd alone, by plain HTTP through its JSON gateway: what a durable write costs at least there. */
export async function startEtcd(home: string): Promise<{ port: number; pid: number; stop(): Promise<void> } | Skipped> {
  const programs = findPrograms(process.env, { build: false })
  if ('missing' in programs) return { baseline: 'etcd', reason: programs.missing }
  const [port, peers] = [await freePort(), await freePort()]
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peers}`]
  const [program, ...args] = programs.etcd
  const child = spawn(
    program,
    [
      ...args,
      `--data-dir=${join(home, 'bare-etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--log-level=error',
    ],
    { stdio: 'ignore' },
  )
  const deadline = performance.now() + 20_000
  for (;;) {
    const ok = await fetch(`${client}/health`).then(
      (response) => response.ok,
      () => false,
    )
    if (ok) break
    if (performance.now() > deadline || child.exitCode !== null) throw new Error('etcd did not start')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    port,
    pid: child.pid!,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
    },
  }
}
