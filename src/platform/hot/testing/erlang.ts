import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type BeamNode, connect } from '#beam'

type Context = { after(fn: () => void | Promise<void>): void }

/** Compiles sources into `directory`; the BEAM files by module. */
export function compileErlang(directory: string, sources: Readonly<Record<string, string>>): Map<string, Buffer> {
  mkdirSync(directory, { recursive: true })
  const names = Object.keys(sources)
  for (const name of names) writeFileSync(join(directory, `${name}.erl`), sources[name])
  execFileSync('erlc', ['+deterministic', ...names.map((name) => `${name}.erl`)], { cwd: directory })
  return new Map(names.map((name) => [name, readFileSync(join(directory, `${name}.beam`))]))
}

export interface RunningNode {
  name: string
  pid: number
  /** A connection under this name; closed with the test. */
  connect(ourName?: string): Promise<BeamNode>
  kill(): Promise<void>
}

/** A real node without epmd, on loopback, ended with the test by its own handle. */
export async function startNode(t: Context, args: readonly string[], program = 'erl'): Promise<RunningNode> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const name = `hot${port}@127.0.0.1`
  const erl = ['-noinput', '-boot', 'start_clean', '-name', name, '-setcookie', 'oatmeal', '-start_epmd', 'false']
  erl.push(
    '-erl_epmd_port',
    String(port),
    '-kernel',
    'inet_dist_use_interface',
    '{127,0,0,1}',
    '-kernel',
    'logger_level',
    'none',
  )
  const child = spawn(program, [...erl, ...args, '-eval', 'io:format("up~n")'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  t.after(kill)
  let said = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk
    if (said.includes('up\n')) break
  }
  if (!said.includes('up\n')) throw new Error(`erl did not start: ${said}`)
  child.stdout.resume()
  return {
    name,
    pid: child.pid!,
    kill,
    async connect(ourName = 'rem-hot@127.0.0.1') {
      const node = await connect({ name, port, cookie: 'oatmeal', ourName })
      t.after(() => node.close())
      return node
    },
  }
}
