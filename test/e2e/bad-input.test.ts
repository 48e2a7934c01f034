import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'
import { ensurePki } from '#cluster'
import { temporaryDirectory, until } from '#lib/testing'
import { type Home, isAlive, newHome } from './harness.ts'
import { rawHead, rawRequest } from './raw.ts'

const badSpec = `app: hello
procesess: { web: x }
processes:
  web: { comand: x, scale: 10..2, size: { cpu: lots, memory: 5Zi } }
cron:
  nightly: { schedule: "61 * * * *", command: 7 }
health: 99
drain: soon
`
/** Where each of them is, and what is said about it. */
const findings = [
  /cuddle\.yaml:2:1: unknown key procesess \(did you mean processes\?\)/,
  /cuddle\.yaml:4:10: unknown key processes\.web\.comand \(did you mean command\?\)/,
  /cuddle\.yaml:4:28: .*scale 10\.\.2 is the wrong way round/,
  /cuddle\.yaml:4:48: .*"lots" is no CPU amount/,
  /cuddle\.yaml:4:62: .*"5Zi" is no amount of bytes/,
  /cuddle\.yaml:6:24: cron\.nightly\.schedule: .*61/,
  /cuddle\.yaml:6:47: cron\.nightly\.command must be text/,
  /cuddle\.yaml:7:9: health must be text or a map/,
  /cuddle\.yaml:8:8: drain: "soon" is no duration/,
]

test('bad input is answered with what is wrong and what to do, and changes nothing', async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  const repository = await home.app('hello', 'node-hello')
  const inApp = { cwd: repository }
  const first = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(first.code, 0, first.stderr)
  const releases = async () => (await home.json(['releases', '-a', 'hello'])).length

  await t.test('a spec with many faults: all at once, each with its place', async () => {
    const before = await releases()
    writeFileSync(join(repository, 'cuddle.yaml'), badSpec)
    await home.git(repository, 'add', '-A')
    await home.git(repository, 'commit', '-qm', 'Bad spec')
    const push = await home.git(repository, 'push', 'cuddle', 'main')
    const plan = await home.cuddle(['plan'], inApp)
    assert.notEqual(push.code, 0)
    assert.equal(plan.code, 1)
    for (const finding of findings) {
      assert.match(push.stderr, finding)
      assert.match(plan.stderr, finding)
    }
    assert.match(push.stderr, /remote: ! {5}Nothing was released: v2 is still serving/)
    const json = JSON.parse((await home.cuddle(['plan', '--json'], inApp)).stdout)
    assert.equal(json.error.code, 'bad-spec')
    assert.ok(json.error.details.length >= findings.length)
    await home.git(repository, 'reset', '-q', '--hard', 'HEAD~1')
    assert.equal(await releases(), before)
  })

  await t.test('names that no app can have', async () => {
    const cases: [string, RegExp][] = [
      ['Shop', /DNS label.*\n.*for example shop/],
      ['my_shop', /for example my-shop/],
      ['../x', /DNS label/],
      ['__proto__', /DNS label/],
      ['', /empty/],
      ['a'.repeat(31), /longer than 30/],
      ['default', /reserved/],
      ['kube-system', /reserved/],
      ['cuddle-system', /reserved/],
      ['constructor', /reserved/],
      ['hello', /exists already/],
    ]
    for (const [name, words] of cases) {
      const created = await home.cuddle(['create', name])
      assert.equal(created.code, 1, name)
      assert.match(created.stderr, words, name)
    }
    assert.deepEqual(
      (await home.json(['apps'])).map((app: any) => app.name),
      ['hello'],
    )
    for (const [name, code] of [
      ['../x', 1],
      ['a/b?c=d', 1],
      ['', 64],
      ['UPPER', 1],
    ] as const) {
      const ps = await home.cuddle(['destroy', '-a', name, '--confirm', name])
      assert.equal(ps.code, code, name)
      assert.match(ps.stderr, /no app is called|needs the name/)
    }
  })

  await t.test('config: every text goes through unchanged, what is no text is refused', async () => {
    const file = (name: string, data: string | Buffer) => {
      writeFileSync(join(home.directory, name), data)
      return `@${join(home.directory, name)}`
    }
    const values: Record<string, string> = {
      LINES: 'one\ntwo\n\nthree',
      QUOTES: `'single' "double" \`back\` $HOME $(id) \\n %s`,
      EQUALS: 'a=b==c',
      UNICODE: 'grüße 😀 \u2028 日本',
      EMPTY: '',
      SPACES: '  kept  ',
      LONG: 'x'.repeat(100_000),
      HANDLE: '@someone',
    }
    const words = Object.entries(values).map(([key, value]) =>
      key === 'LONG' ? `LONG=${file('long', value)}` : `${key}=${value.replace(/^@/, '\\@')}`,
    )
    const set = await home.cuddle(['config:set', '-a', 'hello', ...words])
    assert.equal(set.code, 0, set.stderr)
    const kept = await home.json(['config', '--show', '-a', 'hello'])
    assert.deepEqual(kept, values)
    const names = Object.keys(values)
    const dump = await home.cuddle([
      'run',
      '-a',
      'hello',
      '--',
      'node',
      '-e',
      `console.log(JSON.stringify(Object.fromEntries(${JSON.stringify(names)}.map((name) => [name, process.env[name]]))))`,
    ])
    assert.deepEqual(JSON.parse(dump.stdout), values)

    const before = await releases()
    const refused: [string[], RegExp, number][] = [
      [['1A=x'], /no name for a variable/, 1],
      [['A-B=x'], /no name for a variable/, 1],
      [['__proto__=x'], /set by the platform/, 1],
      [['PORT=1'], /PORT is set by the platform/, 1],
      [['=x'], /not KEY=VALUE/, 64],
      [['JUSTAKEY'], /not KEY=VALUE/, 64],
      [['K=@/nope/nothing'], /cannot read \/nope\/nothing/, 64],
      [['K=@/'], /cannot read \//, 64],
      [[`K=${file('nul', 'a\0b')}`], /K holds a NUL byte/, 1],
      [[`K=${file('binary', Buffer.from([0xff, 0xfe, 0x80, 0x31]))}`], /is not text/, 1],
      [[`K=${file('megabyte', 'y'.repeat(1_000_000))}`], /K is 1000000 bytes long.*128 KiB/, 1],
      [['GOOD=1', 'B AD=2'], /no name for a variable/, 1],
    ]
    for (const [args, message, code] of refused) {
      const result = await home.cuddle(['config:set', '-a', 'hello', ...args])
      assert.match(result.stderr, message, args.join(' ').slice(0, 50))
      assert.equal(result.code, code, args.join(' ').slice(0, 50))
      assert.match(result.stderr, /error:/)
    }
    assert.equal(await releases(), before)
    assert.equal((await home.cuddle(['run', '-a', 'hello', '-e', 'A B=1', '--', 'env'])).code, 64)
  })

  await t.test('commands with mistakes: exit code 64 or 1, words on standard error, JSON when asked', async () => {
    const cases: [string[], number, RegExp][] = [
      [['relases'], 64, /did you mean cuddle releases/],
      [['logs', '--folow'], 64, /did you mean --follow/],
      [['logs', '-n', 'many'], 64, /whole number/],
      [['logs', '-p', 'nope'], 1, /no pod of hello runs/],
      [['config:get'], 64, /needs KEY/],
      [['config:get', 'A', 'B'], 64, /"B"/],
      [['config:unset'], 64, /needs KEY/],
      [['ps:scale', 'web=-1'], 64, /"-1" is no scale/],
      [['ps:scale', 'nope=1'], 1, /no process "nope"/],
      [['rollback', 'vx'], 64, /is no release/],
      [['rollback', `v${'9'.repeat(30)}`], 64, /is no release/],
      [['rollback', 'v999'], 1, /no release v999/],
      [['releases:info', '..'], 64, /is no release/],
      [['run'], 64, /run what/],
      [['run', '--', 'exit 7'], 7, /^$/],
      [['deploy', '/nope'], 64, /\/nope is no folder/],
      [['destroy', 'hello'], 1, /not confirmed/],
      [['up', '--nodes', '0'], 64, /from 1 to 64/],
      [['up', '--cpus', 'two'], 64, /a number of CPUs from 0\.1/],
      [['up', '--memory', '9999Ti'], 64, /a size like 4Gi.* of this machine, or all; not "9999Ti"/],
      [['up', '--nodes', '9'], 1, /up already, with other settings/],
      [['version', 'extra'], 64, /"extra"/],
      [['help', 'nonsense'], 64, /no command "nonsense"/],
    ]
    for (const [args, code, words] of cases) {
      const name = args.join(' ')
      const plain = await home.cuddle(args, inApp)
      assert.equal(plain.code, code, `${name}: ${plain.stderr}`)
      assert.match(plain.stderr, words, name)
      assert.doesNotMatch(plain.stderr, /\n\s+at |undefined|\[object/, name)
      if (args[0] === 'run' || args[0] === 'help') continue
      const json = await home.cuddle([...args, '--json'], inApp)
      assert.equal(json.code, code, name)
      const { error } = JSON.parse(json.stdout)
      assert.deepEqual(
        [typeof error.code, typeof error.message, Array.isArray(error.details)],
        ['string', 'string', true],
      )
    }
  })

  await t.test('a wrong token or certificate opens nothing', async () => {
    for (const authorization of ['', 'Bearer wrong', 'Basic eDp5', 'Basic', 'Bearer', 'Negotiate x']) {
      const upload = await rawRequest(home.ports.git, rawHead('POST', '/apps/hello/deploy', { authorization }))
      assert.equal(upload.status, 401, authorization)
    }
    const ca = readFileSync(join(home.home, 'pki', 'ca.crt'))
    const stranger = (await ensurePki(temporaryDirectory(t))).admin
    const get = (options: object) =>
      new Promise<number | string>((resolve) => {
        httpsRequest(
          { host: '127.0.0.1', port: home.ports.api, path: '/api/v1/secrets', ca, agent: false, ...options },
          (response) => resolve(response.resume().statusCode!),
        )
          .on('error', (error: NodeJS.ErrnoException) => resolve(error.code!))
          .end()
      })
    const outcomes = [
      await get({}),
      await get({ headers: { authorization: 'Bearer wrong' } }),
      await get({ cert: stranger.cert, key: stranger.key }),
    ]
    for (const outcome of outcomes) assert.ok(outcome !== 200 && outcome !== 500, String(outcome))
    const admin = {
      cert: readFileSync(join(home.home, 'pki', 'admin.crt')),
      key: readFileSync(join(home.home, 'pki', 'admin.key')),
    }
    assert.equal(await get(admin), 200)
  })

  await t.test('uploads that would write elsewhere, or bring devices or privileges', async () => {
    const token = Buffer.from(
      (await home.kubectl('-n', 'cuddle-system', 'get', 'secret', 'platform-token', '-o', 'jsonpath={.data.token}'))
        .stdout,
      'base64',
    ).toString()
    const upload = async (body: Buffer) => {
      const head = rawHead('POST', '/apps/hello/deploy', {
        authorization: `Bearer ${token}`,
        'content-type': 'application/gzip',
        'content-length': String(body.length),
      })
      return rawRequest(home.ports.git, Buffer.concat([Buffer.from(head), body]))
    }
    const before = await releases()
    const elsewhere = join(home.directory, 'escaped')
    const evil: [string, (Partial<Header> & { name: string; data?: string })[]][] = [
      ['../', [{ name: '../../../escaped', data: 'x' }]],
      ['absolute', [{ name: elsewhere, data: 'x' }]],
      ['inner ..', [{ name: 'a/../../../../escaped', data: 'x' }]],
      [
        'link, then through it',
        [
          { name: 'out', type: 'symlink', linkname: home.directory },
          { name: 'out/escaped', data: 'x' },
        ],
      ],
      ['hard link out', [{ name: 'key', type: 'link', linkname: '../../pki/ca.key' }]],
      ['device', [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]],
      ['pipe', [{ name: 'pipe', type: 'fifo' }]],
      ['setuid', [{ name: 'server.js', data: 'x', mode: 0o4755 }]],
      ['setgid', [{ name: 'server.js', data: 'x', mode: 0o2755 }]],
    ]
    for (const [what, entries] of evil) {
      const answer = await upload(gzipSync(await tarOf(entries)))
      assert.match(answer.text, /"error"/, what)
      assert.doesNotMatch(answer.text, /"result"|internal/, `${what}: ${answer.text}`)
      assert.ok(!existsSync(elsewhere), what)
    }
    for (const [what, body] of [
      ['no gzip', Buffer.from('this is no archive')],
      ['no tar', gzipSync(Buffer.from('this is no archive'.repeat(100)))],
      ['cut off', gzipSync(await tarOf([{ name: 'a', data: 'x'.repeat(5000) }])).subarray(0, 60)],
      ['empty', Buffer.alloc(0)],
    ] as const) {
      const answer = await upload(body)
      assert.match(answer.text, /"error"/, what)
      assert.doesNotMatch(answer.text, /internal error/, `${what}: ${answer.text}`)
    }
    assert.equal(await releases(), before)
    assert.deepEqual(readdirSync(join(home.home, 'uploads')), [])
  })

  await t.test('requests that the router cannot take to an app', async () => {
    const ask = (target: string, headers: Record<string, string>) =>
      rawRequest(home.ports.router, rawHead('GET', target, headers))
    assert.equal((await ask('/', { host: 'nope.localhost' })).status, 404)
    assert.equal((await ask('/', { host: '../../etc' })).status >= 400, true)
    for (const target of ['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '//etc/passwd', '/..%00/']) {
      const answer = await ask(target, { host: 'hello.localhost' })
      assert.ok([400, 404].includes(answer.status), `${target}: ${answer.status}`)
      assert.doesNotMatch(answer.text, /root:/)
    }
    for (const garbage of [
      '\0\0\0\0\r\n\r\n',
      'GET\r\n\r\n',
      `GET / HTTP/1.1\r\nhost: hello.localhost\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`,
    ]) {
      const answer = await rawRequest(home.ports.router, garbage).catch(() => ({ status: 0 }))
      assert.ok(answer.status === 0 || (answer.status >= 400 && answer.status < 500), String(answer.status))
    }
    assert.equal((await home.get('hello')).status, 200)
  })

  await t.test('Ctrl-C: run takes its pod along, logs -f just ends', async () => {
    const run = spawn('cuddle', ['run', '-a', 'hello', '--', 'echo here; sleep 1000'], {
      env: home.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await until(() => read(run.stdout, /here/), { what: 'the command to run' })
    run.kill('SIGINT')
    const [code] = await once(run, 'close')
    assert.equal(code, 130)
    await until(async () => (await home.json(['ps', '-a', 'hello'])).every((pod: any) => pod.process === 'web'), {
      what: 'the pod of run to be gone',
      timeoutMs: 60_000,
    })
    const logs = spawn('cuddle', ['logs', '-f', '-a', 'hello'], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] })
    await until(() => read(logs.stdout, /listens on/), { what: 'a log line' })
    logs.kill('SIGINT')
    assert.ok([0, 130].includes((await once(logs, 'close'))[0]))
  })
})

test('a home that cannot be started says why, and changes nothing', async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  const repository = await home.app('hello', 'node-hello')
  assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)

  await t.test('a second up on the same home finds the first, also when several start at once', async () => {
    const again = await home.up()
    assert.equal(again.code, 0)
    assert.match(again.stdout, /already up/)
    const pids = (['control', 'node', 'supervisor'] as const).map((name) => home.pid(name))
    assert.equal((await home.cuddle(['down'])).code, 0)
    assert.deepEqual(pids.filter(isAlive), [])
    const ups = await Promise.all([home.up(), home.up(), home.up()])
    assert.deepEqual(
      ups.map(({ code }) => code),
      [0, 0, 0],
      ups.map(({ stderr }) => stderr).join('\n'),
    )
    assert.deepEqual(ups.filter(({ stdout }) => /already up/.test(stdout)).length, 2)
    const supervisors = processesOf(home).filter((line) => /supervise\.sh/.test(line) && !/control|node\.ts/.test(line))
    assert.ok(supervisors.length <= 3, supervisors.join('\n'))
    await until(async () => (await home.get('hello')).status === 200, { what: 'the app to be back' })
  })

  await t.test('a supervisor that was killed: up takes over, down ends what is left', async () => {
    process.kill(home.pid('supervisor'), 'SIGKILL')
    const over = await home.up()
    assert.equal(over.code, 0, over.stderr)
    assert.equal((await home.cuddle(['status'])).code, 0)
    process.kill(home.pid('supervisor'), 'SIGKILL')
    const down = await home.cuddle(['down'])
    assert.match(down.stdout, /down/)
    await until(() => processesOf(home).length === 0, { what: 'everything to be gone' })
  })

  await t.test(
    'files of the home that were damaged: refused by name, nothing changed, repaired all is back',
    async () => {
      const config = join(home.home, 'config.json')
      const store = join(home.home, 'store', 'state.db')
      const key = join(home.home, 'pki', 'encryption.key')
      const good = new Map([config, store, key].map((path) => [path, readFileSync(path)]))
      const version = (value: number) => {
        const db = new DatabaseSync(store)
        db.exec(`PRAGMA user_version=${value}`)
        db.close()
      }
      const damaged = Buffer.from(good.get(store)!)
      damaged.fill(0x5a, 4096, 12_288)
      const cases: [string, () => void, RegExp][] = [
        ['no JSON', () => writeFileSync(config, '{ "version": 1, '), /config\.json is not valid JSON/],
        ['half a config', () => writeFileSync(config, '{ "version": 1 }'), /config\.json is damaged/],
        ['null', () => writeFileSync(config, 'null'), /config\.json is damaged/],
        ['newer config', () => writeFileSync(config, '{ "version": 2 }'), /newer Cuddle \(version 2\)/],
        ['newer store', () => version(99), /has schema 99, this cuddle knows 1/],
        [
          'garbage store',
          () => writeFileSync(store, 'garbage'.repeat(999)),
          /state\.db cannot be read: it is not an SQLite file/,
        ],
        [
          'other database',
          () => {
            rmSync(store)
            const db = new DatabaseSync(store)
            db.exec('CREATE TABLE t(a); PRAGMA application_id=7')
            db.close()
          },
          /not written by cuddle/,
        ],
        ['damaged pages', () => writeFileSync(store, damaged), /state\.db cannot be read/],
        ['no key', () => rmSync(key), /encryption\.key is missing/],
        ['another key', () => writeFileSync(key, Buffer.alloc(32, 7)), /encrypted with another key/],
      ]
      for (const [what, spoil, words] of cases) {
        spoil()
        const before = hashOf(home)
        const began = performance.now()
        const up = await home.cuddle(['up'])
        assert.notEqual(up.code, 0, what)
        assert.match(up.stderr, words, what)
        assert.match(up.stderr, /next: /, what)
        assert.ok(performance.now() - began < 15_000, `${what}: told before the start times out`)
        assert.equal(hashOf(home), before, `${what}: nothing was changed`)
        const status = await home.cuddle(['status'])
        assert.notEqual(status.code, 0, what)
        assert.match(status.stdout + status.stderr, /down|config\.json/, what)
        assert.deepEqual(processesOf(home), [], `${what}: nothing was left behind`)
        for (const [path, bytes] of good) writeFileSync(path, bytes)
      }
      const back = await home.up()
      assert.equal(back.code, 0, back.stderr)
      assert.equal((await home.json(['releases', '-a', 'hello'])).length > 1, true)
      await until(async () => (await home.get('hello')).status === 200, { what: 'the app to be back' })
    },
  )

  await t.test('ports that are taken are named with the option that chooses another', async () => {
    assert.equal((await home.cuddle(['down'])).code, 0)
    for (const name of ['api', 'router', 'git'] as const) {
      const squatter = createServer()
      squatter.listen(home.ports[name], '127.0.0.1')
      await once(squatter, 'listening')
      const up = await home.up()
      squatter.close()
      assert.equal(up.code, 1)
      assert.match(up.stderr, new RegExp(`port ${home.ports[name]} \\(${name}\\) is taken`))
      assert.match(up.stderr, new RegExp(`--${name}-port`))
      assert.deepEqual(processesOf(home), [])
    }
    assert.match((await home.cuddle(['up', '--api-port', '5', '--git-port', '5'])).stderr, /have to differ/)
  })

  await t.test('Ctrl-C while starting leaves nothing behind, and other ports work', async () => {
    const api = home.ports.api
    const up = spawn('cuddle', ['up'], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] })
    await until(() => read(up.stderr, /starting/), { what: 'the start' })
    up.kill('SIGINT')
    const [code] = await once(up, 'close')
    assert.ok([0, 130].includes(code), String(code))
    if (code === 130) assert.deepEqual(processesOf(home), [])
    else await home.cuddle(['down'])
    const moved = await home.cuddle(['up', '--api-port', String(home.ports.git), '--git-port', String(api)])
    assert.equal(moved.code, 0, moved.stderr)
    await until(async () => (await home.get('hello')).status === 200, { what: 'the app to be back' })
    assert.equal((await home.cuddle(['ps:scale', 'web=2', '-a', 'hello'])).code, 0)
  })
})

test('a full disk: refused clearly, nothing lost, and all goes on when there is room', async (t) => {
  let home: Home | undefined
  // Registered before the home's own end, which removes its folder: hooks run in the order of their registration.
  t.after(async () => {
    if (!home || !existsSync(home.home)) return
    await home.cuddle(['down'])
    execFileSync('umount', ['-l', home.home])
  })
  home = await newHome(t)
  mkdirSync(home.home)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'none', home.home], { stdio: 'ignore' })
  } catch {
    rmSync(home.home, { recursive: true })
    return t.skip('needs to mount a small file system: root only')
  }
  assert.equal((await home.up()).code, 0)
  const repository = await home.app('hello', 'node-hello')
  assert.equal((await home.git(repository, 'push', 'cuddle', 'main')).code, 0)
  assert.equal((await home.cuddle(['config:set', 'A=1', '-a', 'hello'])).code, 0)
  const fill = join(home.home, 'fill')
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${fill}`, 'bs=1024'], { stdio: 'ignore' })
  } catch {
    // It ends when the disk is full.
  }
  const before = await home.git(repository, 'ls-remote', 'cuddle', 'refs/heads/main')
  const set = await home.cuddle(['config:set', 'B=2', '-a', 'hello'])
  assert.equal(set.code, 1)
  assert.match(set.stderr, /the disk is full/)
  const written = await home.kubectl('-n', 'hello', 'create', 'configmap', 'x', `--from-literal=a=${'x'.repeat(9000)}`)
  assert.match(written.stderr, /the disk is full/)
  writeFileSync(join(repository, 'big.txt'), 'x\n'.repeat(50_000))
  await home.git(repository, 'add', '-A')
  await home.git(repository, 'commit', '-qm', 'Big')
  const push = await home.git(repository, 'push', 'cuddle', 'main')
  assert.notEqual(push.code, 0)
  assert.match(push.stderr, /No space left on device|disk is full/)
  const deploy = await home.cuddle(['deploy'], { cwd: repository })
  assert.notEqual(deploy.code, 0)
  assert.match(deploy.stderr, /disk is full/)
  assert.equal((await home.get('hello')).status, 200)
  rmSync(fill)
  assert.deepEqual(await home.json(['config', '--show', '-a', 'hello']), { A: '1' })
  assert.equal((await home.git(repository, 'ls-remote', 'cuddle', 'refs/heads/main')).stdout, before.stdout)
  assert.equal((await home.cuddle(['config:set', 'B=2', '-a', 'hello'])).code, 0)
  const again = await home.git(repository, 'push', 'cuddle', 'main')
  assert.equal(again.code, 0, again.stderr)
  assert.equal((await home.cuddle(['down'])).code, 0)
  assert.equal((await home.cuddle(['up'])).code, 0)
  assert.deepEqual(await home.json(['config', '--show', '-a', 'hello']), { A: '1', B: '2' })
})

async function tarOf(entries: (Partial<Header> & { name: string; data?: string })[]): Promise<Buffer> {
  const tar = pack()
  for (const { data, ...header } of entries) tar.entry(header, data ?? '')
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** What a refusal must not change: settings, store and keys. */
function hashOf(home: Home): string {
  const hash = createHash('sha256')
  for (const path of ['config.json', 'store', 'pki']) {
    const full = join(home.home, path)
    const files = path.includes('.')
      ? [full]
      : readdirSync(full)
          .sort()
          .map((name) => join(full, name))
    for (const file of files) hash.update(file).update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** Command lines of the platform's processes of a home. */
function processesOf(home: Home): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return words.includes(home.home) && /supervise\.sh|\/src\/cli\//.test(words.join(' ')) ? [words.join(' ')] : []
    } catch {
      return []
    }
  })
}

const heard = new WeakMap<NodeJS.ReadableStream, string>()

/** True once a stream has said something like it. */
function read(stream: NodeJS.ReadableStream, words: RegExp): boolean {
  if (!heard.has(stream)) {
    heard.set(stream, '')
    stream.on('data', (data) => heard.set(stream, heard.get(stream) + String(data)))
  }
  return words.test(heard.get(stream)!)
}
