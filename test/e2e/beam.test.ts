import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { atom, connect, listOf, textOf } from '#beam'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
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
  const readCookie = async () => {
    const secret = await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', 'jsonpath={.data.cookie}')
    return Buffer.from(secret.stdout, 'base64').toString()
  }
  let cookie = await readCookie()

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

    const console = await home.cuddle(['console', '-a', app], { input: 'x = 20\nx * 2 +\n2\nIO.puts("hé")\n' })
    assert.deepEqual([console.code, console.stdout], [0, '20\n42\nhé\n:ok\n'], console.stderr)
    const shell = await home.cuddle(['console', '-a', app, '--erl'], { input: 'X = 20.\nX * 2 +\n2.\nq().\n' })
    assert.deepEqual([shell.code, shell.stdout], [0, '20\n42\n'], shell.stderr)

    const events = await home.kubectl(
      '-n',
      app,
      'get',
      'events',
      '-o',
      'jsonpath={.items[?(@.reason=="BeamAccess")].message}',
    )
    assert.match(events.stdout, /used "cuddle rpc" on pod counter-web/)
  })

  await t.test('but only those who may, and through the API where pods cannot be reached', async (t) => {
    const [{ pod, address }] = await home.json(['ps', '-a', app])
    await home.kubectl('-n', app, 'create', 'serviceaccount', 'anna')
    for (const [kind, name, ...what] of [
      ['clusterrole', 'apps', '--verb=get', '--resource=apps.cuddle.dev'],
      ['clusterrolebinding', 'apps', '--clusterrole=apps', `--serviceaccount=${app}:anna`],
      ['role', 'pods', '--verb=list', '--resource=pods'],
      ['rolebinding', 'pods', '--role=pods', `--serviceaccount=${app}:anna`],
      ['role', 'look', '--verb=get,create', '--resource=pods/portforward,events'],
      ['rolebinding', 'look', '--role=look', `--serviceaccount=${app}:anna`],
    ]) {
      const created = await home.kubectl('-n', app, 'create', kind!, name!, ...what)
      assert.equal(created.code, 0, created.stderr)
    }
    const token = (await home.kubectl('-n', app, 'create', 'token', 'anna')).stdout.trim()
    const config = JSON.parse(readFileSync(home.env.KUBECONFIG!, 'utf8'))
    config.users[0].user = { token }
    const hers = join(home.directory, 'anna')
    mkdirSync(hers)
    writeFileSync(join(hers, 'kubeconfig'), JSON.stringify(config))
    const denied = await exec('cuddle', ['rpc', '-a', app, '1'], { env: { ...home.env, CUDDLE_HOME: hers } })
    assert.equal(denied.code, 1)
    assert.match(denied.stderr, /anna may not look inside pod "counter-web[\s\S]*missing right: get secrets\n/)
    assert.doesNotMatch(denied.stderr, /missing right: create/)

    const kube = createKube(httpTransport(loadKubeConfig({ path: home.env.KUBECONFIG! })))
    t.after(() => kube.close())
    const dial = (signal: AbortSignal) => kube.openPort(pod, app, { port, signal })
    const node = await connect({ name: `${app}@${address}`, cookie, ourName: 'rem-test@127.0.0.1', dial })
    t.after(() => node.close())
    const megabytes = Buffer.alloc(5 * 1024 * 1024, 7)
    const back = await node.rpc('erlang', 'hd', [[megabytes]])
    assert.ok(back instanceof Uint8Array && megabytes.equals(back))
    const nobody = connect({
      ...{ name: `${app}@${address}`, cookie, ourName: 'rem-nobody@127.0.0.1' },
      dial: (signal) => kube.openPort(pod, app, { port: 1, signal }),
    })
    await assert.rejects(nobody, /unable to connect to port 1 of the pod/)
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

  await t.test('and after scaling down', async () => {
    assert.equal((await home.cuddle(['ps:scale', 'web=2', '-a', app])).code, 0)
    await meshed(2)
    assert.equal((await home.cuddle(['ps:scale', 'web=3', '-a', app])).code, 0)
    await meshed(3)
  })

  await t.test('also when the cookie is rotated, with no restart and no connection lost', async () => {
    const before = await home.json(['ps', '-a', app])
    const addresses = await running(home)
    const asked = await home.json(['rpc', '-a', app, '--pod', before[0].pod, ':net_kernel.monitor_nodes(true)'])
    assert.equal(asked.result, ':ok')
    const rotated = await home.cuddle(['cookie:rotate', '-a', app])
    assert.deepEqual([rotated.code, rotated.stdout], [0, '3 nodes took the new cookie\n'], rotated.stderr)
    const old = cookie
    cookie = await readCookie()
    assert.notEqual(cookie, old)
    await assert.rejects(known(addresses, port, old), { code: 'wrong-cookie' })
    await meshed(3)
    const facts = (rows: any[]) => rows.map(({ pod, restarts }) => ({ pod, restarts }))
    assert.deepEqual(facts(await home.json(['ps', '-a', app])), facts(before))
    const shown = await home.kubectl('get', 'app', app, '-o', 'yaml')
    for (const secret of [old, cookie]) assert.ok(!`${shown.stdout}${rotated.stdout}${rotated.stderr}`.includes(secret))
  })

  await t.test('and the new cookie is what nodes that start, and nodes that were cut apart, connect with', async () => {
    const [one, other] = await running(home)
    const node = await connect({ name: `${app}@${one}`, port, cookie, ourName: 'rem-test@127.0.0.1' })
    await node.rpc('erlang', 'disconnect_node', [atom(`${app}@${other}`)])
    node.close()
    assert.equal((await home.cuddle(['ps:scale', 'web=4', '-a', app])).code, 0)
    await meshed(4)
  })

  await t.test('a node that began with the old cookie is given the new one', async () => {
    const [address] = await running(home)
    const node = await connect({ name: `${app}@${address}`, port, cookie, ourName: 'rem-test@127.0.0.1' })
    const previous = await home.kubectl('-n', app, 'get', 'secret', `${app}-cookie`, '-o', 'jsonpath={.data.previous}')
    const old = Buffer.from(previous.stdout, 'base64').toString()
    await node.rpc('erlang', 'set_cookie', [atom(node.name), atom(old)])
    node.close()
    assert.equal((await home.cuddle(['rpc', '-a', app, 'Node.list()'])).code, 0)
    await until(async () => (await home.cuddle(['cookie:rotate', '-a', app])).code === 0)
    cookie = await readCookie()
    await meshed(4)
  })

  await t.test('a rotation waits for a node that hangs, and goes on when the control process is killed', async () => {
    const [address] = await running(home)
    const node = await connect({ name: `${app}@${address}`, port, cookie, ourName: 'rem-test@127.0.0.1' })
    const pid = Number(textOf(await node.rpc('os', 'getpid', [])))
    node.close()
    process.kill(pid, 'SIGSTOP')
    const progress = async () =>
      (await home.kubectl('get', 'app', app, '-o', 'jsonpath={.metadata.annotations.cuddle\\.dev/cookie-rotation}'))
        .stdout
    const rotating = home.cuddle(['cookie:rotate', '-a', app])
    try {
      await until(async () => /^3 of 4 nodes took the new cookie; waiting for pod/.test(await progress()))
      const control = home.pid('control')
      process.kill(control, 'SIGKILL')
      await until(() => home.pid('control') !== control)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until(async () => (await progress()) === '4 nodes took the new cookie', { timeoutMs: 20_000 })
    await rotating
    assert.notEqual(await readCookie(), cookie)
    cookie = await readCookie()
    await meshed(4)
  })
})
