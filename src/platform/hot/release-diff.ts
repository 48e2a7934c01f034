import { sha256 } from '#lib'
import { type BeamFile, readBeam } from './beam-file.ts'

/** A file of a built release, by its path below the release: `lib/shop-0.1.0/ebin/shop.app`. */
export type ReleaseFiles = ReadonlyMap<string, Uint8Array>

export interface ReleaseModule extends BeamFile {
  /** Path below the release. */
  file: string
  application: string
}

/** What of a release counts for an upgrade while it runs. */
export interface ReleaseListing {
  /** By module; consolidated protocols in place of those in `lib`. */
  modules: ReadonlyMap<string, ReleaseModule>
  /** Versions by application, of `lib/NAME-VSN`. */
  applications: ReadonlyMap<string, string>
  /** The text of each .app file, by application, without its list of modules and version. */
  specs: ReadonlyMap<string, string>
  erts: string | undefined
  /** SHA-256 by path: native libraries below `priv`, other files there, configuration of the release. */
  native: ReadonlyMap<string, string>
  assets: ReadonlyMap<string, string>
  config: ReadonlyMap<string, string>
}

/**
 * Reads a release. Pure.
 * @param like a release of which most modules are the same: those are not read again
 * @throws {CuddleError} `bad-beam`
 */
export function listRelease(files: ReleaseFiles, like?: ReleaseFiles): ReleaseListing {
  const modules = new Map<string, ReleaseModule>()
  const applications = new Map<string, string>()
  const specs = new Map<string, string>()
  const native = new Map<string, string>()
  const assets = new Map<string, string>()
  const config = new Map<string, string>()
  let erts: string | undefined
  const moduleAt = (path: string, bytes: Uint8Array) => {
    const other = like?.get(path)
    return readBeam(other && Buffer.compare(other, bytes) === 0 ? other : bytes, path)
  }
  const consolidated: ReleaseModule[] = []
  for (const [path, bytes] of files) {
    erts ??= /^erts-([^/]+)/.exec(path)?.[1]
    const [, application, version, rest] = /^lib\/([^/]+?)(?:-([^/-]+(?:-[^/]*)?))?\/(.+)$/.exec(path) ?? []
    if (application !== undefined) {
      applications.set(application, version ?? '')
      if (/^ebin\/[^/]+\.beam$/.test(rest)) {
        const beam = moduleAt(path, bytes)
        modules.set(beam.module, { ...beam, file: path, application })
      } else if (rest === `ebin/${application}.app`)
        specs.set(application, withoutModules(Buffer.from(bytes).toString()))
      else if (rest.startsWith('priv/'))
        (isElf(bytes) ? native : assets).set(`${application}/${rest}`, sha256(Buffer.from(bytes)))
      continue
    }
    const [, inRelease] = /^releases\/[^/]+\/(.+)$/.exec(path) ?? []
    if (inRelease === undefined) continue
    if (/^consolidated\/[^/]+\.beam$/.test(inRelease)) {
      consolidated.push({ ...moduleAt(path, bytes), file: path, application: 'consolidated' })
    } else if (/^(sys\.config(\.src)?|runtime\.exs|vm\.args(\.src)?|env\.sh)$/.test(inRelease)) {
      config.set(inRelease, sha256(Buffer.from(bytes)))
    }
  }
  for (const module of consolidated) modules.set(module.module, module)
  return { modules, applications, specs, erts, native, assets, config }
}

/** New modules are no reason to restart; the version stands in the folder's name. */
function withoutModules(text: string): string {
  return text
    .replace(/%[^\n]*/g, '')
    .replace(/\{\s*modules\s*,\s*\[[^\]]*\]\s*\}\s*,?/, '')
    .replace(/\{\s*vsn\s*,[^}]*\}\s*,?/, '')
    .replace(/\s+/g, '')
}

const isElf = (bytes: Uint8Array) => bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46

export interface ModuleChange {
  name: string
  before: ReleaseModule
  after: ReleaseModule
}

export interface ReleaseDiff {
  added: readonly ReleaseModule[]
  changed: readonly ModuleChange[]
  removed: readonly ReleaseModule[]
  /** Modules of the new release that call a removed one. */
  dangling: ReadonlyMap<string, readonly string[]>
  erts: { before: string | undefined; after: string | undefined } | undefined
  /** Applications that came, went, or have another version. */
  applications: ReadonlyMap<string, { before: string | undefined; after: string | undefined }>
  /** Applications whose .app changed in more than modules and version. */
  specs: readonly string[]
  native: readonly string[]
  assets: readonly string[]
  config: readonly string[]
}

/** What differs between two releases, module by module. Pure. */
export function diffReleases(before: ReleaseListing, after: ReleaseListing): ReleaseDiff {
  const added: ReleaseModule[] = []
  const changed: ModuleChange[] = []
  for (const [name, module] of after.modules) {
    const old = before.modules.get(name)
    if (!old) added.push(module)
    else if (old.md5 !== module.md5) changed.push({ name, before: old, after: module })
  }
  const removed = [...before.modules.values()].filter(({ module }) => !after.modules.has(module))
  const dangling = new Map<string, readonly string[]>()
  for (const { module } of removed) {
    const callers = [...after.modules.values()].filter(({ calls }) => calls.has(module)).map((caller) => caller.module)
    if (callers.length > 0) dangling.set(module, callers)
  }
  return {
    added,
    changed,
    removed,
    dangling,
    erts: before.erts === after.erts ? undefined : { before: before.erts, after: after.erts },
    applications: new Map(
      differing(before.applications, after.applications).map((name) => [
        name,
        { before: before.applications.get(name), after: after.applications.get(name) },
      ]),
    ),
    specs: differing(before.specs, after.specs).filter((name) => before.specs.has(name) && after.specs.has(name)),
    native: differing(before.native, after.native),
    assets: differing(before.assets, after.assets),
    config: differing(before.config, after.config),
  }
}

function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name)).sort()
}
