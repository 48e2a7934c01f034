/** The API server in a process of its own, and a client that has many streams per connection. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { ensurePki } from '#cluster'
import { temporaryDirectory } from '#lib/testing'

export interface TestServer {
  /** Opens a connection; it is closed when the test ends. */
  connect(): ClientHttp2Session
  send(method: string, path: string, body?: unknown): Promise<{ code: number; body: any }>
  /** Resident memory in MiB (Linux; NaN elsewhere). */
  memory(): number
  /** Ends the process with SIGKILL and starts it again on the same store. Resolves with the milliseconds until it answered. */
  restart(): Promise<number>
}

export const namespace = '/api/v1/namespaces/default'
const program = new URL('../../src/cluster/api/testing-server.ts', import.meta.url).pathname

export async function startServer(t: { after(fn: () => void): void }): Promise<TestServer> {
  const home = temporaryDirectory(t)
  const { ca, admin } = await ensurePki(home)
  const sessions = new Set<ClientHttp2Session>()
  let child: ChildProcess
  let port = 0
  let main: ClientHttp2Session | undefined

  const start = async () => {
    const began = performance.now()
    child = spawn(process.execPath, ['--max-old-space-size=4096', program, home], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    port = Number(await new Promise((resolve) => child.stdout!.once('data', (chunk) => resolve(String(chunk)))))
    main = undefined
    return performance.now() - began
  }
  const open = () => {
    const session = connect(`https://127.0.0.1:${port}`, { ca: ca.cert, cert: admin.cert, key: admin.key })
    session.on('error', () => {})
    session.setMaxListeners(0)
    sessions.add(session)
    return session
  }
  const server: TestServer = {
    connect: open,
    send(method, path, body) {
      if (!main || main.closed || main.destroyed) main = open()
      const stream = main.request({ ':method': method, ':path': path, 'content-type': 'application/json' })
      return new Promise((resolve, reject) => {
        let code = 0
        const chunks: Buffer[] = []
        stream.on('response', (headers) => (code = Number(headers[':status'])))
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('error', reject)
        stream.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ code, body: /^[{[]/.test(text) ? JSON.parse(text) : text })
        })
        stream.end(body === undefined ? undefined : JSON.stringify(body))
      })
    },
    memory() {
      try {
        return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024
      } catch {
        return Number.NaN
      }
    },
    async restart() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      return start()
    },
  }
  t.after(() => {
    for (const session of sessions) session.destroy()
    child?.kill('SIGKILL')
  })
  await start()
  return server
}

export const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})
