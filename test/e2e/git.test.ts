import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { commitEdit, newHome } from './harness.ts'
import { rawHead, rawRequest } from './raw.ts'

test('git answers sensibly, whatever is pushed', async (t) => {
  const home = await newHome(t)
  const started = await home.up()
  assert.equal(started.code, 0, started.stderr)
  const repository = await home.app('hello', 'node-hello')
  const git = (...args: string[]) => home.git(repository, ...args)
  const url = `http://127.0.0.1:${home.ports.git}/hello.git`
  const remoteRefs = async () => (await git('ls-remote', 'cuddle')).stdout
  const first = await git('push', 'cuddle', 'main')
  assert.equal(first.code, 0, first.stderr)
  const authorization = /Authorization: (Basic \S+)/.exec(readFileSync(join(home.home, 'gitconfig'), 'utf8'))![1]

  await t.test('without a token, and with a wrong one', async () => {
    const before = await remoteRefs()
    for (const user of ['', 'git:wrong@', 'x:y@']) {
      const target = url.replace('http://', `http://${user}`)
      // A folder without the credential that `cuddle create` has set up.
      const pushed = await home.git(
        home.directory,
        '--git-dir',
        join(repository, '.git'),
        '-c',
        'include.path=/dev/null',
        '-c',
        `http.${url.replace('/hello.git', '/')}.extraHeader=`,
        'push',
        target,
        'HEAD:main',
      )
      assert.notEqual(pushed.code, 0)
      assert.match(pushed.stderr, /a token is needed: cuddle create|could not read Username/)
    }
    assert.equal(await remoteRefs(), before)
  })

  await t.test('an app that does not exist', async () => {
    const pushed = await git('push', url.replace('hello', 'nope'), 'main')
    assert.notEqual(pushed.code, 0)
    assert.match(pushed.stderr, /no such app nope; create it: cuddle create nope/)
    assert.ok(!existsSync(join(home.home, 'git', 'nope.git')))
  })

  await t.test('other branches, tags, deletions, other refs', async () => {
    const before = await remoteRefs()
    const cases: [string[], boolean, RegExp][] = [
      [['main:feature'], false, /Cuddle deploys main: git push cuddle feature:main/],
      [[':main'], false, /main is what runs; it cannot be deleted/],
      [['main:refs/for/review'], false, /only branches and tags can be pushed/],
      [['--tags'], true, /tags are kept; nothing was deployed/],
      [['--delete', 'v1.0'], true, /\[deleted\] +v1\.0/],
      [['main'], true, /up-to-date/],
    ]
    await git('tag', 'v1.0')
    for (const [args, accepted, words] of cases) {
      const pushed = await git('push', 'cuddle', ...args)
      assert.equal(pushed.code === 0, accepted, args.join(' ') + pushed.stderr)
      assert.match(pushed.stderr, words)
    }
    assert.equal(await remoteRefs(), before)
  })

  await t.test('a rewritten branch is deployed, and said so; what is refused moves nothing', async () => {
    await commitEdit(home, repository, 'server.js', "version = 'v1'", "version = 'v2'")
    assert.equal((await git('push', 'cuddle', 'main')).code, 0)
    await git('commit', '-q', '--amend', '-m', 'Rewritten')
    assert.match((await git('push', 'cuddle', 'main')).stderr, /non-fast-forward/)
    const forced = await git('push', '--force', 'cuddle', 'main')
    assert.equal(forced.code, 0, forced.stderr)
    assert.match(forced.stderr, /note: main was rewritten \(forced push from/)
    const before = await remoteRefs()
    await commitEdit(home, repository, 'server.js', 'server.listen(', 'process.exit(3)\nserver.listen(')
    assert.notEqual((await git('push', 'cuddle', 'main')).code, 0)
    assert.equal(await remoteRefs(), before)
    await git('reset', '-q', '--hard', 'HEAD~1')
    assert.match((await home.get('hello')).body, /Hello from v2/)
  })

  await t.test('clone, fetch, and a push from a shallow clone', async () => {
    const header = ['-c', `http.${url.replace('hello.git', '')}.extraHeader=Authorization: ${authorization}`]
    const cloned = await home.git(home.directory, ...header, 'clone', '-q', '--depth', '1', url, 'shallow')
    assert.equal(cloned.code, 0, cloned.stderr)
    const shallow = join(home.directory, 'shallow')
    assert.equal((await home.git(shallow, 'rev-list', '--count', 'HEAD')).stdout.trim(), '1')
    for (const [key, value] of [
      ['user.name', 'Test'],
      ['user.email', 'test@example.com'],
    ])
      await home.git(shallow, 'config', key, value)
    await commitEdit(home, shallow, 'server.js', "version = 'v2'", "version = 'v3'")
    const pushed = await home.git(shallow, ...header, 'push', 'origin', 'main')
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match((await home.get('hello')).body, /Hello from v3/)
    assert.equal((await git('pull', '-q', '--ff-only', 'cuddle', 'main')).code, 0)
  })

  await t.test('large files', async () => {
    writeFileSync(join(repository, 'large.bin'), randomBytes(24 * 2 ** 20))
    await git('add', 'large.bin')
    await git('commit', '-qm', 'Large')
    const pushed = await git('push', 'cuddle', 'main')
    assert.equal(pushed.code, 0, pushed.stderr)
    await git('rm', '-q', 'large.bin')
    await git('commit', '-qm', 'Small again')
    assert.equal((await git('push', 'cuddle', 'main')).code, 0)
  })

  await t.test('submodules and links out of the tree are refused by name', async () => {
    const before = await remoteRefs()
    const head = (await git('rev-parse', 'HEAD')).stdout.trim()
    await git('update-index', '--add', '--cacheinfo', `160000,${head},vendor/thing`)
    await git('commit', '-qm', 'Submodule')
    const submodule = await git('push', 'cuddle', 'main')
    assert.notEqual(submodule.code, 0)
    assert.match(submodule.stderr, /submodule.*vendor\/thing|vendor\/thing.*submodule/)
    await git('reset', '-q', '--hard', 'HEAD~1')
    await home.git(repository, 'config', 'core.symlinks', 'true')
    const target = await new Promise<string>((resolve, reject) => {
      const child = spawn('git', ['hash-object', '-w', '--stdin'], { cwd: repository, env: home.env })
      child.on('error', reject)
      child.stdout.on('data', (data) => resolve(String(data).trim()))
      child.stdin.end('../../../../etc/passwd')
    })
    await git('update-index', '--add', '--cacheinfo', `120000,${target},passwd`)
    await git('commit', '-qm', 'Link')
    const link = await git('push', 'cuddle', 'main')
    assert.notEqual(link.code, 0)
    assert.match(link.stderr, /passwd/)
    await git('reset', '-q', '--hard', 'HEAD~1')
    assert.equal(await remoteRefs(), before)
  })

  await t.test('two pushes at once: one after the other, and what is live is what the branch says', async () => {
    const other = join(home.directory, 'other')
    await home.git(home.directory, 'clone', '-q', repository, other)
    for (const [key, value] of [
      ['user.name', 'Other'],
      ['user.email', 'o@example.com'],
      ['include.path', join(home.home, 'gitconfig')],
    ])
      await home.git(other, 'config', key, value)
    await commitEdit(home, repository, 'server.js', /version = 'v\d+'/, "version = 'v10'")
    await commitEdit(home, other, 'server.js', /version = 'v\d+'/, "version = 'v11'")
    const both = await Promise.all([git('push', 'cuddle', 'main'), home.git(other, 'push', url, 'main')])
    const won = both.filter((result) => result.code === 0)
    assert.equal(won.length, 1, both.map((result) => result.stderr).join('\n'))
    const lost = both.find((result) => result.code !== 0)!
    assert.match(
      lost.stderr,
      /another push to hello is under way|fetch first|has moved in the meantime|non-fast-forward/,
    )
    const live = both[0].code === 0 ? 'v10' : 'v11'
    assert.match((await home.get('hello')).body, new RegExp(`Hello from ${live}`))
    const winner = both[0].code === 0 ? repository : other
    const head = (await home.git(winner, 'rev-parse', 'HEAD')).stdout.trim()
    assert.match(await remoteRefs(), new RegExp(`${head}\\trefs/heads/main`))
    if (winner === other) await git('reset', '-q', '--hard', 'HEAD~1')
    await git('fetch', '-q', 'cuddle')
    await git('reset', '-q', '--hard', 'cuddle/main')
  })

  await t.test('Ctrl-C in the middle of a build ends the build, moves nothing, and blocks nobody', async () => {
    const before = await remoteRefs()
    const mark = `sleep 31${process.pid % 1000}`
    writeFileSync(
      join(repository, 'package.json'),
      JSON.stringify({
        name: 'hello',
        type: 'module',
        scripts: { build: `echo slow; ${mark}`, start: 'node server.js' },
      }),
    )
    await git('commit', '-qam', 'Slow')
    const child = spawn('git', ['push', 'cuddle', 'main'], {
      cwd: repository,
      env: home.env,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (data) => (said += data))
    await until(() => /remote: +slow/.test(said) && running(mark), { what: 'the build' })
    process.kill(-child.pid!, 'SIGINT')
    await once(child, 'close')
    await until(() => !running(mark), { what: 'the build to be gone' })
    assert.equal(await remoteRefs(), before)
    await git('reset', '-q', '--hard', 'HEAD~1')
    await commitEdit(home, repository, 'server.js', /version = 'v\d+'/, "version = 'v20'")
    const next = await git('push', 'cuddle', 'main')
    assert.equal(next.code, 0, next.stderr)
    assert.match((await home.get('hello')).body, /Hello from v20/)
  })

  await t.test('paths and refs that climb get nowhere', async () => {
    const targets = [
      '/../../etc.git/info/refs?service=git-upload-pack',
      '/..%2f..%2fetc.git/info/refs?service=git-upload-pack',
      '/%2e%2e/hello.git/info/refs?service=git-upload-pack',
      '/hello.git/../../pki/ca.key',
      '/hello.git/config',
      '/hello.git/objects/info/packs',
      '/git/../hello.git/HEAD',
      '/Hello.git/info/refs?service=git-receive-pack',
      '/hello.git/info/refs?service=git-shell',
      '/hello.git/info/refs',
      '/apps/../../x/deploy',
      '//',
      'http://evil/x',
    ]
    for (const target of targets) {
      const answer = await rawRequest(home.ports.git, rawHead('GET', target, { authorization }))
      assert.equal(answer.status, 404, `${target}: ${answer.text}`)
      assert.doesNotMatch(answer.text, /PRIVATE KEY|root:/)
    }
    const head = (await git('rev-parse', 'HEAD')).stdout.trim()
    const zero = '0'.repeat(40)
    for (const ref of ['refs/heads/../../../escaped', 'refs/../config', '../escaped', 'refs/heads/x\ny', 'HEAD']) {
      const line = `${zero} ${head} ${ref}\0 report-status\n`
      const body = Buffer.from(`${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`)
      const request = rawHead('POST', '/hello.git/git-receive-pack', {
        authorization,
        'content-type': 'application/x-git-receive-pack-request',
        'content-length': String(body.length),
      })
      await rawRequest(home.ports.git, Buffer.concat([Buffer.from(request), body]))
    }
    assert.deepEqual(
      readdirSync(join(home.home, 'git')).filter((name) => name !== 'hello.git'),
      [],
    )
    assert.ok(!existsSync(join(home.home, 'escaped')))
    assert.doesNotMatch(await remoteRefs(), /escaped|x\ny/)
  })
})

/** True while a process of this command line runs. */
function running(words: string): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim() === words
    } catch {
      return false
    }
  })
}
