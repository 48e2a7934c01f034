import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { assembleImage, buildLayer, openLayout, type TarEntry } from '#image'
import { temporaryDirectory } from '#lib/testing'
import { diffReleases, listRelease } from './release-diff.ts'
import { readRelease } from './release-files.ts'
import { compileErlang } from './testing/erlang.ts'

const skip = spawnSync('sh', ['-c', 'command -v erlc']).status === 0 ? false : 'erlc is not on PATH'

test('two built images, module by module', { skip }, async (t) => {
  const directory = temporaryDirectory(t)
  const layout = openLayout(join(directory, 'images'))
  const image = async (version: string, sources: Record<string, string>, more: Record<string, string> = {}) => {
    const files: Record<string, Uint8Array> = {
      [`releases/${version}/vm.args`]: Buffer.from('+sbwt none'),
      'erts-13.1.5/bin/beam.smp': Buffer.from('elf'),
      [`lib/shop-${version}/ebin/shop.app`]: Buffer.from(
        `{application, shop, [{vsn, "${version}"}, {modules, [${Object.keys(sources)}]}, {mod, {shop, []}}]}.`,
      ),
    }
    for (const [name, bytes] of compileErlang(join(directory, version), sources)) {
      files[`lib/shop-${version}/ebin/${name}.beam`] = bytes
    }
    for (const [path, text] of Object.entries(more)) files[path] = Buffer.from(text)
    const entries = Object.entries(files).map(
      ([path, content]): TarEntry => ({ path: `app/${path}`, kind: 'file', data: content }),
    )
    const layer = await buildLayer(layout, entries)
    const { digest } = assembleImage(layout, { layers: [layer], config: {}, architecture: 'amd64' })
    return listRelease(await readRelease(layout, digest))
  }
  const same = '-module(same).\n-export([f/0]).\nf() -> 1.'
  const shop = (calls: string) => `-module(shop).\n-export([f/0]).\nf() -> ${calls}:f().`
  const before = await image('1', { same, shop: shop('gone'), gone: '-module(gone).\n-export([f/0]).\nf() -> 1.' })
  const after = await image('2', {
    same: `\n% moved\n${same}`,
    shop: shop('fresh'),
    fresh: '-module(fresh).\n-export([f/0]).\nf() -> 2.',
  })
  const diff = diffReleases(before, after)
  assert.deepEqual(
    diff.changed.map(({ name }) => name),
    ['shop'],
  )
  assert.deepEqual(
    diff.added.map(({ module }) => module),
    ['fresh'],
  )
  assert.deepEqual(
    diff.removed.map(({ module }) => module),
    ['gone'],
  )
  assert.deepEqual([...diff.applications], [['shop', { before: '1', after: '2' }]])
  assert.deepEqual([diff.erts, diff.specs, diff.native, diff.config, diff.dangling.size], [undefined, [], [], [], 0])
  const other = await image(
    '3',
    { same, shop: shop('gone') },
    { 'releases/3/sys.config': '[].', 'lib/shop-3/priv/x.so': '\x7fELF' },
  )
  const worse = diffReleases(before, other)
  assert.deepEqual([...worse.dangling], [['gone', ['shop']]])
  assert.deepEqual([worse.native, worse.config], [['shop/priv/x.so'], ['sys.config']])
})

test('a module that is the same in two releases is read once, and says the same', { skip }, (t) => {
  const directory = temporaryDirectory(t)
  const release = (number: number) =>
    new Map(
      [
        ...compileErlang(join(directory, String(number)), {
          same: '-module(same).\n-export([f/0]).\nf() -> 1.',
          other: `-module(other).\n-export([f/0]).\nf() -> ${number}.`,
        }),
      ].map(([name, bytes]) => [`lib/shop-1/ebin/${name}.beam`, bytes]),
    )
  const [before, after] = [release(1), release(2)]
  const [old, alone] = [listRelease(before), listRelease(after)]
  const next = listRelease(after, before)
  assert.deepEqual(next, alone)
  assert.equal(next.modules.get('same')!.exports, old.modules.get('same')!.exports)
  assert.deepEqual(
    diffReleases(old, next).changed.map(({ name }) => name),
    ['other'],
  )
})
