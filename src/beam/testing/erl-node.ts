import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

type Context = { after(fn: () => void | Promise<void>): void }

export interface ErlNode {
  name: string
  port: number
  cookie: string
  child: ChildProcess
  /** Ends it, as a power cut would. */
  kill(): Promise<void>
}

export interface ErlNodeOptions {
  /** More arguments of `erl`. */
  args?: readonly string[]
  port?: number
  name?: string
  /** Register at this epmd instead of doing without. */
  epmdPort?: number
}

/** A port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A real node without epmd, on loopback, ended with the test by its own handle. */
export async function startErl(t: Context, options: ErlNodeOptions = {}): Promise<ErlNode> {
  const port = options.port ?? (await freePort())
  const name = options.name ?? `app${port}@127.0.0.1`
  const cookie = 'oatmeal'
  const args = ['-noinput', '-boot', 'start_clean', '-name', name, '-setcookie', cookie]
  args.push(
    '-start_epmd',
    'false',
    ...(options.epmdPort ? [] : ['-erl_epmd_port', String(port)]),
    '-kernel',
    'inet_dist_use_interface',
    '{127,0,0,1}',
  )
  args.push(...(options.args ?? []), '-eval', 'io:format("up~n")')
  const env = { ...process.env, ...(options.epmdPort ? { ERL_EPMD_PORT: String(options.epmdPort) } : {}) }
  const child = spawn('erl', args, { stdio: ['ignore', 'pipe', 'inherit'], env })
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  t.after(kill)
  let said = ''
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    said += chunk
    if (said.includes('up\n')) break
  }
  if (!said.includes('up\n')) throw new Error(`erl did not start: ${said}`)
  child.stdout!.resume()
  return { name, port, cookie, child, kill }
}
