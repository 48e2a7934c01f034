import type { Term } from '#beam'
import { type Layout, readManifest } from '#image'
import {
  diffReleases,
  type HotUpgrade,
  type LayerFiles,
  listRelease,
  type ReleaseDiff,
  type ReleaseFiles,
  readRelease,
} from '../hot/index.ts'

/** Two images, and what an upgrade of the one to the other takes. */
export interface Comparison {
  diff: ReleaseDiff
  upgrade(direction: 'up' | 'down'): HotUpgrade
  /** What takes the upgrade back. */
  reverse(direction: 'up' | 'down'): HotUpgrade
}

/** `sha256:…` of `cuddle.local/APP@sha256:…` */
export const digestIn = (image: string) => image.slice(image.indexOf('@') + 1)

/**
 * Compares the releases in two images. Layers that both have are not read: our builder puts every file into one layer, and
 * a module into the same one each time.
 *
 * @param read layers that were read before, by digest
 * @throws CuddleError `blob-missing`, `bad-beam` …: an image is gone, or not as we build it
 */
export async function compareImages(
  layout: Layout,
  before: string,
  after: string,
  read?: ReadonlyMap<string, Promise<LayerFiles>>,
): Promise<Comparison> {
  const layersOf = (image: string) => readManifest(layout, digestIn(image)).layers.map(({ digest }) => digest)
  const ofBefore = new Set(layersOf(before))
  const common = new Set(layersOf(after).filter((digest) => ofBefore.has(digest)))
  const readBoth = (without: ReadonlySet<string>) =>
    Promise.all([before, after].map((image) => readRelease(layout, digestIn(image), without, read)))
  let [old, fresh] = await readBoth(common)
  let [listed, next] = [listRelease(old), listRelease(fresh, old)]
  let diff = diffReleases(listed, next)
  if (diff.removed.length > 0 && common.size > 0) {
    // Who calls a removed module may be anywhere.
    ;[old, fresh] = await readBoth(new Set())
    ;[listed, next] = [listRelease(old), listRelease(fresh, old)]
    diff = diffReleases(listed, next)
  }
  return {
    diff,
    upgrade: (direction) => upgradeOf(diff, old, fresh, direction),
    reverse: (direction) => ({ ...upgradeOf(opposite(diff), fresh, old, direction), undo: true }),
  }
}

type Modules = Pick<ReleaseDiff, 'added' | 'changed' | 'removed'>

function opposite({ added, changed, removed }: ReleaseDiff): Modules {
  return {
    added: removed,
    changed: changed.map(({ name, before, after }) => ({ name, before: after, after: before })),
    removed: added,
  }
}

function upgradeOf(diff: Modules, from: ReleaseFiles, to: ReleaseFiles, direction: 'up' | 'down'): HotUpgrade {
  return {
    direction,
    modules: [
      ...diff.changed.map(({ name, before, after }) => ({
        name,
        binary: to.get(after.file)!,
        md5: Buffer.from(after.md5, 'hex'),
        file: after.file,
        previous: from.get(before.file)!,
        expected: Buffer.from(before.md5, 'hex'),
        onLoad: after.onLoad,
      })),
      ...diff.added.map(({ module, file, md5, onLoad }) => ({
        name: module,
        binary: to.get(file)!,
        md5: Buffer.from(md5, 'hex'),
        file,
        onLoad,
      })),
    ],
    removed: diff.removed.map(({ module }) => module),
    targetVersions: new Map(
      diff.changed.flatMap(({ name, after }): [string, Term][] =>
        after.version === undefined ? [] : [[name, after.version]],
      ),
    ),
  }
}
