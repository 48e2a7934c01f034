import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { atom, connect, textOf } from '#beam'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { app, skip, startCluster } from './beam-cluster.ts'
import { commitEdit } from './harness.ts'

test('nodes of an app know each other, whatever happens to them', { skip, timeout: 300_000 }, async (t) => {
  const { home, repository, port, secret, node: open, running, meshed } = await startCluster(t)
  const cookie = await secret('cookie')

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
    const kube = createKube(httpTransport(loadKubeConfig({ path: home.env.KUBECONFIG! })))
    t.after(() => kube.close())
    const account = `/api/v1/namespaces/${app}/serviceaccounts/anna`
    const { status } = await kube.request('POST', `${account}/token`, {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } },
    })
    const { token } = status
    const config = JSON.parse(readFileSync(home.env.KUBECONFIG!, 'utf8'))
    config.users[0].user = { token }
    const hers = join(home.directory, 'anna')
    mkdirSync(hers)
    writeFileSync(join(hers, 'kubeconfig'), JSON.stringify(config))
    const denied = await exec('cuddle', ['rpc', '-a', app, '1'], { env: { ...home.env, CUDDLE_HOME: hers } })
    assert.equal(denied.code, 1)
    assert.match(denied.stderr, /anna may not look inside pod "counter-web[\s\S]*missing right: get secrets\n/)
    assert.doesNotMatch(denied.stderr, /missing right: create/)

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
    const [one, other] = await running()
    const node = await open(one)
    await node.rpc('erlang', 'disconnect_node', [atom(`${app}@${other}`)])
    node.close()
    await meshed(4)
  })

  await t.test('after one was killed', async () => {
    const [victim] = await running()
    const node = await open(victim)
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
})
