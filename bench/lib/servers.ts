import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ensurePki } from '#cluster'
import { createKube, httpTransport, type Kube } from '#kube'
import { startRealCluster } from '../../test/kubernetes/cluster.ts'
import { findPrograms } from '../../test/kubernetes/programs.ts'
import type { Skipped } from './report.ts'

/** An API server in processes of its own, with nobody else in it. */
export interface Server {
  readonly port: number
  readonly pids: readonly number[]
  /** The administrator's. */
  readonly tls: { ca: string; cert: string; key: string }
  readonly kube: Kube
  /** Resolves when it is told to, or its process has started: when it schedules shows. */
  startScheduler(): Promise<void>
  stop(): Promise<void>
}

export interface ServerOptions {
  /** Controllers, garbage collection and the scheduler run too. */
  controllers?: boolean
}

export function temporaryHome(): string {
  return mkdtempSync(join(tmpdir(), 'cuddle-bench-'))
}

export function removeHome(home: string): void {
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
}

/** The embedded one, in one process of the flags that the control process has. */
export async function startOurs(home: string, options: ServerOptions = {}): Promise<Server> {
  const script = join(import.meta.dirname, 'api-process.ts')
  const parts = options.controllers ? ['controllers'] : []
  const child = spawn(process.execPath, [...process.execArgv, script, home, ...parts], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const port = await firstLine(child)
  return server(home, port, [child.pid!], {
    async startScheduler() {
      child.stdin!.write('scheduler\n')
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.stdin!.end()
      await gone
    },
  })
}

/** kube-apiserver with etcd, and what else is asked for; the reason where this machine has none. */
export async function startTheirs(home: string, options: ServerOptions = {}): Promise<Server | Skipped> {
  const programs = findPrograms(process.env, { build: false })
  if ('missing' in programs) return { baseline: 'kube-apiserver', reason: programs.missing }
  const pids: number[] = []
  const cluster = await startRealCluster({
    home,
    started: (_name, pid) => pids.push(pid),
    programs: {
      etcd: programs.etcd,
      apiserver: programs.apiserver,
      ...(options.controllers && { manager: programs.manager, scheduler: programs.scheduler }),
    },
  })
  let scheduler: ChildProcess | undefined
  return server(home, cluster.port, pids, {
    async startScheduler() {
      // Its own limit of 50 requests a second is for clusters that many share.
      const limits = ['--kube-api-qps=100000', '--kube-api-burst=100000']
      const flags = [`--kubeconfig=${cluster.kubeconfig}`, '--leader-elect=false', '--secure-port=0', ...limits]
      const [program, ...args] = programs.scheduler ?? []
      if (!program) throw new Error('there is no kube-scheduler')
      scheduler = spawn(program, [...args, ...flags], { stdio: 'ignore' })
    },
    async stop() {
      scheduler?.kill('SIGTERM')
      await cluster.stop()
    },
  })
}

/** Both, in new homes, for as long as `work` takes; only ours, and why, where there is no other. */
export async function withServers<T>(
  options: ServerOptions,
  work: (ours: Server, theirs: Server | Skipped) => Promise<T>,
): Promise<T> {
  const homes = [temporaryHome(), temporaryHome()]
  const stops: (() => Promise<void>)[] = []
  try {
    const ours = await startOurs(homes[0], options)
    stops.push(() => ours.stop())
    const theirs = await startTheirs(homes[1], options)
    if ('stop' in theirs) stops.push(() => theirs.stop())
    return await work(ours, theirs)
  } finally {
    for (const stop of stops) await stop()
    for (const home of homes) removeHome(home)
  }
}

async function server(
  home: string,
  port: number,
  pids: number[],
  { startScheduler, stop }: Pick<Server, 'startScheduler' | 'stop'>,
): Promise<Server> {
  const pki = await ensurePki(home)
  const tls = { ca: pki.ca.cert, ...pki.admin }
  const kube = createKube(httpTransport({ server: `https://127.0.0.1:${port}`, ...tls, namespace: 'default' }))
  return {
    port,
    pids,
    tls,
    kube,
    startScheduler,
    async stop() {
      kube.close()
      await stop()
    },
  }
}

function firstLine(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', (line) => resolve(Number(line)))
    child.once('exit', (code) => reject(new Error(`the API server ended with ${code}`)))
  })
}
