import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { median, missingProgram, type Row, report, type Skipped } from './lib/report.ts'

/*
 * Requests per second, p99 and CPU per request of one router process, full features on, against nginx (1 worker) and
 * HAProxy (1 thread) with the same back ends, keep-alive on both sides and the same forwarded headers, under
 * `wrk -t1 -c64`. Interleaved rounds, medians. CPU is utime+stime of the proxy's own processes, from /proc.
 */
const rounds = 5
const seconds = 4
const run = promisify(execFile)
const directory = mkdtempSync(join(tmpdir(), 'cuddle-bench-router-'))
const children: ChildProcess[] = []

interface Contender {
  name: string
  port: number
  /** The process that does the work. */
  pid: number
}
interface Sample {
  rate: number
  p99: number
  cpu: number
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function answering(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket = connect(port, '127.0.0.1')
    const up = await new Promise((resolve) =>
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false)),
    )
    socket.destroy()
    if (up) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`nothing listens on port ${port}`)
}

async function start(command: string, args: readonly string[], port: number): Promise<number> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  await answering(port)
  return child.pid!
}

const script = (name: string) => join(import.meta.dirname, 'lib', name)

async function startOurs(backends: number[]): Promise<Contender> {
  const port = await freePort()
  const pid = await start(process.execPath, [script('router-process.ts'), String(port), ...backends.map(String)], port)
  return { name: 'ours', port, pid }
}

async function startNginx(backends: number[]): Promise<Contender> {
  const port = await freePort()
  const prefix = join(directory, 'nginx')
  mkdirSync(prefix)
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${prefix}/pid; error_log ${prefix}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${prefix}/b; proxy_temp_path ${prefix}/p;
  fastcgi_temp_path ${prefix}/f; uwsgi_temp_path ${prefix}/u; scgi_temp_path ${prefix}/s;
  upstream app { ${backends.map((backend) => `server 127.0.0.1:${backend};`).join(' ')} keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port}; server_name shop.localhost;
    location / {
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Request-Id $request_id;
    }
  }
  server { listen 127.0.0.1:${port}; server_name blog.localhost; return 503; }
}
`,
  )
  const pid = await start('nginx', ['-p', prefix, '-c', 'nginx.conf', '-e', `${prefix}/error.log`], port)
  const worker = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]
  return { name: 'nginx, 1 worker', port, pid: Number(worker) }
}

async function startHaproxy(backends: number[]): Promise<Contender> {
  const port = await freePort()
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 3s
  option http-keep-alive
  http-reuse always
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
frontend web
  bind 127.0.0.1:${port}
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend app if { hdr(host) -i shop.localhost }
backend app
  balance leastconn
${backends.map((backend, index) => `  server s${index} 127.0.0.1:${backend}`).join('\n')}
`,
  )
  const pid = await start('haproxy', ['-db', '-f', file], port)
  return { name: 'HAProxy, 1 thread', port, pid }
}

/** CPU time of a process, microseconds. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

async function load(port: number, duration: number): Promise<{ requests: number; rate: number; p99: number }> {
  const args = ['-t1', '-c64', `-d${duration}s`, '--latency', '-H', 'Host: shop.localhost', `http://127.0.0.1:${port}/`]
  const { stdout } = await run('wrk', args)
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout)
  const [, amount, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout)!
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)![1]),
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)![1]),
    p99: Number(amount) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's'],
  }
}

async function sample({ port, pid }: Contender): Promise<Sample> {
  await load(port, 1)
  const before = cpuOf(pid)
  const { requests, rate, p99 } = await load(port, seconds)
  return { rate, p99, cpu: (cpuOf(pid) - before) / requests }
}

const skipped: Skipped[] = []
async function main(): Promise<void> {
  const wrk = process.platform === 'linux' ? missingProgram('wrk', 'apt-get install wrk') : undefined
  if (wrk || process.platform !== 'linux') {
    report('router', [], { skipped: [wrk ?? { baseline: 'all', reason: 'CPU times are read from /proc: Linux only' }] })
    return
  }
  const backends = [await freePort(), await freePort()]
  for (const port of backends) await start(process.execPath, [script('http-backend.ts'), String(port)], port)
  const contenders = [await startOurs(backends)]
  for (const [program, hint, launch] of [
    ['nginx', 'apt-get install nginx-light', startNginx],
    ['haproxy', 'apt-get install haproxy', startHaproxy],
  ] as const) {
    const absent = missingProgram(program, hint)
    if (absent) skipped.push(absent)
    else contenders.push(await launch(backends))
  }
  for (const { port } of contenders) await load(port, 2)
  const samples = new Map<Contender, Sample[]>(contenders.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++)
    for (const contender of contenders) samples.get(contender)!.push(await sample(contender))
  const middle = (contender: Contender): Sample => {
    const all = samples.get(contender)!
    return {
      rate: median(all.map(({ rate }) => rate)),
      p99: median(all.map(({ p99 }) => p99)),
      cpu: median(all.map(({ cpu }) => cpu)),
    }
  }
  const [ours, ...others] = contenders
  const mine = middle(ours)
  const rows = others.flatMap((other): Row[] => {
    const theirs = middle(other)
    const baseline = other.name
    return [
      { what: 'requests', unit: '/s', ours: mine.rate, theirs: theirs.rate, baseline, better: 'more', goal: 1 },
      { what: 'p99', unit: 'ms', ours: mine.p99, theirs: theirs.p99, baseline, better: 'less', goal: 1.2 },
      { what: 'CPU per request', unit: 'µs', ours: mine.cpu, theirs: theirs.cpu, baseline, better: 'less', goal: 1.1 },
    ]
  })
  const memory = contenders.map(({ name, pid }) => `${name} ${residentMb(pid).toFixed(0)} MB`).join(', ')
  report('router', rows, { skipped, notes: [`memory after the load: ${memory}`] })
}

try {
  await main()
} finally {
  for (const child of children) child.kill('SIGTERM')
  rmSync(directory, { recursive: true, force: true })
}
