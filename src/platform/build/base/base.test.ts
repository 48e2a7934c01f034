import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { assembleImage, buildLayer, openLayout, unpackImage } from '#image'
import { temporaryDirectory } from '#lib/testing'
import { createBase } from './base.ts'
import { readElf } from './elf.ts'

const installed = spawnSync('dpkg-query', ['--status', 'netbase'])
const skip = /^Status: install ok installed$/m.test(String(installed.stdout))
  ? false
  : 'needs the Debian package netbase'
const skipChroot = skip || (process.getuid?.() === 0 ? false : 'chroot needs root')

test('programs say which libraries they load', { skip: process.platform !== 'linux' }, () => {
  const needs = readElf('/usr/bin/openssl')
  assert.ok(needs?.libraries.some((name) => name.startsWith('libcrypto.so')))
  assert.match(needs?.loader ?? '', /^\/lib.*\/ld-linux/)
  assert.equal(readElf(import.meta.filename), undefined)
})

test('the base is the same each time, with nothing that belongs to this machine alone', { skip }, async () => {
  const [first] = await createBase(process.env.PATH).below('elixir', [])
  const [second] = await createBase(process.env.PATH).below('elixir', [])
  assert.equal(first.key, second.key)
  const paths = first.entries().map(({ path }) => path)
  for (const foreign of ['etc/shadow', 'etc/hostname', 'etc/machine-id', 'etc/resolv.conf', 'etc/ssl/private'])
    assert.equal(paths.includes(foreign), false, foreign)
  assert.ok(paths.includes('usr/share/doc/libc6/copyright'))
})

test('a shell, TLS and node run in it as the user of pods, with nothing else around', {
  skip: skipChroot,
}, async (t) => {
  const directory = temporaryDirectory(t)
  const root = join(directory, 'root')
  const layout = openLayout(join(directory, 'images'))
  const base = createBase(process.env.PATH)
  const layers = []
  for (const plan of await base.below('node', []))
    layers.push(await buildLayer(layout, plan.entries(), { compression: 'none' }))
  const image = assembleImage(layout, { layers, config: {}, architecture: 'amd64' })
  await unpackImage(layout, image.digest, root)
  chmodSync(directory, 0o755)
  const run = (line: string) =>
    spawnSync('chroot', ['--userspec=1000:1000', root, '/bin/sh', '-c', line], {
      encoding: 'utf8',
      env: base.environment,
    })
  const result = run('id -un && echo a b | awk "{print \\$2}" && echo x | sed s/x/y/ && openssl version && node -p 6*7')
  assert.equal(result.stderr, '')
  assert.match(result.stdout, /^app\nb\ny\nOpenSSL .*\n42\n$/)
})
