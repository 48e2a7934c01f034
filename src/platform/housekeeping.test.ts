import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assembleImage, buildLayer, openLayout } from '#image'
import type { Kube } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { cleanUp } from './housekeeping.ts'
import { Release } from './kinds.ts'

test('images go when no release names them, and never while something is being built', async (t) => {
  const layout = openLayout(temporaryDirectory(t))
  const image = async (content: string) => {
    const layer = await buildLayer(layout, [{ path: 'app/file', kind: 'file', data: Buffer.from(content) }])
    return assembleImage(layout, { layers: [layer], config: { workingDir: '/app' }, architecture: 'amd64' })
  }
  const [kept, old] = [await image('new'), await image('old')]
  const releases = [{ spec: { image: `cuddle.local/shop@${kept.digest}` } }, { spec: {} }]
  const kube = { listAll: async (type: unknown) => ({ items: type === Release ? releases : [] }) } as unknown as Kube
  const options = {
    kube,
    layout,
    packRepository: async () => {},
    clock: systemClock,
    log: silentLogger,
    signal: new AbortController().signal,
  }
  await cleanUp({ ...options, busy: () => true })
  assert.equal(layout.has(old.digest), true)
  await cleanUp({ ...options, busy: () => false })
  assert.deepEqual([layout.has(kept.digest), layout.has(old.digest)], [true, false])
})
