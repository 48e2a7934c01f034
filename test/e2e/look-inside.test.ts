import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exec } from '#lib'
import { until } from '#lib/testing'
import { freePort } from '../../scripts/demo/stage.ts'
import { app, skip as noElixir, startCluster } from './beam-cluster.ts'
import { openSession } from './terminal.ts'

const has = async (program: string) =>
  (await exec('sh', ['-c', `command -v ${program}`], { env: { PATH: process.env.PATH } })).code === 0
const skip = noElixir || (!(await has('script')) && 'needs script of util-linux')
const noRebar = !(await has('rebar3')) && 'needs rebar3'

const up = '\x1b[A'
const ctrl = { c: '\x03', d: '\x04', u: '\x15' }
const otherScreen = '\x1b[?1049h'
const firstScreen = '\x1b[?25h\x1b[?1049l'

test('people look into running nodes from a terminal', { skip, timeout: 500_000 }, async (t) => {
  const { home, repository, running } = await startCluster(t)
  const session = (words: string, size?: [number, number]) =>
    openSession(t, { cwd: repository, env: home.env }, `cuddle ${words}`, size)

  await t.test('a console is the IEx that people know', async () => {
    const console = await session('console', [33, 99])
    await console.sees(/Ctrl-C interrupts, Ctrl-D leaves\n[\s\S]*iex\(counter@127[^)]*\)1> $/)
    console.type('x = 41 + 1\r')
    await console.sees(/\n42\n[\s\S]*\)2> $/)
    console.type(`${up}\r`)
    await console.sees(/x = 41 \+ 1\n+42\n[\s\S]*\)3> $/)
    console.type('Enum.map_ev\t')
    await console.sees(/Enum\.map_every/)
    console.type(`${ctrl.u}Enum.map\t`)
    await console.sees(/map_every\/3/)
    console.type(`${ctrl.u}:io.columns()\r`)
    await console.sees(/\{:ok, 99\}/)
    await console.resize(40, 120)
    await until(async () => {
      console.type(':io.columns()\r')
      return (await console.sees(/\{:ok, (\d+)\}[\s\S]*> $/))[1] === '120'
    })
    console.type('IO.puts("be" <> "gun"); Enum.each(Stream.cycle([1]), & &1)\r')
    await console.sees(/begun\n/)
    console.type(ctrl.c)
    await console.sees(/> $/)
    console.type('1 + 1\r')
    await console.sees(/\n2\n[\s\S]*> $/)
    console.type(ctrl.d)
    assert.deepEqual(await console.ended(), { code: 0, restored: true })
    assert.equal((await running()).length, 3, 'leaving stops no node')
    const who = '{.items[?(@.reason=="BeamAccess")].message}'
    const events = await home.kubectl('-n', app, 'get', 'events', '-o', `jsonpath=${who}`)
    assert.match(events.stdout, /used "cuddle console" on pod counter-web-/)
  })

  await t.test('the next console remembers what was typed, an Erlang shell too', async () => {
    const console = await session('console --erl')
    await console.sees(/\(counter@127[^)]*\)1> $/)
    console.type(up)
    await console.sees(/1 \+ 1$/)
    console.type(`${ctrl.u}lists:sum([20, 22]).\r`)
    await console.sees(/\n42\n[\s\S]*\)2> $/)
    console.type('lists:keysea\t')
    await console.sees(/lists:keysearch/)
    console.type(`${ctrl.u}receive never -> ok end.\r`)
    await console.sees(/\n$/)
    console.type(ctrl.c)
    await console.sees(/> $/)
    console.type('q().\r')
    assert.deepEqual(await console.ended(), { code: 0, restored: true })
    assert.equal((await running()).length, 3)
  })

  await t.test('nodes are watched, one line each, until a key ends it', async () => {
    const watch = await session('ps --beam --watch --every 1s', [24, 100])
    await watch.sees(/counter {2}cuddle ps --beam, every 1\.0s\s+[\s\S]*(web +counter-web-.*\n){3}[\s\S]*q ends/)
    assert.ok(watch.raw().includes(otherScreen))
    await watch.resize(24, 70)
    await watch.sees(/POD +UTILISATION[^\n]{0,45}\n/)
    watch.type(ctrl.c)
    assert.deepEqual(await watch.ended(), { code: 0, restored: true })
    assert.ok(watch.raw().includes(firstScreen))
    const piped = await home.cuddle(['ps', '-a', app, '--beam', '--watch', '--every', '500ms'], { timeoutMs: 4_000 })
    assert.ok(piped.stdout.split('PROCESS  POD').length > 2, piped.stdout)
    const refused = await home.cuddle(['ps', '-a', app, '--watch', '--every', '1ms'])
    assert.deepEqual([refused.code, /at least 500ms/.test(refused.stderr)], [64, true])
  })

  await t.test('the observer follows keys and window, and gives the terminal back', async () => {
    const observer = await session('observer')
    await observer.sees(/PROCESS +REDS\/S▼[\s\S]*q ends/)
    observer.type('m')
    await observer.sees(/REDS\/S +MEMORY▼/)
    observer.type('t')
    await observer.sees(/SUPERVISION TREES[\s\S]*Counter\.Supervisor/)
    await observer.resize(30, 120)
    observer.type('p')
    await observer.sees(/PROCESS +PID +REDS\/S/)
    observer.type('q')
    assert.deepEqual(await observer.ended(), { code: 0, restored: true })
    assert.ok(observer.raw().includes(firstScreen))
  })

  await t.test('a mailbox of a million and a flood are told, and hurt nobody', async () => {
    const pods = (await home.json(['ps', '-a', app])).map(({ pod }: { pod: string }) => pod)
    const [clogged, flooding] = pods
    const rpc = async (pod: string, code: string) => {
      const result = await home.cuddle(['rpc', '-a', app, '--pod', pod, code])
      assert.equal(result.code, 0, result.stderr)
    }
    const fill = 'p = spawn(fn -> Process.sleep(:infinity) end); Process.register(p, :clogged)'
    await rpc(clogged, `${fill}; for n <- 1..1_000_000, do: send(p, n); :ok`)
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${home.pid('control')}/status`, 'utf8'))![1])
    const before = rss()
    const to = '{:net_kernel, :"rem-cuddle@127.0.0.1"}'
    const flood = `for n <- 1..300_000, do: send(${to}, {n, :lists.seq(1, 50)})`
    await rpc(flooding, `spawn(fn -> ${flood} end); :ok`)
    const usage = () => home.json(['ps', '-a', app, '--beam'])
    const told = await until(
      async () => (await usage()).find((row: any) => row.pod === clogged && row.maxMessageQueue === 1_000_000),
      // How often mailboxes are looked into goes by how long a look takes, which on a busy machine is long.
      { what: 'a mailbox of a million', timeoutMs: 240_000 },
    )
    assert.equal(told.from, 'platform')
    assert.deepEqual(
      (await usage()).flatMap((row: any) => row.error ?? []),
      [],
    )
    const seen = await home.json(['observer', '-a', app, '--pod', clogged, '--sort', 'messages'])
    assert.deepEqual([seen.processes[0].registeredName, seen.processes[0].messageQueueLength], ['clogged', 1_000_000])
    assert.ok(rss() < before + 200_000, `the control process grew from ${before} to ${rss()} kB`)
  })

  await t.test('an Erlang app has its Erlang shell', { skip: noRebar }, async () => {
    const erlang = await home.app('tea', 'erlang-hello')
    writeFileSync(join(erlang, 'cuddle.yaml'), `beam: {cluster: true, port: ${await freePort()}}\n`)
    const push = async () => {
      await home.git(erlang, 'add', '-A')
      await home.git(erlang, 'commit', '-qm', 'Distribution')
      const pushed = await home.git(erlang, 'push', 'cuddle', 'main')
      assert.equal(pushed.code, 0, pushed.stderr)
    }
    await push()
    const nameless = await home.cuddle(['console', '-a', 'tea'])
    assert.match(nameless.stderr, /nothing in pod tea-web-\S+ listens for Erlang distribution[\s\S]*"rebar3"/)
    writeFileSync(join(erlang, 'config', 'vm.args.src'), `-name \${RELEASE_NODE}\n-setcookie \${RELEASE_COOKIE}\n`)
    const config = join(erlang, 'rebar.config')
    const named = readFileSync(config, 'utf8').replace(
      '{vm_args, "config/vm.args"}',
      '{vm_args_src, "config/vm.args.src"}',
    )
    writeFileSync(config, named)
    await push()
    const console = await session('console -a tea')
    await console.sees(/\)1> $/)
    console.type('element(1, application:get_key(hello, modules)).\r')
    await console.sees(/\nok\n[\s\S]*> $/)
    console.type(ctrl.d)
    assert.deepEqual(await console.ended(), { code: 0, restored: true })
  })
})
