import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { freePort } from '../scripts/demo/stage.ts'
import { must, withHome } from './lib/home.ts'
import { interleaved, report } from './lib/report.ts'

/*
 * From the command to the first answer: `cuddle up` on a home that exists until an authenticated API request is answered, against a
 * bare Node server until its first 200. Then what the idle cluster costs: resident memory and CPU of all its processes.
 */
const idleSeconds = 20

/** Resident bytes that are not shared with others (Pss), and CPU ticks, of a process. */
function usage(pid: number): { rss: number; pss: number; ticks: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)![1])
  return { rss: kilobytes('Rss') * 1024, pss: kilobytes('Pss') * 1024, ticks: Number(fields[11]) + Number(fields[12]) }
}

async function hello(): Promise<number> {
  const port = await freePort()
  const code = `require('node:http').createServer((q, r) => r.end('hello')).listen(${port}, '127.0.0.1')`
  const began = performance.now()
  const child = spawn(process.execPath, ['-e', code], { stdio: 'ignore' })
  for (;;) {
    const ok = await new Promise<boolean>((resolve) => {
      request({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode === 200))
      })
        .on('error', () => resolve(false))
        .end()
    })
    if (ok) break
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const took = performance.now() - began
  child.kill('SIGKILL')
  return took
}

await withHome(async (home) => {
  const answered = async () => {
    await must(home.cuddle(['down']))
    const config = loadKubeConfig({ path: `${home.home}/kubeconfig` })
    const began = performance.now()
    const up = home.up()
    for (;;) {
      const kube = createKube(httpTransport(config))
      const ok = await kube.request('GET', '/api/v1/namespaces/default').then(
        () => true,
        () => false,
      )
      kube.close()
      if (ok) break
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const took = performance.now() - began
    await must(up)
    return took
  }
  let ready = 0
  const times = await interleaved(
    {
      ours: answered,
      theirs: hello,
    },
    5,
  )
  await must(home.cuddle(['down']))
  const began = performance.now()
  await must(home.up())
  ready = performance.now() - began

  await new Promise((resolve) => setTimeout(resolve, 5_000))
  const pids = (['supervisor', 'control', 'node'] as const).map((name) => home.pid(name))
  const before = pids.map(usage)
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000))
  const after = pids.map(usage)
  const cpu = after.reduce((sum, now, index) => sum + now.ticks - before[index].ticks, 0) / idleSeconds
  const mib = (key: 'rss' | 'pss') => after.reduce((sum, now) => sum + now[key], 0) / 2 ** 20
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
        what: 'idle memory (PSS)',
        unit: 'MiB',
        ours: mib('pss'),
        theirs: 120,
        baseline: 'goal',
        better: 'less',
        goal: 1,
      },
      { what: 'idle memory (RSS)', unit: 'MiB', ours: mib('rss'), theirs: 120, baseline: 'goal', better: 'less' },
      { what: 'idle CPU', unit: '% of a core', ours: cpu, theirs: 0.3, baseline: 'goal', better: 'less', goal: 1 },
    ],
    {
      notes: [`cuddle up comes back after ${Math.round(ready)} ms, with controllers, platform, node and router ready`],
    },
  )
})
