import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { until } from '#lib/testing'
import { freePort } from '../../scripts/demo/stage.ts'
import { skip } from './beam-cluster.ts'
import { commitEdit, type Home, newHome } from './harness.ts'

const app = 'abacus'

/** Adds to numbers without a pause and keeps count of what was answered. */
function startCounting(home: Home, names: readonly string[], clients = 4) {
  const counted = new Map<string, number>()
  const failures: string[] = []
  let stopping = false
  const client = async (first: number) => {
    for (let at = first; !stopping; at++) {
      const name = names[at % names.length]
      const { status, body } = await home
        .get(app, `/add/${name}`)
        .catch((error) => ({ status: 0, body: String(error) }))
      if (status === 200) counted.set(name, (counted.get(name) ?? 0) + 1)
      else failures.push(`${status} ${body.slice(0, 200)}`)
    }
  }
  const running = Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
  return {
    counted,
    failures,
    async stop() {
      stopping = true
      await running
    },
  }
}

/** A websocket that adds to its own number, and comes back whenever it is closed. */
function startSocket(home: Home, name: string) {
  const seen = { answered: 0, unanswered: 0, codes: [] as number[] }
  let stopping = false
  const options = { headers: { host: `${app}.localhost` } }
  const live = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${home.ports.router}/socket`, options)
    let waits = false
    const say = () => {
      if (stopping || socket.readyState !== WebSocket.OPEN) return socket.close()
      waits = true
      socket.send(name)
    }
    socket.on('open', say)
    socket.on('message', () => {
      seen.answered++
      waits = false
      setTimeout(say, 20)
    })
    socket.on('error', () => {})
    const code = await new Promise<number>((resolve) => socket.on('close', resolve))
    if (waits) seen.unanswered++
    if (!stopping) seen.codes.push(code)
  }
  const ended = (async () => {
    while (!stopping) await live()
  })()
  return {
    seen,
    async stop() {
      stopping = true
      await ended
    },
  }
}

/** The numbers as the app has them, and on which nodes. */
async function numbers(home: Home): Promise<{ values: Map<string, number>; nodes: Set<string> }> {
  const { body } = await home.get(app, '/')
  const rows = body
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(' '))
  return {
    values: new Map(rows.map(([name, value]) => [name, Number(value)])),
    nodes: new Set(rows.map((row) => row[2])),
  }
}

async function settled(home: Home, count: number): Promise<void> {
  await until(
    async () => {
      const pods = await home.json(['ps', '-a', app])
      return pods.length === count && pods.every((pod: any) => pod.ready && pod.state === 'Running')
    },
    { what: `${count} pods, and none that leaves`, timeoutMs: 60_000 },
  )
}

async function messages(home: Home, reason: string): Promise<string[]> {
  const path = `jsonpath={range .items[?(@.reason=="${reason}")]}{.message}{"\\n"}{end}`
  return (await home.kubectl('get', 'events', '-o', path)).stdout.split('\n').filter(Boolean)
}

test('numbers survive rollouts, scale-downs and drains under load', { skip, timeout: 300_000 }, async (t) => {
  const home = await newHome(t)
  assert.equal((await home.up('--nodes', '3')).code, 0)
  const repository = await home.app(app, 'elixir-handover')
  await commitEdit(home, repository, 'cuddle.yaml', 'cluster: true', `cluster: true\n  port: ${await freePort()}`)
  // Time for open websockets: half of it.
  await commitEdit(home, repository, 'cuddle.yaml', 'drain: 20s', 'drain: 12s')
  const pushed = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(pushed.code, 0, pushed.stderr)

  const names = Array.from({ length: 30 }, (_, index) => `n${index}`)
  const kept = new Map<string, number>()
  let socketNames = 0
  const keepsCount = async (everySocketMoves: boolean, what: () => Promise<void>) => {
    const load = startCounting(home, names)
    const sockets = Array.from({ length: 6 }, () => {
      const name = `s${socketNames++}`
      return { name, socket: startSocket(home, name) }
    })
    await until(() => load.counted.size === names.length && sockets.every(({ socket }) => socket.seen.answered > 0))
    await what()
    await Promise.all([load, ...sockets.map(({ socket }) => socket)].map((one) => one.stop()))
    assert.deepEqual(load.failures, [])
    const after = (await numbers(home)).values
    for (const { name, socket } of sockets) {
      const { answered, unanswered, codes } = socket.seen
      const value = after.get(name) ?? 0
      // Whether a message that was sent in the moment of the goodbye was counted, nobody can know.
      assert.ok(
        value >= answered && value <= answered + unanswered,
        `${name}: ${value}, ${JSON.stringify(socket.seen)}`,
      )
      assert.ok(codes.length > 0 || !everySocketMoves, `${name} was never closed`)
      assert.deepEqual(new Set(codes), codes.length > 0 ? new Set([1012]) : new Set())
    }
    for (const [name, count] of load.counted) kept.set(name, (kept.get(name) ?? 0) + count)
    const { values } = await numbers(home)
    const mine = [...values].filter(([name]) => kept.has(name))
    assert.deepEqual(Object.fromEntries(mine.sort()), Object.fromEntries([...kept].sort()))
  }

  await t.test('a rollout', async () => {
    await keepsCount(true, async () => {
      await commitEdit(home, repository, 'lib/abacus.ex', '@version "v1"', '@version "v2"')
      const push = await home.git(repository, 'push', 'cuddle', 'main')
      assert.equal(push.code, 0, push.stderr)
      await settled(home, 3)
    })
    assert.match((await home.get(app, '/')).body, /^abacus v2/)
    assert.equal((await messages(home, 'BeamHandover')).length, 3)
  })

  await t.test('two of three pods that go at once', async () => {
    await keepsCount(false, async () => {
      assert.equal((await home.cuddle(['ps:scale', 'web=1', '-a', app])).code, 0)
      await settled(home, 1)
    })
    const [{ address }] = await home.json(['ps', '-a', app])
    assert.deepEqual([...(await numbers(home)).nodes], [`${app}@${address}`])
  })

  await t.test('the drain of a node, which waits for the budget', async () => {
    assert.equal((await home.cuddle(['ps:scale', 'web=3', '-a', app])).code, 0)
    await settled(home, 3)
    const pods = await home.json(['ps', '-a', app])
    const drained = pods[0].node
    await keepsCount(false, async () => {
      const drain = await home.kubectl('drain', drained, '--ignore-daemonsets', '--delete-emptydir-data')
      assert.equal(drain.code, 0, drain.stderr)
      await settled(home, 3)
    })
    assert.ok((await home.json(['ps', '-a', app])).every((pod: any) => pod.node !== drained))
  })
  await t.test('a goodbye that the platform is killed in', async () => {
    await keepsCount(false, async () => {
      assert.equal((await home.cuddle(['ps:scale', 'web=2', '-a', app])).code, 0)
      const control = home.pid('control')
      process.kill(control, 'SIGKILL')
      await until(() => home.pid('control') !== control)
      await settled(home, 2)
    })
  })
  assert.deepEqual(await messages(home, 'BeamHandoverFailed'), [])
  assert.deepEqual(await messages(home, 'BeamSlowStop'), [])
})

test('who holds a stop up is told, and a handover that fails holds up nothing', {
  skip,
}, async (t) => {
  const home = await newHome(t)
  assert.equal((await home.up()).code, 0)
  const repository = await home.app(app, 'elixir-handover')
  await commitEdit(home, repository, 'cuddle.yaml', 'cluster: true', `cluster: true\n  port: ${await freePort()}`)
  await commitEdit(home, repository, 'cuddle.yaml', 'handover: Handover', 'handover: Abacus.Nothing')
  await commitEdit(home, repository, 'lib/abacus.ex', 'defmodule Abacus do', `${slowModule}\ndefmodule Abacus do`)
  await commitEdit(
    home,
    repository,
    'lib/abacus/application.ex',
    '      Handover,',
    '      Handover,\n      Abacus.Slow,',
  )
  const flags = '  vmArgs: +P 500000\n  sysConfig: "[{abacus, [{beads, 7}]}]"\n'
  await commitEdit(home, repository, 'cuddle.yaml', /^ {2}handover:/m, `${flags}  handover:`)
  const pushed = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(pushed.code, 0, pushed.stderr)
  const asked = '{:erlang.system_info(:process_limit), Application.get_env(:abacus, :beads)}'
  assert.equal((await home.json(['rpc', '-a', app, asked])).result, '{524288, 7}')

  assert.equal((await home.cuddle(['ps:scale', 'web=2', '-a', app])).code, 0)
  const who = 'Abacus.Slow (child of Abacus.Supervisor, shutdown 9000)'
  await until(async () => {
    const pods = await home.json(['ps', '-a', app])
    return pods.some(({ state, goodbye }: any) => state === 'Terminating' && goodbye === `stopping, waits for ${who}`)
  })
  await settled(home, 2)
  const [slow] = await until(async () => {
    const found = await messages(home, 'BeamSlowStop')
    return found.length > 0 ? found : undefined
  })
  assert.match(slow, /^abacus-web-\S+ took [67] s to stop: /)
  assert.ok(slow.endsWith(who), slow)
  const [failed] = await messages(home, 'BeamHandoverFailed')
  assert.match(failed, /could not hand over to 2 nodes: Elixir\.Abacus\.Nothing:handover\/1 failed with undef/)
})

const slowModule = `
defmodule Abacus.Slow do
  use GenServer, shutdown: 9_000
  def start_link(_), do: GenServer.start_link(__MODULE__, [])
  def init(_), do: {:ok, Process.flag(:trap_exit, true)}
  def terminate(_, _), do: Process.sleep(6_000)
end
`
