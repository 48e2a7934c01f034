import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLayout, unpackImage } from '#image'
import { isRunning, temporaryDirectory, until } from '#lib/testing'
import { Repository, testBuilder } from './testing.ts'

test('a Procfile alone is an app, and its source the image', async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t, 'procfile-hello')
  const result = await builder.of('hello', repository)
  assert.equal(result.kind, 'procfile')
  assert.match(result.files.Procfile, /^web: /)
  assert.equal(result.image, `cuddle.local/hello@${result.digest}`)
  const root = join(temporaryDirectory(t), 'root')
  await unpackImage(openLayout(join(builder.home, 'images')), result.digest, root)
  assert.equal(lstatSync(join(root, 'app/serve.sh')).mode & 0o777, 0o755)
  assert.equal(existsSync(join(root, 'app/.git')), false)
})

test('a Node app is started as its package.json says, without npm in between where that is possible', async (t) => {
  const builder = testBuilder(t)
  assert.deepEqual((await builder.of('plain', new Repository(t, 'node-hello'))).processes, { web: 'node server.js' })
  const scripted = new Repository(t).write({ 'package.json': '{"scripts": {"start": "node a.js && node b.js"}}' })
  assert.deepEqual((await builder.of('scripted', scripted)).processes, { web: 'npm start' })
  const main = new Repository(t).write({ 'package.json': '{"main": "main.js"}', 'main.js': '' })
  assert.deepEqual((await builder.of('main', main)).processes, { web: 'node main.js' })
  const neither = new Repository(t).write({ 'package.json': '{}' })
  await assert.rejects(builder.of('neither', neither), { code: 'build-failed', hint: /scripts/ })
})

test('a Node app’s dependencies are a layer of their own, installed again only when they change', async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t).write({
    'package.json': JSON.stringify({ main: 'index.js', dependencies: { greeting: 'file:vendor/greeting' } }),
    'vendor/greeting/package.json': '{"name": "greeting", "version": "1.0.0"}',
    'vendor/greeting/index.js': 'module.exports = "hello"',
    'index.js': 'console.log(require("greeting"))',
    '.gitignore': 'node_modules\n',
  })
  const first = await builder.of('shop', repository)
  assert.deepEqual(
    first.layers.map((layer) => layer.name),
    ['node_modules', 'app'],
  )
  repository.write({ 'index.js': 'console.log(require("greeting") + "!")' })
  const second = await builder.of('shop', repository)
  assert.ok(builder.lines.includes('       Dependencies unchanged'))
  assert.deepEqual(
    second.layers.map((layer) => layer.reused),
    [true, false],
  )
  assert.equal((await testBuilder(t).of('shop', repository)).digest, second.digest)
})

const rebar = spawnSync('rebar3', ['version']).status === 0 ? false : 'rebar3 is not installed'

test('an Erlang app becomes a release, with relx in rebar.config or without', { skip: rebar }, async (t) => {
  const repository = new Repository(t, 'erlang-hello')
  const result = await testBuilder(t).of('hello', repository)
  assert.deepEqual(result.processes, { web: 'bin/hello foreground' })
  assert.deepEqual(
    result.layers.map((layer) => layer.name),
    ['erts', 'dependencies', 'app'],
  )
  assert.equal((await testBuilder(t).of('hello', repository)).digest, result.digest)
  repository.write({ 'rebar.config': '{deps, []}.\n' })
  assert.deepEqual((await testBuilder(t).of('hello', repository)).processes, { web: 'bin/hello foreground' })
})

test('what is no app is told what was looked for', async (t) => {
  const builder = testBuilder(t)
  const nested = new Repository(t).write({ 'backend/mix.exs': '', 'Cargo.toml': '' })
  await assert.rejects(builder.of('shop', nested), (error: any) => {
    assert.equal(error.code, 'nothing-to-build')
    assert.match(error.details.join('\n'), /mix\.exs.*rebar\.config.*package\.json.*Procfile/)
    assert.match(error.details.join('\n'), /backend\/mix\.exs/)
    assert.match(error.details.join('\n'), /Rust/)
    return true
  })
  await assert.rejects(builder.of('empty', new Repository(t)), { code: 'nothing-to-build', message: /empty/ })
  await assert.rejects(builder.of('../evil', nested), { code: 'bad-app-name' })
})

test('submodules and links out of the source are refused by name', async (t) => {
  const builder = testBuilder(t)
  const linked = new Repository(t, 'procfile-hello')
  symlinkSync('../../etc/passwd', join(linked.directory, 'passwd'))
  await assert.rejects(builder.of('linked', linked), { code: 'bad-source', message: /passwd is a symlink/ })
  const absolute = new Repository(t, 'procfile-hello')
  symlinkSync('/etc', join(absolute.directory, 'etc'))
  await assert.rejects(builder.of('absolute', absolute), { code: 'bad-source' })
  const module = new Repository(t, 'procfile-hello')
  const commit = module.commit()
  module.git('update-index', '--add', '--cacheinfo', `160000,${commit},vendor/lib`)
  module.git('commit', '--quiet', '--message', 'submodule')
  const source = { gitDir: join(module.directory, '.git'), commit: module.git('rev-parse', 'HEAD') }
  await assert.rejects(builder.build({ app: 'module', source, write() {} }), {
    code: 'bad-source',
    message: /vendor\/lib is a git submodule/,
  })
})

const script = (build: string) => ({
  'package.json': JSON.stringify({ main: 'index.js', scripts: { build } }),
  'index.js': '',
})

test('a build sees a fixed environment and none of the platform’s', async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t).write(script('env > environment'))
  const source = { gitDir: join(repository.directory, '.git'), commit: repository.commit() }
  await builder.build({ app: 'shop', source, buildEnv: { COLOUR: 'green' }, write() {} })
  const seen = readFileSync(join(builder.home, 'builds/shop/src/environment'), 'utf8')
  assert.match(seen, /^COLOUR=green$/m)
  assert.match(seen, new RegExp(`^HOME=${builder.home}/builds/shop/home$`, 'm'))
  assert.doesNotMatch(seen, /hunter2/)
})

test('a build that takes too long ends with everything it started', async (t) => {
  const builder = testBuilder(t, { limits: { timeoutMs: 8000 } })
  const repository = new Repository(t).write(script('sleep 1234 & echo $! > pid; setsid sleep 1234 & sleep 1234'))
  await assert.rejects(builder.of('shop', repository), { code: 'build-timeout', message: /8\.0s/ })
  const pid = Number(readFileSync(join(builder.home, 'builds/shop/src/pid'), 'utf8'))
  await until(() => !isRunning(pid))
})

test('a build that takes too much memory is ended', { skip: process.platform !== 'linux' }, async (t) => {
  const builder = testBuilder(t, { limits: { memoryBytes: 200 * 2 ** 20 } })
  const repository = new Repository(t).write(script(`node -e 'b=[];setInterval(()=>b.push(Buffer.alloc(2e7,1)),20)'`))
  await assert.rejects(builder.of('shop', repository), { code: 'build-out-of-memory', message: /200Mi/ })
})

test('a build can be cancelled, and builds of one app wait for each other', async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t).write(script('sleep 1234'))
  const source = { gitDir: join(repository.directory, '.git'), commit: repository.commit() }
  const cancel = new AbortController()
  const lines: string[] = []
  const first = builder.build({
    app: 'shop',
    source,
    write: (line) => line.includes('npm run') && cancel.abort(),
    signal: cancel.signal,
  })
  const second = builder.build({
    app: 'shop',
    source: { directory: new Repository(t, 'procfile-hello').directory },
    write: (line) => lines.push(line),
  })
  await assert.rejects(first, { code: 'build-cancelled' })
  assert.equal((await second).kind, 'procfile')
  assert.match(lines[0], /Another build of shop is running/)
})

test('a folder builds as a commit of it does, without what git ignores, and leaves no older file behind', async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t, 'procfile-hello').write({ '.gitignore': 'secret\n', 'old.txt': 'old' })
  await builder.of('shop', repository)
  writeFileSync(join(repository.directory, 'secret'), 's')
  repository.remove('old.txt')
  const folder = await builder.build({ app: 'shop', source: { directory: repository.directory }, write() {} })
  assert.equal(folder.digest, (await builder.of('shop', repository)).digest)
  const plain = temporaryDirectory(t)
  mkdirSync(join(plain, 'node_modules'))
  writeFileSync(join(plain, 'Procfile'), 'web: ./x\n')
  writeFileSync(join(plain, 'node_modules', 'x.js'), '')
  const other = await builder.build({ app: 'plain', source: { directory: plain }, write() {} })
  const root = join(temporaryDirectory(t), 'root')
  await unpackImage(openLayout(join(builder.home, 'images')), other.digest, root)
  assert.equal(existsSync(join(root, 'app/node_modules')), false)
})
