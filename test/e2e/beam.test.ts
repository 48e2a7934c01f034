import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atom, connect, listOf, textOf } from '#beam'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { freePort } from '../../scripts/demo/stage.ts'
import { commitEdit, type Home, newHome } from './harness.ts'

const app = 'counter'

async function running(home: Home): Promise<string[]> {
  const pods = await home.json(['ps', '-a', app])
  return pods.filter((pod: any) => pod.ready && pod.state === 'Running').map((pod: any) => pod.address)
}

/** Whom each node of these addresses knows, asked of the nodes themselves. */
async function known(addresses: string[], port: number, cookie: string): Promise<string[][]> {
  return Promise.all(
    addresses.map(async (address) => {
      const node = await connect({ name: `${app}@${address}`, port, cookie, ourName: 'rem-test@127.0.0.1' })
      try {
        return (listOf(await node.rpc('erlang', 'nodes', [])) ?? []).map((name) => textOf(name)!).sort()
      } finally {
        node.close()
      }
    }),
  )
}

const missing = (await exec('sh', ['-c', 'command -v mix'], { env: { PATH: process.env.PATH } })).code !== 0

test('nodes of an app know each other, whatever happens to them', { skip: missing && 'needs elixir' }, async (t) => {
  const home = await newHome(t)
  assert.equal((await home.up()).code, 0)
  const repository = await home.app(app, 'elixir-counter')
  // Pods of all homes on a machine have the same addresses.
  const port = await freePort()
  await commitEdit(home, repository, 'cuddle.yaml', 'cluster: true', `cluster: true, port: ${port}`)
  const pushed = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(pushed.code, 0, pushed.stderr)
  const secret = await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', 'jsonpath={.data.cookie}')
  const cookie = Buffer.from(secret.stdout, 'base64').toString()

  const meshed = (count: number) =>
    until(
      async () => {
        const addresses = await running(home)
        if (addresses.length !== count) return false
        const names = addresses.map((address) => `${app}@${address}`)
        const lists = await known(addresses, port, cookie)
        return lists.every(
          (list, i) =>
            names
              .filter((name) => name !== names[i])
              .sort()
              .join() === list.join(),
        )
      },
      { what: `${count} nodes that know each other`, timeoutMs: 30_000 },
    )

  await t.test('after the first push', async () => {
    await meshed(3)
  })

  await t.test('and people can look inside, which leaves a trace', async () => {
    const rpc = await home.cuddle(['rpc', '-a', app, 'IO.puts("said"); length(Node.list())'])
    assert.deepEqual([rpc.code, rpc.stdout], [0, 'said\n2\n'], rpc.stderr)
    const erlang = await home.cuddle(['rpc', '-a', app, '--erl', 'X = lists:seq(1, 3), {ok, X, length(nodes())}.'])
    assert.equal(erlang.stdout, '{ok,[1,2,3],2}\n', erlang.stderr)
    const raised = await home.cuddle(['rpc', '-a', app, 'raise "on purpose"'])
    assert.equal(raised.code, 1)
    assert.match(raised.stderr, /\(RuntimeError\) on purpose/)
    assert.equal((await home.cuddle(['rpc', '-a', app, '-p', 'nobody', '1'])).code, 1)

    const usage = await home.json(['ps', '-a', app, '--beam'])
    assert.equal(usage.length, 3)
    for (const row of usage) {
      assert.ok(row.utilisation >= 0 && row.utilisation <= 1 && row.memoryBytes > 1e6 && row.processes > 20, row.error)
    }
    const seen = await home.json(['observer', '-a', app, '--sort', 'memory'])
    assert.ok(seen.processes.length > 5 && seen.applications.some((one: any) => one.application === app))
    const text = await home.cuddle(['observer', '-a', app])
    assert.match(text.stdout, /schedulers .* online[\s\S]*PROCESS[\s\S]*SUPERVISION TREES[\s\S]*counter/)

    const events = await home.kubectl('get', 'events', '-o', 'jsonpath={.items[?(@.reason=="BeamAccess")].message}')
    assert.match(events.stdout, /used "cuddle rpc" on pod counter-web/)
  })

  await t.test('after scaling up', async () => {
    assert.equal((await home.cuddle(['ps:scale', 'web=4', '-a', app])).code, 0)
    await meshed(4)
  })

  await t.test('after two of them were cut apart', async () => {
    const [one, other] = await running(home)
    const node = await connect({ name: `${app}@${one}`, port, cookie, ourName: 'rem-test@127.0.0.1' })
    await node.rpc('erlang', 'disconnect_node', [atom(`${app}@${other}`)])
    node.close()
    await meshed(4)
  })

  await t.test('after one was killed', async () => {
    const [victim] = await running(home)
    const node = await connect({ name: `${app}@${victim}`, port, cookie, ourName: 'rem-test@127.0.0.1' })
    const pid = Number(textOf(await node.rpc('os', 'getpid', [])))
    node.close()
    process.kill(pid, 'SIGKILL')
    await until(async () => (await home.json(['ps', '-a', app])).some((pod: any) => pod.restarts > 0))
    await meshed(4)
  })

  await t.test('after a rollout, and after the control process was killed', async () => {
    await commitEdit(home, repository, 'lib/counter.ex', '@version "v1"', '@version "v2"')
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    assert.equal(push.code, 0, push.stderr)
    await meshed(4)
    const control = home.pid('control')
    process.kill(control, 'SIGKILL')
    await until(() => home.pid('control') !== control)
    await until(async () => (await home.cuddle(['ps:scale', 'web=3', '-a', app])).code === 0)
    await meshed(3)
  })
})
