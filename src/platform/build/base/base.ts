import { existsSync, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative } from 'node:path'
import { listTree, type TreeEntry } from '#image'
import { CuddleError, sha256 } from '#lib'
import { plan } from '../release-layers.ts'
import type { BuildKind, LayerPlan } from '../types.ts'
import { type LibraryPaths, libraryClosure, libraryPaths, linkChain } from './libraries.ts'
import { debianPackages } from './packages.ts'

/** A shell, what the start scripts of releases call, what `cuddle run` expects, and TLS. */
const programs = ['base-files', 'coreutils', 'dash', 'grep', 'hostname', 'libc-bin', 'netbase', 'openssl', 'sed']
/** One of the two awks; what terminals can do. */
const wherePresent = ['gawk', 'mawk', 'ncurses-base']
/** Loaded by the runtimes and by NIFs of OTP's crypto, so that one base serves all apps. */
const libraries = [
  ...['libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0', 'librt.so.1'],
  ...['libcrypto.so.3', 'libgcc_s.so.1', 'libssl.so.3', 'libstdc++.so.6', 'libtinfo.so.6', 'libz.so.1'],
]
const certificates = '/etc/ssl/certs/ca-certificates.crt'
const unneeded =
  /^\/usr\/share\/(?!common-licenses\/|zoneinfo\/|doc\/[^/]+\/copyright$)|^\/usr\/lib\/(?:engines-|ssl\/misc)|\.(?:gz|pod)$/

/** The user that pods run as (src/manifests), and that nothing in the image belongs to. Only /tmp is theirs to write. */
const texts: Record<string, string> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n',
  'etc/group': 'root:x:0:\napp:x:1000:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
}

const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
}

/** The part of an image that the machine it runs on would give an app that runs in place. */
export interface BaseImage {
  /** What a process of the image finds around it, when the pod gives nothing else. */
  readonly environment: Record<string, string>
  /** What goes below the layers of an app: the system, a runtime that the kind needs, libraries that its programs need. */
  below(kind: BuildKind, layers: readonly LayerPlan[]): Promise<LayerPlan[]>
}

/**
 * Assembles the base from this machine's own files: the same packages give the same layers on any machine. Read once.
 *
 * @param path $PATH, for dpkg, ldconfig and node
 * @throws CuddleError `no-base`, `tool-missing`
 */
export function createBase(path: string | undefined): BaseImage {
  let reading: Promise<{ layers: LayerPlan[]; held: Set<string>; paths: LibraryPaths }> | undefined
  const read = async () => {
    const paths = await libraryPaths(path)
    const entries = await systemEntries(path, paths)
    return { layers: plan('base', entries), held: new Set(entries.map((entry) => `/${entry.path}`)), paths }
  }
  return {
    environment,
    async below(kind, layers) {
      reading ??= read()
      reading.catch(() => (reading = undefined))
      const { layers: base, held, paths } = await reading
      const runtime = kind === 'node' ? plan('node', nodeEntries(path)) : []
      const files = [...runtime, ...layers].flatMap(programsOf)
      const further = [...libraryClosure(files, paths)].filter((file) => !held.has(file)).sort()
      return [...base, ...plan('libraries', further.map(entryOf)), ...runtime]
    },
  }
}

async function systemEntries(path: string | undefined, paths: LibraryPaths): Promise<TreeEntry[]> {
  const packages = debianPackages(path)
  const names = await packages.installed([...programs, ...wherePresent])
  const absent = programs.filter((name) => !names.includes(name))
  if (absent.length > 0)
    throw new CuddleError(
      'no-base',
      `the base of images needs Debian packages that are not installed: ${absent.join(', ')}`,
      {
        hint: `apt-get install --yes ${absent.join(' ')}`,
      },
    )
  const found = new Set<string>()
  const add = (file: string) => {
    for (const part of linkChain(file)) if (!lstatSync(part).isDirectory()) found.add(part)
  }
  for (const file of await packages.files(names)) if (!unneeded.test(file) && existsSync(file)) add(file)
  const own = libraries.flatMap((name) => paths.get(name) ?? [])
  for (const file of own) add(file)
  for (const file of libraryClosure([...found], paths)) found.add(file)
  const owners = await packages.owners([...found, ...own])
  for (const owner of owners)
    if (existsSync(`/usr/share/doc/${owner}/copyright`)) add(`/usr/share/doc/${owner}/copyright`)
  if (existsSync(certificates)) add(certificates)
  return [...topLinks(), ...awk(), ...[...found].sort().map(entryOf), ...given()]
}

/** A merged /usr (Debian 12 and later): /bin, /lib … are links, on which paths in scripts and programs rely. */
function topLinks(): TreeEntry[] {
  return ['/bin', '/lib', '/lib32', '/lib64', '/libx32', '/sbin']
    .filter((folder) => existsSync(folder) && lstatSync(folder).isSymbolicLink())
    .map(entryOf)
}

/** Of the alternatives, the one that this machine has chosen; its links through /etc are left out. */
function awk(): TreeEntry[] {
  if (!existsSync('/usr/bin/awk')) return []
  return [{ path: 'usr/bin/awk', kind: 'symlink', target: basename(realpathSync('/usr/bin/awk')), stamp: '' }]
}

function given(): TreeEntry[] {
  const files = Object.entries(texts).map(([path, text]): TreeEntry => {
    const data = Buffer.from(text)
    return { path, kind: 'file', data, size: data.length, stamp: sha256(text) }
  })
  const folders = ['app', 'root', 'tmp'].map((path): TreeEntry => ({ path, kind: 'directory', stamp: '' }))
  return [...files, ...folders]
}

function entryOf(file: string): TreeEntry {
  const stats = lstatSync(file, { bigint: true })
  const path = file.slice(1)
  const stamp = `${stats.ino}:${stats.size}:${stats.mode}:${stats.ctimeNs}`
  if (stats.isSymbolicLink()) {
    const to = readlinkSync(file)
    // Relative, so that it stays inside wherever the image is unpacked.
    return { path, kind: 'symlink', target: isAbsolute(to) ? relative(dirname(file), to) : to, stamp }
  }
  const executable = (Number(stats.mode) & 0o111) !== 0
  return { path, kind: 'file', source: file, size: Number(stats.size), executable, stamp }
}

/** The machine's node, and its npm where it lies beside it as in Node's own distributions. */
function nodeEntries(path: string | undefined): TreeEntry[] {
  const found = (path ?? '')
    .split(':')
    .map((folder) => join(folder, 'node'))
    .find((file) => existsSync(file))
  if (!found)
    throw new CuddleError('tool-missing', 'node is not installed on this machine', { hint: 'install Node.js' })
  const node = realpathSync(found)
  const { ino, size, mtimeMs } = statSync(node)
  const stamp = `${ino}:${size}:${mtimeMs}`
  const entries: TreeEntry[] = [
    { path: 'usr/local/bin/node', kind: 'file', source: node, size, executable: true, stamp },
  ]
  const npm = join(dirname(dirname(node)), 'lib', 'node_modules', 'npm')
  if (!existsSync(join(npm, 'bin', 'npm-cli.js'))) return entries
  const skip = (file: string) => /^(?:docs|man)(?:\/|$)/.test(file)
  return [
    ...entries,
    { path: 'usr/local/bin/npm', kind: 'symlink', target: '../lib/node_modules/npm/bin/npm-cli.js', stamp: '' },
    ...listTree(npm, { prefix: 'usr/local/lib/node_modules/npm', skip }),
  ]
}

/** Files of a layer that may be programs or libraries. */
function programsOf(layer: LayerPlan): string[] {
  return layer
    .entries()
    .filter(({ kind, executable, path }) => kind === 'file' && (executable || /\.so(?:\.|$)/.test(path)))
    .flatMap(({ source }) => source ?? [])
}
