import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, listOf } from '#beam'
import { until } from '#lib/testing'
import { app, cell, type Herd, migrate, missing, startHerd } from './herd.ts'

/** The process of a pod's node on this machine. */
function pidOf(herd: Herd, pod: string): Promise<number> {
  return herd.withNodes(async (nodes) => {
    const said = await nodes.get(pod)!.rpc('os', 'getpid', [])
    return Number(Buffer.from(listOf(said) as number[]).toString())
  })
}

test('bad days of a hot push', { skip: missing && 'needs elixir', timeout: 300_000 }, async (t) => {
  const herd = await startHerd(t)
  const { home } = herd
  const [first, second] = (await herd.pods()).map(({ pod }) => pod)
  const addOne = () =>
    herd.withNodes(async (nodes) => {
      for (const node of nodes.values()) await node.rpc('Elixir.Herd.Cell', 'add', [1])
    })
  await addOne()
  const untouched = async () => {
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
    assert.equal((await herd.sum()).sum, 3)
  }

  await t.test('a node with another cookie: nothing is touched, and the pod is named', async () => {
    const right = (await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', 'jsonpath={.data.cookie}'))
      .stdout
    let restore = async () => {}
    await herd.withNodes(async (nodes) => {
      const node = nodes.get(second)!
      restore = async () => {
        await node.rpc('erlang', 'set_cookie', [atom(Buffer.from(right, 'base64').toString())])
      }
      await node.rpc('erlang', 'set_cookie', [atom('somebody_elses')])
      const push = await herd.push({ 'lib/herd/cell.ex': cell('v2', 'map', migrate) })
      await restore()
      assert.notEqual(push.code, 0)
      assert.match(push.stderr, new RegExp(`${second}: .*cookie`))
      assert.match(push.stderr, /v2 is still serving/)
    })
    await untouched()
  })

  await t.test('a node that is stopped in the middle: the push fails soon, and all run the old code', async () => {
    const pid = await pidOf(herd, second)
    const hanging = `  def code_change(_, n, _) when is_integer(n) do
    # One of each node takes its time.
    if n == 1, do: Process.sleep(1500)
    {:ok, %{n: n}}
  end
  def code_change(_, state, _), do: {:ok, state}`
    const pushing = herd.push({ 'lib/herd/cell.ex': cell('v3', 'map', hanging) })
    await until(
      () =>
        herd.withNodes(async (nodes) => {
          const old = await nodes.get(first)!.rpc('erlang', 'check_old_code', [atom('Elixir.Herd.Cell')])
          return String((old as { name?: string }).name) === 'true'
        }),
      { timeoutMs: 60_000 },
    )
    process.kill(pid, 'SIGSTOP')
    try {
      const push = await pushing
      assert.notEqual(push.code, 0)
      assert.match(push.stderr, new RegExp(`its code could not be loaded: .*${second}`))
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until(async () => (await herd.pods()).length === 3, { timeoutMs: 60_000 })
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
  })

  await t.test('code that makes errors is taken back', async () => {
    const noisy = cell('v4', 'map', migrate)
    // A pod that was stopped may have been started anew, with nothing in it.
    await addOne()
    const before = (await herd.sum()).sum
    const push = await herd.push({
      'lib/herd/cell.ex': (text) =>
        noisy(text)
          .replace(
            'def code_change(_, n, _) when is_integer(n), do: {:ok, %{n: n}}',
            'def code_change(_, n, _) when is_integer(n) do\n    if n > 0, do: send(self(), :grumble)\n    {:ok, %{n: n}}\n  end',
          )
          .replace(
            /end\n$/,
            `
  @impl true
  def handle_info(:grumble, state) do
    require Logger
    for _ <- 1..20, do: Logger.error("this is no good")
    {:noreply, state}
  end
end
`,
          ),
    })
    assert.notEqual(push.code, 0, push.stderr)
    assert.match(push.stderr, /the new code runs, but is no good: herd-web-\d logged 20 errors in 1 s.*this is no good/)
    assert.deepEqual(await herd.versions(), ['v1', 'v1', 'v1'])
    assert.equal((await herd.sum()).sum, before)
  })

  await t.test('processes in code from before are named, and killed only when that is asked for', async () => {
    const lingering = (version: string) => `defmodule Herd.Loop do
  def start, do: Process.register(spawn(fn -> loop() end), :loop)
  def loop, do: receive(do: (:stop -> "${version}"))
end
`
    const one = await herd.push({ 'lib/herd/loop.ex': lingering('1'), 'lib/herd/cell.ex': cell('v5', 'map', migrate) })
    assert.equal(one.code, 0, one.stderr)
    await herd.withNodes((nodes) => nodes.get(first)!.rpc('Elixir.Herd.Loop', 'start', []))
    assert.equal((await herd.push({ 'lib/herd/loop.ex': lingering('2') })).code, 0)
    const refused = await herd.push({ 'lib/herd/loop.ex': lingering('3') })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /1 processes still run code of Elixir\.Herd\.Loop from before the present one/)
    const alive = () =>
      herd.withNodes(async (nodes) => String(await nodes.get(first)!.rpc('erlang', 'whereis', [atom('loop')])))
    assert.notEqual(await alive(), 'undefined')
    const purged = await home.git(herd.repository, 'push', '-o', 'hot-purge', 'cuddle', 'main')
    assert.equal(purged.code, 0, purged.stderr)
    assert.equal((await herd.versions())[0], 'v5')
  })
})
