import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { exec } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import {
  assembleImage,
  buildLayer,
  extractLayer,
  listTree,
  openLayout,
  packTar,
  pruneLayout,
  readConfig,
  readManifest,
  treeKey,
  unpackImage,
} from './index.ts'

function sampleTree(directory: string): string {
  const long = 'd'.repeat(90)
  mkdirSync(join(directory, 'bin', long, long), { recursive: true })
  writeFileSync(join(directory, 'bin', 'shop'), '#!/bin/sh\n')
  chmodSync(join(directory, 'bin', 'shop'), 0o700)
  writeFileSync(join(directory, 'bin', long, long, 'größe ✓'), 'x'.repeat(1000))
  writeFileSync(join(directory, 'empty'), '')
  symlinkSync('bin/shop', join(directory, 'link'))
  return directory
}

test('the same tree gives the same image in two layouts, whatever the owner, the mode bits and the time', async (t) => {
  const digests: string[] = []
  for (const mode of [0o755, 0o700]) {
    const tree = sampleTree(temporaryDirectory(t))
    chmodSync(join(tree, 'bin', 'shop'), mode)
    utimesSync(join(tree, 'empty'), mode, mode)
    const layout = openLayout(temporaryDirectory(t))
    const layer = await buildLayer(layout, listTree(tree, { prefix: 'app' }))
    const config = { workingDir: '/app', env: { B: '2', A: '1' }, cmd: ['bin/shop'], exposedPorts: ['8080/tcp'] }
    digests.push(assembleImage(layout, { layers: [layer], config, architecture: 'amd64' }).digest)
  }
  assert.equal(digests[0], digests[1])
})

test('what was packed unpacks as it was, and GNU tar reads it', async (t) => {
  const tree = sampleTree(temporaryDirectory(t))
  const out = temporaryDirectory(t)
  const archive = await packTar(listTree(tree))
  await extractLayer(archive, out)
  assert.deepEqual(
    listTree(out).map(({ path, size }) => [path, size]),
    listTree(tree).map(({ path, size }) => [path, size]),
  )
  assert.equal(readlinkSync(join(out, 'link')), 'bin/shop')
  assert.equal(lstatSync(join(out, 'bin/shop')).mode & 0o777, 0o755)
  const listed = await exec('tar', ['-tf', '-', '--quoting-style=literal'], {
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    input: archive,
  })
  assert.equal(listed.stderr, '')
  assert.equal(listed.stdout.trim().split('\n').length, listTree(tree).length)
})

test('a layer that is known by its content is neither compressed nor written again', async (t) => {
  const layout = openLayout(temporaryDirectory(t))
  const tree = sampleTree(temporaryDirectory(t))
  const first = await buildLayer(layout, listTree(tree))
  const second = await buildLayer(openLayout(layout.directory), listTree(tree))
  assert.equal(first.reused, false)
  assert.deepEqual(second, { ...first, reused: true, written: 0 })
})

test('a tree key changes with a file, not with a listing', (t) => {
  const tree = sampleTree(temporaryDirectory(t))
  const before = treeKey(listTree(tree))
  assert.equal(treeKey(listTree(tree)), before)
  writeFileSync(join(tree, 'empty'), 'no more')
  assert.notEqual(treeKey(listTree(tree)), before)
})

test('gzip, zstd and plain archives unpack alike, and images unpack with whiteouts', async (t) => {
  const layout = openLayout(temporaryDirectory(t))
  const data = (text: string) => Buffer.from(text)
  const lower = await buildLayer(
    layout,
    [
      { path: 'etc', kind: 'directory' },
      { path: 'etc/old', kind: 'file', data: data('old') },
      { path: 'etc/kept', kind: 'file', data: data('kept') },
      { path: 'opaque/gone', kind: 'file', data: data('gone') },
    ],
    { compression: 'gzip' },
  )
  const upper = await buildLayer(
    layout,
    [
      { path: 'etc/.wh.old', kind: 'file', data: data('') },
      { path: 'opaque/.wh..wh..opq', kind: 'file', data: data('') },
      { path: 'opaque/new', kind: 'file', data: data('new') },
    ],
    { compression: 'none' },
  )
  const { digest } = assembleImage(layout, {
    layers: [lower, upper],
    config: { workingDir: '/app' },
    architecture: 'amd64',
  })
  const root = join(temporaryDirectory(t), 'rootfs')
  await unpackImage(layout, digest, root)
  assert.deepEqual(
    listTree(root).map((entry) => entry.path),
    ['etc', 'etc/kept', 'opaque', 'opaque/new'],
  )
  assert.equal(readConfig(layout, readManifest(layout, digest)).config.workingDir, '/app')
})

test('an image whose layer was damaged is refused and leaves nothing behind', async (t) => {
  const layout = openLayout(temporaryDirectory(t))
  const layer = await buildLayer(layout, [{ path: 'a', kind: 'file', data: Buffer.from('right') }], {
    compression: 'none',
  })
  const { digest } = assembleImage(layout, { layers: [layer], config: {}, architecture: 'amd64' })
  const bytes = readFileSync(layout.blobPath(layer.digest))
  bytes.write('wrong', 512)
  writeFileSync(layout.blobPath(layer.digest), bytes)
  const root = join(temporaryDirectory(t), 'rootfs')
  await assert.rejects(unpackImage(layout, digest, root), { code: 'blob-damaged' })
  assert.equal(existsSync(root), false)
})

test('pruning keeps what kept images need and drops names of the others', async (t) => {
  const layout = openLayout(temporaryDirectory(t))
  const image = async (text: string) => {
    const layer = await buildLayer(layout, [{ path: 'a', kind: 'file', data: Buffer.from(text) }])
    const image = assembleImage(layout, { layers: [layer], config: {}, architecture: 'amd64' })
    layout.tag(text, image)
    return image
  }
  const [kept, gone] = [await image('kept'), await image('gone')]
  const freed = pruneLayout(layout, [kept.digest])
  assert.equal(freed.blobs, 3)
  assert.deepEqual([...layout.refs().keys()], ['kept'])
  assert.equal(layout.has(gone.digest), false)
  assert.ok(readManifest(layout, kept.digest))
})

/** A header as an attacker writes it. */
function hostile(path: string, type: string, { target = '', mode = 0o644, size = 0, body = '' } = {}): Buffer {
  const header = Buffer.alloc(512)
  header.write(path, 0)
  header.write(mode.toString(8).padStart(7, '0'), 100)
  header.write((size || body.length).toString(8).padStart(11, '0'), 124)
  header.write(type, 156)
  header.write(target, 157)
  header.write('ustar\x0000', 257)
  header.fill(0x20, 148, 156)
  header.write(
    header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0') + '\0 ',
    148,
  )
  return Buffer.concat([header, Buffer.from(body), Buffer.alloc((512 - (body.length % 512)) % 512)])
}

const refused: Record<string, Buffer[]> = {
  'a path with ..': [hostile('a/../../evil', '0', { body: 'x' })],
  'an absolute path': [hostile('/etc/evil', '0', { body: 'x' })],
  'an absolute symlink': [hostile('l', '2', { target: '/etc' })],
  'a symlink with too many ..': [hostile('a/b', '2', { target: '../../etc' })],
  'a symlink that climbs back through another': [
    hostile('deep/er/up', '2', { target: '../..' }),
    hostile('x', '2', { target: 'deep/er/up/../..' }),
  ],
  'a hard link out': [hostile('h', '1', { target: '../outside/secret' })],
  'a hard link to an absolute path': [hostile('h', '1', { target: '/etc/passwd' })],
  'a hard link to a symlink': [hostile('s', '2', { target: 'later' }), hostile('h', '1', { target: 's' })],
  'a character device': [hostile('null', '3')],
  'a block device': [hostile('sda', '4')],
  'a fifo': [hostile('pipe', '6')],
  'a setuid file': [hostile('su', '0', { mode: 0o4755, body: 'x' })],
  'a setgid file': [hostile('sg', '0', { mode: 0o2755, body: 'x' })],
  'a file below a file': [hostile('f', '0', { body: 'x' }), hostile('f/g', '0', { body: 'x' })],
  'a whiteout of ..': [hostile('.wh...', '0')],
}

for (const [what, entries] of Object.entries(refused)) {
  test(`${what} is refused and nothing is written outside`, async (t) => {
    const base = temporaryDirectory(t)
    mkdirSync(join(base, 'root'))
    mkdirSync(join(base, 'outside'))
    writeFileSync(join(base, 'outside', 'secret'), 'secret')
    await assert.rejects(extractLayer(Buffer.concat(entries), join(base, 'root')), (error: any) => {
      assert.equal(error.code, 'unsafe-archive')
      assert.match(error.message, /entry "/)
      return true
    })
    assert.deepEqual(
      listTree(base)
        .filter((entry) => !entry.path.startsWith('root'))
        .map((entry) => entry.path),
      ['outside', 'outside/secret'],
    )
  })
}

test('a link that existed in the directory before is not written through', async (t) => {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'root'))
  mkdirSync(join(base, 'outside'))
  symlinkSync('../outside', join(base, 'root', 'out'))
  await assert.rejects(extractLayer(hostile('out/evil', '0', { body: 'x' }), join(base, 'root')), {
    code: 'unsafe-archive',
  })
  await extractLayer(hostile('out', '0', { body: 'a file now' }), join(base, 'root'))
  assert.equal(readFileSync(join(base, 'root', 'out'), 'utf8'), 'a file now')
})

test('limits hold, and damaged archives are told apart', async (t) => {
  const root = temporaryDirectory(t)
  const bomb = gzipSync(Buffer.concat([hostile('zeros', '0', { size: 2 ** 20 }), Buffer.alloc(2 ** 20)]))
  await assert.rejects(extractLayer(bomb, root, { maxBytes: 1000 }), { code: 'archive-too-large' })
  const many = Buffer.concat([1, 2, 3].map((index) => hostile(`f${index}`, '0')))
  await assert.rejects(extractLayer(many, root, { maxEntries: 2 }), { code: 'archive-too-large' })
  await assert.rejects(extractLayer(hostile('cut', '0', { size: 9999 }), root), { code: 'bad-archive' })
  await assert.rejects(extractLayer(gzipSync(hostile('cut', '0')).subarray(0, 40), root), { code: 'bad-archive' })
  await assert.rejects(extractLayer(Buffer.alloc(512, 'garbage'), root), { code: 'bad-archive' })
})
