import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { deferred, exec, silentLogger, systemClock } from '#lib'
import { temporaryDirectory, until } from '#lib/testing'
import type { Push } from './index.ts'
import { createGitServer, type GitServerOptions } from './index.ts'

interface Fixture {
  url(app?: string, password?: string): string
  port: number
  /** Runs git in the working copy. */
  git(...args: string[]): Promise<{ code: number | null; text: string }>
  commit(text: string): string
  head(app?: string): string | undefined
  folder: string
  root: string
  pushes: Push[]
}

const env = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
}

async function fixture(t: TestContext, options: Partial<GitServerOptions> = {}): Promise<Fixture> {
  const base = temporaryDirectory(t)
  const root = join(base, 'git')
  const folder = join(base, 'work')
  const pushes: Push[] = []
  const server = createGitServer({
    root,
    clock: systemClock,
    log: silentLogger,
    hostEnv: { PATH: process.env.PATH, SECRET: 'never' },
    authenticate: async (user, password) => (password === 'token' ? user || 'me' : undefined),
    access: async (app) => (app === 'shop' || app === 'blog' ? 'ok' : 'missing'),
    ...options,
    onPush: async (push) => {
      pushes.push(push)
      return options.onPush ? options.onPush(push) : { ok: true }
    },
  })
  const http = createServer(async (req, res) => {
    if (!(await server.handle(req, res))) res.writeHead(418).end('not git')
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => {
    http.closeAllConnections()
    http.close()
  })
  const { port } = http.address() as { port: number }
  const sync = (...args: string[]) =>
    execFileSync('git', args, { cwd: folder, env, encoding: 'utf8', stdio: 'pipe' }).trim()
  execFileSync('git', ['init', '-q', '-b', 'main', folder], { env })
  const url = (app = 'shop', password = 'token') => `http://me:${password}@127.0.0.1:${port}/${app}.git`
  sync('remote', 'add', 'cuddle', url())
  return {
    url,
    port,
    folder,
    root,
    pushes,
    async git(...args) {
      const { code, stdout, stderr } = await exec('git', args, { cwd: folder, env, timeoutMs: 20_000 })
      return { code, text: stdout + stderr }
    },
    commit(text) {
      writeFileSync(join(folder, 'file'), text)
      sync('add', '.')
      sync('commit', '-q', '-m', text)
      return sync('rev-parse', 'HEAD')
    },
    head(app = 'shop') {
      try {
        return execFileSync('git', ['rev-parse', '--verify', '-q', 'main'], {
          cwd: join(root, `${app}.git`),
          encoding: 'utf8',
          env,
        }).trim()
      } catch {
        return undefined
      }
    },
  }
}

test('takes a push: the deploy sees the commit, its lines are shown, the ref moves', async (t) => {
  let shown = ''
  const f = await fixture(t, {
    onPush: async (push) => {
      const { stdout } = await exec('git', ['show', `${push.deploy.new}:file`], {
        cwd: push.gitDir,
        env: { ...env, ...push.env },
      })
      shown = stdout
      push.write('building')
      push.write('exit 1')
      push.write('two\nlines\u0007')
      return { ok: true }
    },
  })
  const id = f.commit('one')
  const { code, text } = await f.git('push', '-o', 'size=big;$(id) "x"', 'cuddle', 'main')
  assert.equal(code, 0, text)
  assert.equal(shown, 'one')
  assert.match(text, /remote: building\s*\nremote: exit 1\s*\nremote: two\s*\nremote: lines\s*\n/)
  assert.equal(f.head(), id)
  const [push] = f.pushes
  assert.deepEqual(push.options, ['size=big;$(id) "x"'])
  assert.deepEqual(
    [push.app, push.user, push.deploy.ref, push.deploy.kind],
    ['shop', 'me', 'refs/heads/main', 'branch'],
  )
})

test('a refused push leaves the ref and no object behind; the next one goes through', async (t) => {
  let ok = true
  const f = await fixture(t, {
    onPush: async (push) => {
      if (!ok) push.write('the new version did not start')
      return { ok }
    },
  })
  const first = f.commit('one')
  await f.git('push', 'cuddle', 'main')
  ok = false
  const second = f.commit('two')
  const refused = await f.git('push', 'cuddle', 'main')
  assert.equal(refused.code, 1)
  assert.match(refused.text, /remote: the new version did not start/)
  assert.match(refused.text, /main -> main \(pre-receive hook declined\)/)
  assert.equal(f.head(), first)
  assert.ok(!existsSync(join(f.root, 'shop.git/objects', second.slice(0, 2), second.slice(2))))
  ok = true
  assert.equal((await f.git('push', 'cuddle', 'main')).code, 0)
  assert.equal(f.head(), second)
})

test('a deploy that throws refuses the push and says why', async (t) => {
  const f = await fixture(t, {
    onPush: async () => {
      throw new Error('disk full')
    },
  })
  f.commit('one')
  const { code, text } = await f.git('push', 'cuddle', 'main')
  assert.equal(code, 1)
  assert.match(text, /remote: error: disk full/)
  assert.equal(f.head(), undefined)
})

test('can be cloned and fetched from, with protocol 2 and 0', async (t) => {
  const f = await fixture(t)
  f.commit('one')
  await f.git('push', 'cuddle', 'main')
  const id = f.commit('two')
  await f.git('push', 'cuddle', 'main')
  for (const version of ['2', '0']) {
    const folder = join(f.root, `../clone${version}`)
    const { code, text } = await f.git('-c', `protocol.version=${version}`, 'clone', '-q', f.url(), folder)
    assert.equal(code, 0, text)
    assert.ok(readdirSync(folder).includes('file'))
  }
  const { text } = await f.git('ls-remote', 'cuddle')
  assert.match(text, new RegExp(`${id}\\trefs/heads/main`))
})

test('an app that was pushed as master is cloned as master', async (t) => {
  const f = await fixture(t)
  f.commit('one')
  assert.equal((await f.git('push', 'cuddle', 'main:master')).code, 0)
  const { text } = await f.git('ls-remote', '--symref', 'cuddle', 'HEAD')
  assert.match(text, /ref: refs\/heads\/master\s+HEAD/)
})

test('wants a token, and the right one', async (t) => {
  const f = await fixture(t)
  f.commit('one')
  for (const url of [`http://127.0.0.1:${f.port}/shop.git`, f.url('shop', 'wrong')]) {
    const { code, text } = await f.git('push', url, 'main')
    assert.equal(code, 128)
    assert.match(text, /Authentication failed|could not read Username/)
  }
  assert.equal(f.pushes.length, 0)
  const refused = await fetch(`http://127.0.0.1:${f.port}/shop.git/info/refs?service=git-receive-pack`)
  assert.equal(refused.status, 401)
  assert.match(refused.headers.get('www-authenticate') ?? '', /Basic realm=/)
})

test('names an app that does not exist and how to make it, on push and on fetch', async (t) => {
  const f = await fixture(t)
  f.commit('one')
  for (const command of ['push', 'fetch']) {
    const { code, text } = await f.git(command, f.url('shpo'), 'main')
    assert.equal(code, 128)
    assert.match(text, /remote error: no such app shpo; create it: cuddle create shpo/)
  }
  assert.ok(!existsSync(join(f.root, 'shpo.git')))
})

test('two pushes at once: the second waits, is told so, and is refused when it was built on the old state', async (t) => {
  const gate = deferred<void>()
  const f = await fixture(t, {
    onPush: async () => {
      await gate.promise
      return { ok: true }
    },
  })
  const one = f.commit('one')
  const first = f.git('push', 'cuddle', 'main')
  await until(() => f.pushes.length === 1)
  f.commit('two')
  let waiting = ''
  const second = exec('git', ['push', 'cuddle', 'main'], {
    cwd: f.folder,
    env,
    onLine: (line) => {
      waiting += `${line}\n`
    },
  })
  await until(() => /another push to shop is under way/.test(waiting))
  gate.resolve()
  assert.equal((await first).code, 0)
  const { code, stderr } = await second
  assert.equal(code, 1)
  assert.match(stderr, /main of shop has moved in the meantime/)
  assert.equal(f.head(), one)
  assert.equal(f.pushes.length, 1)
  assert.equal((await f.git('push', 'cuddle', 'main')).code, 0)
})

test('branches, tags, deletions, rewrites and several refs each get their answer', async (t) => {
  const f = await fixture(t)
  f.commit('one')
  const branch = await f.git('push', 'cuddle', 'main:feature')
  assert.equal(branch.code, 1)
  assert.match(branch.text, /remote: pushed to feature; Cuddle deploys main: git push cuddle feature:main/)

  await f.git('push', 'cuddle', 'main')
  assert.equal(f.pushes.length, 1)
  await f.git('tag', 'v1')
  const tag = await f.git('push', 'cuddle', 'v1')
  assert.equal(tag.code, 0)
  assert.match(tag.text, /remote: tags are kept; nothing was deployed/)
  assert.equal(f.pushes.length, 1)

  const deletion = await f.git('push', 'cuddle', ':main')
  assert.equal(deletion.code, 1)
  assert.match(deletion.text, /remote: main is what runs; it cannot be deleted/)
  assert.equal((await f.git('push', 'cuddle', ':v1')).code, 0)

  await f.git('commit', '-q', '--amend', '-m', 'other')
  assert.match((await f.git('push', 'cuddle', 'main')).text, /rejected/)
  const forced = await f.git('push', '-f', 'cuddle', 'main')
  assert.equal(forced.code, 0, forced.text)
  assert.match(forced.text, /remote: note: main was rewritten/)

  await f.git('branch', 'side')
  f.commit('three')
  const several = await f.git('push', 'cuddle', 'main', 'side')
  assert.equal(several.code, 0, several.text)
  assert.match(several.text, /remote: side is kept, but not deployed/)
  assert.equal(f.pushes.at(-1)?.deploy.ref, 'refs/heads/main')
  const odd = await f.git('push', 'cuddle', 'main:refs/notes/x')
  assert.match(odd.text, /only branches and tags can be pushed/)
})

test('takes a push from a shallow clone', async (t) => {
  const f = await fixture(t)
  f.commit('one')
  f.commit('two')
  const folder = join(f.root, '../shallow')
  await f.git('clone', '-q', '--depth', '1', `file://${f.folder}`, folder)
  const { code, stderr } = await exec('git', ['push', f.url('blog'), 'main'], { cwd: folder, env })
  assert.equal(code, 0, stderr)
  f.commit('three')
  const full = await f.git('push', f.url('blog'), 'main')
  assert.equal(full.code, 0, full.text)
})

test('explains a pack that is too large', async (t) => {
  const f = await fixture(t, { maxPackBytes: 100_000 })
  writeFileSync(join(f.folder, 'big'), crypto.getRandomValues(new Uint8Array(65_536)))
  writeFileSync(join(f.folder, 'bigger'), crypto.getRandomValues(new Uint8Array(65_536)))
  f.commit('one')
  const { code, text } = await f.git('push', 'cuddle', 'main')
  assert.equal(code, 1)
  assert.match(text, /remote: fatal: pack exceeds maximum allowed size/)
  assert.match(text, /remote: a push may bring at most/)
})

test('takes large pushes in chunks, and gzip', async (t) => {
  const f = await fixture(t)
  for (let index = 0; index < 3; index++)
    writeFileSync(join(f.folder, `big${index}`), crypto.getRandomValues(new Uint8Array(65_536)))
  const id = f.commit('one')
  const { code, text } = await f.git('-c', 'http.postBuffer=70000', 'push', 'cuddle', 'main')
  assert.equal(code, 0, text)
  assert.equal(f.head(), id)
})

test('the pusher who goes away aborts the deploy, and the ref does not move', async (t) => {
  let aborted = false
  const f = await fixture(t, {
    onPush: (push) =>
      new Promise((resolve) => {
        push.signal.addEventListener('abort', () => {
          aborted = true
          resolve({ ok: true })
        })
      }),
  })
  f.commit('one')
  const stop = new AbortController()
  const pushing = exec('git', ['push', 'cuddle', 'main'], { cwd: f.folder, env, signal: stop.signal })
  await until(() => f.pushes.length === 1)
  stop.abort()
  await pushing
  await until(() => aborted)
  assert.equal(f.head(), undefined)
})

test('serves nothing outside of its folder and only what is smart HTTP', async (t) => {
  const f = await fixture(t)
  const status = async (target: string, method = 'GET') => {
    const socket = connect(f.port, '127.0.0.1')
    const basic = Buffer.from('me:token').toString('base64')
    socket.write(
      `${method} ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\nConnection: close\r\n\r\n`,
    )
    let text = ''
    for await (const chunk of socket) text += chunk
    return Number(text.split(' ')[1])
  }
  const refs = 'info/refs?service=git-upload-pack'
  assert.equal(await status(`/shop.git/${refs}`), 200)
  assert.equal(await status(`/git/shop/${refs}`), 200)
  for (const name of ['../shop', '..', '%2e%2e/shop', 'a/../shop', 'shop%2f..', '.shop', 'SHOP', '', '-x', 'shop\\..'])
    assert.equal(await status(`/${name}.git/${refs}`), 404, name)
  assert.equal(await status('/shop.git/HEAD'), 404)
  assert.equal(await status('/shop.git/info/refs'), 404)
  assert.equal(await status('/shop.git/info/refs?service=git-evil'), 404)
  assert.equal(await status('/shop.git/git-receive-pack'), 405)
  assert.equal(await status('/shop.git/git-receive-pack', 'POST'), 415)
  assert.equal(await status('/apps'), 418)
})
