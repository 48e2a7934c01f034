import { type Layout, pruneLayout } from '#image'
import type { Kube } from '#kube'
import { type Clock, errorMessage, type Logger, loop } from '#lib'
import { App, Release } from './kinds.ts'

const everyMs = 3_600_000

export interface HousekeepingOptions {
  kube: Kube
  layout: Layout
  /** True while a build or a deploy is under way: its blobs belong to no release yet. */
  busy: () => boolean
  /** Packs the repository of an app. */
  packRepository: (app: string) => Promise<void>
  clock: Clock
  log: Logger
  signal: AbortSignal
}

/** Gives back what no release needs any more, once an hour and only when nothing is being built. */
export async function keepHouse(options: HousekeepingOptions): Promise<void> {
  const { clock, log, signal } = options
  await clock.sleep(everyMs, signal)
  await loop(() => cleanUp(options).then(() => everyMs), {
    clock,
    signal,
    onError: (error) => log.warn({ error: errorMessage(error) }, 'housekeeping failed'),
  })
}

/** Deletes the blobs of images that no release names, and packs repositories. Does nothing while busy. */
export async function cleanUp({ kube, layout, busy, packRepository, log }: HousekeepingOptions): Promise<void> {
  const { items } = await kube.listAll(Release)
  const digests = items.flatMap((release) => release.spec.image?.match(/sha256:[0-9a-f]{64}$/) ?? [])
  // No await between the question and the deed.
  if (busy()) return
  const freed = pruneLayout(layout, digests)
  if (freed.blobs > 0) log.info(freed, 'images of old releases deleted')
  for (const app of (await kube.listAll(App)).items) await packRepository(app.metadata.name!)
}
