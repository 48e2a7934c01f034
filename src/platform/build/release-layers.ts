import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { listTree, parentEntries, type TreeEntry, treeKey } from '#image'
import type { LayerPlan } from './types.ts'

/** An app's modules are spread over several layers from this size on, so that a change rewrites few of them. */
const spreadFrom = 256 * 1024
const perLayer = 64 * 1024
const maxSpread = 16

/**
 * The layers of a release of any BEAM language: `erts`, `dependencies` (OTP, the language, libraries) and `app` (own
 * applications, boot scripts, configuration), each changing more often than the one below. Modules of a large app are
 * spread over up to 16 layers by name: the change of one rewrites a sixteenth, and where a module lies depends on
 * nothing but its name and the size of the app.
 * @param own names of the app's own applications
 * @param stable the layers of an earlier call, when surely only the app changed since: what lies below is not listed again
 */
export function releaseLayers(release: string, own: readonly string[], stable?: readonly LayerPlan[]): LayerPlan[] {
  const below = stable?.filter((layer) => layer.name === 'erts' || layer.name === 'dependencies')
  const skip = (path: string) => path === 'tmp' || (below !== undefined && partOf(path, own) !== 'app')
  const parts: Record<Part, TreeEntry[]> = { erts: [], dependencies: [], app: [] }
  for (const entry of listTree(release, { prefix: 'app', skip })) {
    parts[partOf(entry.path.slice('app/'.length), own)].push(entry)
  }
  return [
    ...(below ?? [...plan('erts', parts.erts), ...plan('dependencies', parts.dependencies)]),
    ...spread(parts.app),
  ]
}

type Part = 'erts' | 'dependencies' | 'app'

function partOf(path: string, own: readonly string[]): Part {
  const [top, second] = path.split('/', 2)
  if (top.startsWith('erts-')) return 'erts'
  return top === 'lib' && second !== undefined && !isOwn(second, own) ? 'dependencies' : 'app'
}

function isOwn(folder: string, own: readonly string[]): boolean {
  const name = folder.slice(0, folder.indexOf('-') < 0 ? undefined : folder.indexOf('-'))
  return own.includes(name)
}

function spread(app: TreeEntry[]): LayerPlan[] {
  const modules = app.filter(
    (entry) => entry.kind === 'file' && /^app\/lib\/[^/]+\/ebin\/[^/]+\.beam$/.test(entry.path),
  )
  const bytes = modules.reduce((sum, entry) => sum + (entry.size ?? 0), 0)
  if (bytes < spreadFrom) return plan('app', app)
  let count = 2
  while (count < maxSpread && count * perLayer < bytes) count *= 2
  const groups = Array.from({ length: count }, (): TreeEntry[] => [])
  const spreadOut = new Set(modules)
  for (const entry of modules) groups[createHash('sha256').update(entry.path).digest()[0] % count].push(entry)
  return [
    ...groups.flatMap((group, index) => plan(`app modules ${index + 1}/${count}`, group)),
    ...plan(
      'app',
      app.filter((entry) => !spreadOut.has(entry)),
    ),
  ]
}

/** No layer for no entries. Every layer names the folders above its files, so that their mode does not depend on the order. */
export function plan(name: string, entries: readonly TreeEntry[]): LayerPlan[] {
  if (entries.length === 0) return []
  return [
    {
      name,
      key: treeKey(entries),
      entries: () => {
        const all = new Map(entries.flatMap((entry) => parentEntries(entry.path)).map((entry) => [entry.path, entry]))
        for (const entry of entries) all.set(entry.path, entry)
        return [...all.values()]
      },
    },
  ]
}

/** The name and version of an assembled release, from releases/start_erl.data and the .rel file (OTP, rel(4)). */
export function releaseIdentity(
  release: string,
  readText: (path: string) => string | undefined,
): { name: string; version: string } | undefined {
  const version = readText('releases/start_erl.data')?.trim().split(' ')[1]
  if (!version) return undefined
  const file = readdirSync(`${release}/releases/${version}`).find(
    (name) => name.endsWith('.rel') && !name.startsWith('start'),
  )
  return file ? { name: file.slice(0, -4), version } : undefined
}
