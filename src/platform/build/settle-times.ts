import { lstatSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#lib'

/**
 * Mix compares times in whole seconds: a file that changed in the second in which the last compilation began looks old
 * to it when its size is the same. Elixir's manifest is aged by a second then (contents decide among newer files, by
 * digest); Erlang's compilers compare with their output alone, so there the second is waited out. A first build has its
 * files dated back, so that the next one need not wonder.
 * @param paths files that may have changed since the last compilation
 */
export async function settleTimes(src: string, paths: Iterable<string>, clock: Clock): Promise<void> {
  const manifests = manifestsIn(src)
  const newest = Math.max(0, ...manifests.map(secondOf))
  for (const path of paths) {
    const file = join(src, path)
    const second = secondOf(file)
    if (manifests.length === 0) {
      const before = clock.now() / 1000 - 60
      if (lstatSync(file, { throwIfNoEntry: false })?.isFile()) utimesSync(file, before, before)
    } else if (second < newest) continue
    else if (/\.(erl|hrl|yrl|xrl)$/.test(path)) {
      if (second === Math.floor(clock.now() / 1000)) await clock.sleep(1000 - (clock.now() % 1000))
      utimesSync(file, clock.now() / 1000, clock.now() / 1000)
    } else {
      for (const manifest of manifests) if (secondOf(manifest) === second) utimesSync(manifest, second - 1, second - 1)
    }
  }
}

function manifestsIn(src: string): string[] {
  const libraries = join(src, '_build', 'prod', 'lib')
  let names: string[]
  try {
    names = readdirSync(libraries)
  } catch {
    return []
  }
  const files = names.map((name) => join(libraries, name, '.mix', 'compile.elixir'))
  return files.filter((file) => statSync(file, { throwIfNoEntry: false }))
}

function secondOf(file: string): number {
  return Math.floor((lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) / 1000)
}
