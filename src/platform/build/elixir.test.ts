import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRunning, until } from '#lib/testing'
import { Repository, testBuilder } from './testing.ts'

const skip = spawnSync('mix', ['--version']).status === 0 ? false : 'elixir is not installed'

const mixExs = (extra = '') => `defmodule Shop.MixProject do
  use Mix.Project
  def project, do: [app: :shop, version: "0.1.0", elixir: "~> 1.14"${extra}]
  def application, do: [extra_applications: [:logger]]
end
`

const shop = {
  'mix.exs': mixExs(),
  'lib/price.ex': 'defmodule Price do\n  defstruct [:cents]\nend\n',
  'lib/show.ex': 'defprotocol Show do\n  @fallback_to_any true\n  def show(value)\nend\n',
  'lib/show_impls.ex': 'defimpl Show, for: Any do\n  def show(_), do: "any"\nend\n',
  'lib/shop.ex': 'defmodule Shop do\n  def free, do: %Price{cents: 0}\n  def say, do: Show.show(free())\nend\n',
}

/** Changes in the order in which they are made; after some of them a clean build must give the same digest. */
const changes: { what: string; make: (repository: Repository) => void; compare?: true }[] = [
  {
    what: 'a body',
    make: (r) => r.write({ 'lib/shop.ex': shop['lib/shop.ex'].replace('cents: 0', 'cents: 1') }),
    compare: true,
  },
  { what: 'an added module', make: (r) => r.write({ 'lib/cart.ex': 'defmodule Cart do\n  def new, do: []\nend\n' }) },
  {
    what: 'a struct that others use',
    make: (r) => r.write({ 'lib/price.ex': 'defmodule Price do\n  defstruct [:cents, currency: "EUR"]\nend\n' }),
    compare: true,
  },
  {
    what: 'a new protocol implementation',
    make: (r) =>
      r.write({ 'lib/price_show.ex': 'defimpl Show, for: Price do\n  def show(p), do: "#{p.cents}"\nend\n' }),
    compare: true,
  },
  {
    what: 'the body of an implementation',
    make: (r) =>
      r.write({ 'lib/price_show.ex': 'defimpl Show, for: Price do\n  def show(p), do: "=#{p.cents}"\nend\n' }),
  },
  { what: 'a file in priv', make: (r) => r.write({ 'priv/motd.txt': 'hello' }) },
  { what: 'a file that is not compiled', make: (r) => r.write({ 'README.md': 'words' }) },
  { what: 'a removed module', make: (r) => r.remove('lib/cart.ex'), compare: true },
]

test('warm and cold builds of the same commits give the same digests', { skip }, async (t) => {
  const warm = testBuilder(t)
  const repository = new Repository(t).write(shop)
  const first = await warm.of('shop', repository)
  assert.equal(first.mode, 'cold')
  assert.equal(first.kind, 'elixir')
  assert.deepEqual(first.processes, { web: 'bin/shop start' })
  assert.ok(warm.lines.includes('-----> Elixir app detected (found mix.exs)'))
  for (const { what, make, compare } of changes) {
    make(repository)
    const fast = await warm.of('shop', repository)
    assert.equal(fast.mode, 'warm', what)
    const below = fast.layers.filter((layer) => layer.name !== 'app')
    assert.ok(
      below.every((layer) => layer.reused),
      `${what} rewrote ${JSON.stringify(below)}`,
    )
    if (!compare) continue
    const clean = await testBuilder(t, { resident: false }).of('shop', repository)
    assert.equal(fast.digest, clean.digest, `${what}: a warm build gave another image than a clean one`)
  }
})

test('a module that is gone from a folder is gone from a warm build of it', { skip }, async (t) => {
  const builder = testBuilder(t)
  const { directory } = new Repository(t).write(shop)
  const build = () => builder.build({ app: 'shop', source: { directory }, write() {} })
  const before = await build()
  writeFileSync(join(directory, 'lib/cart.ex'), 'defmodule Cart do\nend\n')
  assert.notEqual((await build()).digest, before.digest)
  rmSync(join(directory, 'lib/cart.ex'))
  const after = await build()
  assert.deepEqual([after.mode, after.digest], ['warm', before.digest])
})

test('what the compiler in memory cannot know is built cold, and a new compiler takes over', { skip }, async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t).write(shop)
  await builder.of('shop', repository)
  repository.write({ 'config/config.exs': 'import Config\nconfig :shop, currency: "EUR"\n' })
  assert.equal((await builder.of('shop', repository)).mode, 'cold')
  repository.write({ 'lib/cart.ex': 'defmodule Cart do\nend\n' })
  assert.equal((await builder.of('shop', repository)).mode, 'warm')
  repository.write({ 'mix.exs': mixExs().replace('0.1.0', '0.2.0') })
  assert.equal((await builder.of('shop', repository)).mode, 'cold')
})

test('a broken module fails with the compiler’s words, and the next commit builds', { skip }, async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t).write(shop)
  const good = await builder.of('shop', repository)
  repository.write({ 'lib/shop.ex': 'defmodule Shop do\n  def say, do: unknown_thing\nend\n' })
  await assert.rejects(builder.of('shop', repository), (error: any) => {
    assert.equal(error.code, 'build-failed')
    assert.match(error.details.join('\n'), /lib\/shop\.ex:2.*unknown_thing|unknown_thing/)
    return true
  })
  repository.write({ 'lib/shop.ex': shop['lib/shop.ex'] })
  assert.equal((await builder.of('shop', repository)).digest, good.digest)
})

test('a resident compiler that is killed is replaced by a cold build; an idle one is given back', {
  skip,
}, async (t) => {
  const builder = testBuilder(t, { resident: { idleMs: 4000 } })
  const repository = new Repository(t).write(shop)
  await builder.of('shop', repository)
  const pid = await until(() => builder.residents().get('shop'))
  process.kill(pid, 'SIGKILL')
  repository.write({ 'lib/cart.ex': 'defmodule Cart do\nend\n' })
  assert.equal((await builder.of('shop', repository)).mode, 'cold')
  const next = await until(() => builder.residents().get('shop'))
  await until(() => builder.residents().size === 0)
  await until(() => !isRunning(next))
})

test('dependencies that cannot be fetched are named, with the way out', { skip }, async (t) => {
  const builder = testBuilder(t)
  const repository = new Repository(t).write({
    ...shop,
    'mix.exs': mixExs(', deps: [{:there_is_none, git: "/nonexistent/repository"}]'),
  })
  await assert.rejects(builder.of('shop', repository), (error: any) => {
    assert.equal(error.code, 'build-failed')
    assert.match(error.hint, /deps\//)
    return true
  })
})
