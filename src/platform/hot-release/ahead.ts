import { type Layout, readManifest } from '#image'
import type { Kube } from '#kube'
import type { Clock } from '#lib'
import type { LayerFiles } from '../hot/index.ts'
import type { ReleaseObject } from '../kinds.ts'
import { currentRelease, getApp } from '../releases.ts'
import { effectiveObjects } from '../scale.ts'
import type { Reach } from './nodes.ts'
import { statefulSets } from './objects.ts'

/** What a look found: of this release. */
export interface Seen {
  reach: Reach
  /** The layers of its image that are read already, or on their way, by digest. */
  layers: ReadonlyMap<string, Promise<LayerFiles>>
}

interface Look {
  /** Monotonic, ms. */
  began: number
  found: Promise<(Seen & { uid: string }) | undefined>
  taken: boolean
}

/** Nodes that were looked at wait for a minute; whoever comes in the second half of it looks anew. */
const freshMs = 30_000
/** Modules are read in between other work, so many at a time. */
const modulesAtOnce = 16

/**
 * Looks at the pods that run hot code, and at that code, while the new one is still being built: a rollout then need not
 * wait for connections, for a look at ten thousand processes, or for files. By app; used once, by the next rollout.
 */
export class Ahead {
  readonly #context: { kube: Kube; clock: Clock; layout: Layout }
  readonly #looks = new Map<string, Look>()

  constructor(context: { kube: Kube; clock: Clock; layout: Layout }) {
    this.#context = context
  }

  /** @returns what ends it, unless it was taken; to be called, whatever became of the build */
  look(app: string): () => void {
    const found = this.#find(app)
    // Whoever takes it does without.
    found.catch(() => {})
    const look: Look = { began: this.#context.clock.monotonic(), found, taken: false }
    this.#looks.set(app, look)
    return () => {
      if (this.#looks.get(app) === look) this.#looks.delete(app)
      if (!look.taken) close(look)
    }
  }

  /** What was seen of this release. To be closed by whoever takes it. */
  async take(app: string, release: ReleaseObject): Promise<Seen | undefined> {
    const look = this.#looks.get(app)
    if (!look || this.#context.clock.monotonic() - look.began > freshMs) return undefined
    this.#looks.delete(app)
    look.taken = true
    const found = await look.found.catch(() => undefined)
    if (found?.uid === release.metadata.uid) return found
    close(look)
    return undefined
  }

  async #find(app: string): Promise<(Seen & { uid: string }) | undefined> {
    const { kube, clock, layout } = this.#context
    const context = { kube, clock, user: 'cuddle' }
    const object = await getApp(context, app)
    const release = await currentRelease(context, object)
    if (!release?.spec.image) return undefined
    const objects = effectiveObjects(release.spec, object.spec)
    if (statefulSets(objects).length === 0) return undefined
    const { aheadName, reach } = await import('./nodes.ts')
    const reached = reach(kube, clock, app, { release, objects }, aheadName)
    const layers = await readTop(layout, release.spec.image)
    return { uid: release.metadata.uid!, reach: reached, layers }
  }
}

function close({ found }: Look): void {
  found.then((seen) => seen?.reach.close()).catch(() => {})
}

/** Begins to read the layer of the app itself, where modules change. */
async function readTop(layout: Layout, image: string): Promise<Map<string, Promise<LayerFiles>>> {
  const { digestIn } = await import('./compare.ts')
  const { readBeam, readLayer } = await import('../hot/index.ts')
  const top = readManifest(layout, digestIn(image)).layers.at(-1)!
  const reading = (async () => {
    const files = await readLayer(layout, top)
    const modules = files.filter(({ path }) => path.endsWith('.beam'))
    for (const [index, { path, bytes }] of modules.entries()) {
      if (bytes) readBeam(bytes, path)
      if (index % modulesAtOnce === modulesAtOnce - 1) await new Promise(setImmediate)
    }
    return files
  })()
  // Whoever compares hears of it.
  reading.catch(() => {})
  return new Map([[top.digest, reading]])
}
