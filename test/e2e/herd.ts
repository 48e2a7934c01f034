import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { atom, type BeamNode, connect, numberOf, textOf } from '#beam'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { freePort } from '../../scripts/demo/stage.ts'
import { type Home, newHome } from './harness.ts'

export const app = 'herd'
export const missing = (await exec('sh', ['-c', 'command -v mix'], { env: { PATH: process.env.PATH } })).code !== 0

export interface Herd {
  home: Home
  repository: string
  port: number
  pods(): Promise<any[]>
  /** Connects to the nodes of all running pods, or of some, by pod; closed again when `work` ends. */
  withNodes<T>(work: (nodes: Map<string, BeamNode>) => Promise<T>, only?: readonly string[]): Promise<T>
  /** The numbers of all cells together, and how many cells there are. */
  sum(): Promise<{ sum: number; cells: number }>
  /** The version that each pod runs, asked of the nodes. */
  versions(): Promise<string[]>
  /** Writes files of the repository, and commits. */
  write(files: Record<string, string | ((before: string) => string)>): Promise<void>
  /** The same, and pushes. */
  push(files: Record<string, string | ((before: string) => string)>, ...options: string[]): ReturnType<Home['git']>
}

type Context = Parameters<typeof newHome>[0]

/** A cluster with test/e2e/apps/herd, pushed once: three pods with so many gen_servers each. */
export async function startHerd(t: Context, { cells = 100, yaml = '' } = {}): Promise<Herd> {
  const home = await newHome(t)
  const up = await home.up()
  assert.equal(up.code, 0, up.stderr)
  const repository = await home.app(app, '../test/e2e/apps/herd')
  const port = await freePort()
  const pods = async () =>
    (await home.json(['ps', '-a', app])).filter((pod: any) => pod.ready && pod.state === 'Running')
  let cookie: string | undefined
  const herd: Herd = {
    home,
    repository,
    port,
    pods,
    async withNodes(work, only) {
      cookie ??= await readCookie(home)
      const nodes = new Map<string, BeamNode>()
      try {
        for (const { pod, address } of await pods()) {
          if (only && !only.includes(pod)) continue
          const name = `${app}@${address}`
          nodes.set(pod, await connect({ name, port, cookie, ourName: 'rem-test@127.0.0.1' }))
        }
        return await work(nodes)
      } finally {
        for (const node of nodes.values()) node.close()
      }
    },
    sum: () =>
      herd.withNodes(async (nodes) => {
        let [sum, count] = [0, 0]
        for (const node of nodes.values()) {
          sum += numberOf(await node.rpc('Elixir.Herd.Cell', 'sum', [], { timeoutMs: 60_000 }))!
          const counted = await node.rpc('Elixir.DynamicSupervisor', 'count_children', [atom('Elixir.Herd.Cells')])
          count += numberOf((counted as any).field('active'))!
        }
        return { sum, cells: count }
      }),
    versions: () =>
      herd.withNodes(async (nodes) =>
        Promise.all(
          [...nodes.values()].map(async (node) => textOf(await node.rpc('Elixir.Herd.Cell', 'version', []))!),
        ),
      ),
    async write(files) {
      for (const [name, change] of Object.entries(files)) {
        const path = join(repository, name)
        writeFileSync(path, typeof change === 'string' ? change : change(readFileSync(path, 'utf8')))
      }
      await home.git(repository, 'add', '-A')
      await home.git(repository, 'commit', '-qm', 'Change')
    },
    async push(files, ...options) {
      await herd.write(files)
      return home.git(repository, 'push', ...options.flatMap((option) => ['-o', option]), 'cuddle', 'main')
    },
  }
  const pushed = await herd.push({
    'cuddle.yaml': (text) => `${text.replace('9100', String(port))}env: {CELLS: "${cells}"}\n${yaml}`,
  })
  assert.equal(pushed.code, 0, pushed.stderr)
  return herd
}

export async function readCookie(home: Home): Promise<string> {
  const secret = await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', 'jsonpath={.data.cookie}')
  return Buffer.from(secret.stdout, 'base64').toString()
}

/** `Herd.Cell` in another version: what its state is, and how the state of the version before becomes it. */
export function cell(version: string, shape: 'integer' | 'map', change = '') {
  return (source: string): string => {
    const [head] = source.split('  # state:')
    const body =
      shape === 'integer'
        ? `  # state: an integer
  @impl true
  def handle_call(:add, _from, n), do: {:reply, n + 1, n + 1}
  def handle_call(:value, _from, n), do: {:reply, n, n}`
        : `  # state: a map
  @impl true
  def handle_call(:add, _from, %{n: n}), do: {:reply, n + 1, %{n: n + 1}}
  def handle_call(:value, _from, %{n: n} = state), do: {:reply, n, state}`
    const init = shape === 'integer' ? 'def init(n), do: {:ok, n}' : 'def init(n), do: {:ok, %{n: n}}'
    const next = head.replace(/def version, do: "[^"]*"/, `def version, do: "${version}"`).replace(/def init.*/, init)
    return `${next}${body}\n${change && `\n  @impl true\n${change}\n`}end\n`
  }
}

/** From the integer to the map, and back again. */
export const migrate = `  def code_change({:down, _}, %{n: n}, _), do: {:ok, n}
  def code_change(_, n, _) when is_integer(n), do: {:ok, %{n: n}}
  def code_change(_, state, _), do: {:ok, state}`

/** As `migrate`, but a cell of the value 1 takes its time. */
export const slowly = migrate.replace(
  'when is_integer(n), do: {:ok, %{n: n}}',
  `when is_integer(n) do
    if n == 1, do: Process.sleep(1500)
    {:ok, %{n: n}}
  end`,
)

/** As `migrate`, but nothing leads back. */
export const oneWay = migrate.replace('do: {:ok, n}', 'do: raise("no way back from #{n}")')

/** A cell whose processes log errors as soon as they run in it, those that have counted. */
export function grumbling(version: string, change: string) {
  const complain = `
  @impl true
  def handle_info(:grumble, state) do
    require Logger
    for _ <- 1..20, do: Logger.error("this is no good")
    Process.send_after(self(), :grumble, 200)
    {:noreply, state}
  end
end
`
  return (source: string) =>
    cell(
      version,
      'map',
      change,
    )(source)
      .replace(
        'when is_integer(n), do: {:ok, %{n: n}}',
        'when is_integer(n) do\n    if n > 0, do: send(self(), :grumble)\n    {:ok, %{n: n}}\n  end',
      )
      .replace(/end\n$/, complain)
}

const refusing = ', %{id: :bad, start: {Herd.Pool, :refuse, []}}'
const refusal = '\n  def refuse, do: {:error, :unwilling}\n'

/** `Herd.Pool` with one more child, which never starts. */
export const withBadChild = (pool: string) =>
  withoutBadChild(pool)
    .replace('], strategy', `${refusing}], strategy`)
    .replace(/end\n$/, `${refusal}end\n`)
export const withoutBadChild = (pool: string) => pool.replace(refusing, '').replace(refusal, '')

/** Resolves when a pod's node has the code of this version: with `slowly`, before its processes go on in it. */
export function inTheMiddle(herd: Herd, pod: string, version: string): Promise<unknown> {
  const read = (nodes: Map<string, BeamNode>) => nodes.get(pod)!.rpc('Elixir.Herd.Cell', 'version', [])
  return until(async () => textOf(await herd.withNodes(read, [pod])) === version, { timeoutMs: 60_000 })
}

/** Waits until pods that were replaced are, and asks three nodes which version they run. */
export async function settled(herd: Herd): Promise<string[]> {
  const replicas = () => herd.home.kubectl('-n', app, 'get', 'sts', 'herd-web', '-o', 'jsonpath={.spec.replicas}')
  const what = 'three pods, and no more wanted'
  await until(async () => (await replicas()).stdout === '3' && (await herd.pods()).length === 3, {
    what,
    timeoutMs: 60_000,
  })
  return herd.versions()
}

/** Clients that each keep a websocket open and count every answer. */
export async function openSockets(herd: Herd, count: number) {
  let [answers, wrong] = [0, '']
  let stopping = false
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${herd.home.ports.router}/ws`, {
        headers: { host: `${app}.localhost` },
      })
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
      socket.on('close', (code) => {
        if (!stopping) wrong ||= `closed with ${code}`
      })
      return socket
    }),
  )
  const talk = async (socket: WebSocket) => {
    let gone = () => {}
    const closed = new Promise<string>((resolve) => {
      gone = () => resolve('')
    })
    socket.once('close', gone)
    for (let number = 1; !stopping && !wrong; number++) {
      const answered = new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))))
      socket.send('hello')
      const answer = await Promise.race([answered, closed])
      if (!answer.startsWith(`${number} hello `)) wrong ||= `answer ${number} was "${answer}"`
      answers++
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const talking = sockets.map(talk)
  return {
    async stop() {
      stopping = true
      await Promise.all(talking)
      for (const socket of sockets) socket.close()
      return { answers, wrong }
    },
  }
}
