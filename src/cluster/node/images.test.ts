import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { assembleImage, buildLayer, openLayout, type TarEntry } from '#image'
import { silentLogger } from '#lib'
import { temporaryDirectory, until } from '#lib/testing'
import { ImageStore } from './images.ts'
import { main, testCluster } from './testing/cluster.ts'

const file = (path: string, text: string, executable = false): TarEntry => ({
  path,
  kind: 'file',
  data: Buffer.from(text),
  executable,
})

async function image(home: string, ...layers: TarEntry[][]): Promise<string> {
  const layout = openLayout(join(home, 'images'))
  const built = []
  for (const entries of layers) built.push(await buildLayer(layout, entries))
  const config = { workingDir: '/app', env: { GREETING: 'hello' }, cmd: ['./bin/run'] }
  const { digest } = assembleImage(layout, { layers: built, config, architecture: 'amd64' })
  return `cuddle.local/shop@${digest}`
}

function store(home: string): ImageStore {
  return new ImageStore({
    layout: join(home, 'images'),
    directory: join(home, 'node'),
    log: silentLogger,
    now: () => Date.now(),
  })
}

test('images that share a layer share its files, and upper layers replace and remove', async (t) => {
  const home = temporaryDirectory(t)
  const base = [file('app/lib/base.txt', 'base'), file('app/version', 'zero'), file('app/old', 'old')]
  const one = await image(home, base, [file('app/version', 'one')])
  const two = await image(home, base, [file('app/version', 'two')])
  const three = await image(home, base, [file('app/.wh.old', '')])
  const images = store(home)
  const [first, second, third] = await Promise.all([one, two, three].map((name) => images.prepare(name)))
  const read = (root: string | undefined, path: string) => readFileSync(join(root!, path), 'utf8')
  assert.deepEqual([read(first.rootfs, 'app/version'), read(second.rootfs, 'app/version')], ['one', 'two'])
  const inode = (root: string | undefined) => statSync(join(root!, 'app/lib/base.txt')).ino
  assert.equal(inode(first.rootfs), inode(second.rootfs))
  assert.equal(existsSync(join(third.rootfs!, 'app/old')), false)
  assert.equal(read(third.rootfs, 'app/version'), 'zero')
})

test('keeps what is used and a few more', async (t) => {
  const home = temporaryDirectory(t)
  const names: string[] = []
  for (let index = 0; index < 7; index++) names.push(await image(home, [file('app/version', `${index}`)]))
  const images = store(home)
  for (const name of names) await images.prepare(name)
  await images.collect(new Set([names[0].split('@')[1]]))
  assert.equal(readdirSync(join(home, 'node/rootfs')).length, 5)
  assert.equal(readdirSync(join(home, 'node/layers')).length, 5)
  assert.ok(existsSync((await images.prepare(names[0])).rootfs!))
})

test('runs an image by digest with its own command, directory and environment', async (t) => {
  const { home, run } = await testCluster(t)
  const reference = await image(home, [file('app/bin/run', '#!/bin/sh\necho $GREETING from $(pwd) $1\n', true)])
  const pod = await run('image', { restartPolicy: 'Never', containers: [{ name: 'main', image: reference }] })
  const done = await pod.until(({ status }) => status?.phase === 'Succeeded')
  assert.equal(main(done)?.imageID, reference)
  assert.match((await pod.log())[0], /^hello from .*\/node\/rootfs\/[0-9a-f]{64}\/app$/)
})

test('unpacks what was built before a pod asks for it', async (t) => {
  const { home, agent } = await testCluster(t)
  assert.ok(agent)
  const reference = await image(home, [file('app/version', 'new')])
  const layout = openLayout(join(home, 'images'))
  const digest = reference.split('@')[1]
  layout.tag('shop:v1', { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 0 })
  await until(() => existsSync(join(home, 'node/rootfs', digest.slice(7), 'app/version')))
})

test('says what is wrong with an image that cannot be had', async (t) => {
  const { run } = await testCluster(t)
  const absent = await run('absent', {
    containers: [{ name: 'main', image: `cuddle.local/x@sha256:${'0'.repeat(64)}` }],
  })
  const tagged = await run('tagged', { containers: [{ name: 'main', image: 'nginx:latest' }] })
  const waiting = main(await absent.until((pod) => main(pod)?.state?.waiting?.reason === 'ErrImagePull'))?.state
    ?.waiting
  assert.match(waiting?.message ?? '', /is not in this node's image store/)
  await tagged.until((pod) => main(pod)?.state?.waiting?.reason === 'InvalidImageName')
})
