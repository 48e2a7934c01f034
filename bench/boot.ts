import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { freePort } from '../scripts/demo/stage.ts'
import { must, withHome } from './lib/home.ts'
import { cpuMs, family } from './lib/processes.ts'
import { interleaved, median, report } from './lib/report.ts'

/*
 * From the command to the first answer: `cuddle up` on a home that exists until an authenticated API request is answered, against a
 * bare Node server until its first 200. Then what the idle cluster costs: memory and CPU of all its processes.
 */
const idleSeconds = 60

interface Mapping {
  /** Device, inode and offset: the same pages in every process that maps them. */
  file: string | undefined
  rss: number
  anonymous: number
}

function mappings(pid: number): Mapping[] {
  const found: Mapping[] = []
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const head = /^[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+) (\S+) (\d+)/.exec(line)
    if (head) found.push({ file: head[3] === '0' ? undefined : head.slice(1, 4).join(' '), rss: 0, anonymous: 0 })
    const size = /^(Rss|Anonymous): +(\d+) kB/.exec(line)
    if (size) found.at(-1)![size[1] === 'Rss' ? 'rss' : 'anonymous'] = Number(size[2]) * 1024
  }
  return found
}

/**
 * What the processes hold together, in bytes, as if nobody else ran: their own pages, and each mapped file once, at the largest
 * share that one of them has of it. (Pss alone would look better wherever another Node shares the program's pages.)
 */
function memory(pids: readonly number[]): { together: number; rss: number } {
  const files = new Map<string, number>()
  let own = 0
  let rss = 0
  for (const mapping of pids.flatMap(mappings)) {
    rss += mapping.rss
    own += mapping.anonymous
    const shared = mapping.rss - mapping.anonymous
    if (mapping.file) files.set(mapping.file, Math.max(files.get(mapping.file) ?? 0, shared))
    else own += shared
  }
  return { together: own + [...files.values()].reduce((sum, bytes) => sum + bytes, 0), rss }
}

/** Resolves when somebody accepts connections. Nothing else is tried, for whoever polls takes CPU from what starts. */
async function accepting(port: number): Promise<void> {
  for (;;) {
    const ok = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (ok) return
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function hello(): Promise<number> {
  const port = await freePort()
  const code = `require('node:http').createServer((q, r) => r.end('hello')).listen(${port}, '127.0.0.1')`
  const began = performance.now()
  const child = spawn(process.execPath, ['-e', code], { stdio: 'ignore' })
  await accepting(port)
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    get({ port, host: '127.0.0.1', agent: false }, resolve).once('error', reject),
  )
  for await (const _ of response);
  const took = performance.now() - began
  child.kill('SIGKILL')
  return took
}

await withHome(async (home) => {
  const ready: number[] = []
  const firstAnswer = async () => {
    await must(home.cuddle(['down']))
    const config = loadKubeConfig({ path: `${home.home}/kubeconfig` })
    const began = performance.now()
    const up = home.up().finally(() => ready.push(performance.now() - began))
    const kube = createKube(httpTransport(config))
    const answered = () =>
      kube.request('GET', '/api/v1/namespaces/default').then(
        () => true,
        () => false,
      )
    // More than once: `up` itself listens for a moment, to see whether the port is free.
    do await accepting(home.ports.api)
    while (!(await answered()))
    const took = performance.now() - began
    kube.close()
    await must(up)
    return took
  }
  const times = await interleaved({ ours: firstAnswer, theirs: hello }, 9)

  // Until the daemons have given back what loading left (src/cli/trim.ts).
  await new Promise((resolve) => setTimeout(resolve, 15_000))
  const pids = family(home.pid('supervisor'))
  const before = cpuMs(pids)
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000))
  const usedCpu = (cpuMs(pids) - before) / (idleSeconds * 10)
  const { together, rss } = memory(pids)
  report(
    'boot',
    [
      {
        what: 'first answer',
        unit: 'ms',
        ours: times.ours,
        theirs: times.theirs,
        baseline: 'node hello',
        better: 'less',
        goal: 5,
      },
      {
        what: 'idle memory, shared pages once',
        unit: 'MiB',
        ours: together / 2 ** 20,
        theirs: 120,
        baseline: 'goal',
        better: 'less',
        goal: 1,
      },
      {
        what: 'idle memory, sum of RSS',
        unit: 'MiB',
        ours: rss / 2 ** 20,
        theirs: 120,
        baseline: 'goal',
        better: 'less',
      },
      { what: 'idle CPU', unit: '% of a core', ours: usedCpu, theirs: 0.3, baseline: 'goal', better: 'less', goal: 1 },
    ],
    {
      notes: [
        `cuddle up comes back after ${Math.round(median(ready))} ms (median), with controllers, platform, node and router ready`,
      ],
    },
  )
})
