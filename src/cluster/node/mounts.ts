import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { exec } from '#lib'

/** What a private view of the file system needs on this machine; undefined where it cannot be had. */
export type Namespaces = 'root' | 'user'

/** Finds out whether mount namespaces can be made here: as root, or in a user namespace. Costs a few ms. */
export async function findNamespaces(path: string): Promise<Namespaces | undefined> {
  for (const kind of ['root', 'user'] as const) {
    try {
      const trial = 'mount -t tmpfs none /mnt && chroot / true'
      const { code } = await exec('unshare', [...flags(kind), 'sh', '-c', trial], {
        env: { PATH: path },
        timeoutMs: 5000,
      })
      if (code === 0) return kind
    } catch {
      // no unshare(1) here
    }
  }
  return undefined
}

function flags(kind: Namespaces): string[] {
  return [kind === 'root' ? '-m' : '-Urm', '--propagation', 'private']
}

export interface BindMount {
  /** Absolute, on this machine. */
  source: string
  /** Absolute, as the container sees it. */
  target: string
}

export interface View {
  /** A directory of this attempt's own; becomes the container's root. */
  root: string
  /** Lines as of fstab(5). */
  table: string
}

/**
 * Lays out a root of empty directories on which the machine's own are bound, with the given mounts over them. A target
 * that the machine does not have (`/data`) needs no directory on the machine: each existing directory on the way to it
 * is rebuilt, entry by entry.
 */
export function layOut(root: string, mounts: readonly BindMount[]): View {
  const binds: BindMount[] = []
  const rebuilt = new Set(['/'])
  for (const { target } of mounts) {
    if (isDirectory(target)) continue
    let missing = target
    for (let parent = dirname(target); parent !== '/'; parent = dirname(parent)) {
      if (isDirectory(parent)) break
      missing = parent
    }
    for (let parent = dirname(missing); parent !== '/'; parent = dirname(parent)) rebuilt.add(parent)
  }
  for (const directory of [...rebuilt].sort()) rebuild(root, directory, rebuilt, binds)
  for (const mount of [...mounts].sort((a, b) => a.target.length - b.target.length)) {
    // Below another mount or a bound directory the place is there, or is made in the mount's own source.
    const cover = [...binds].reverse().find(({ target }) => mount.target.startsWith(`${target}/`))
    const place = cover ? join(cover.source, mount.target.slice(cover.target.length)) : join(root, mount.target)
    if (!existsSync(place)) mkdirSync(place, { recursive: true })
    binds.push(mount)
  }
  const table = binds
    .map(({ source, target }) => `${field(source)} ${field(join(root, target))} none rbind 0 0\n`)
    .join('')
  return { root, table }
}

function rebuild(root: string, directory: string, rebuilt: ReadonlySet<string>, binds: BindMount[]): void {
  mkdirSync(join(root, directory), { recursive: true })
  for (const name of readdirSync(directory)) {
    const source = join(directory, name)
    const stat = lstatSync(source, { throwIfNoEntry: false })
    if (!stat || rebuilt.has(source)) continue
    if (stat.isSymbolicLink()) symlinkSync(readlinkSync(source), join(root, source))
    else if (stat.isDirectory()) {
      mkdirSync(join(root, source), { recursive: true })
      binds.push({ source, target: source })
    } else if (stat.isFile()) {
      writeFileSync(join(root, source), '')
      binds.push({ source, target: source })
    }
  }
}

const enter = `root=$1 table=$2 cwd=$3
shift 3
mount -a -T "$table" && exec chroot "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$cwd" "$@"`

/** The command that runs `command` in a view: same process, so pid and signals stay what they are. */
export function inView(
  kind: Namespaces,
  view: View,
  tableFile: string,
  cwd: string,
  command: readonly string[],
): string[] {
  writeFileSync(tableFile, view.table)
  return ['unshare', ...flags(kind), '/bin/sh', '-c', enter, 'cuddle-mounts', view.root, tableFile, cwd, ...command]
}

const overFile = 'mount --bind "$1" "$2"; shift 2; exec "$@"'

/** The command that runs `command` with one file of the machine replaced, as root; whatever else it sees is the machine's. */
export function withFile({ source, target }: BindMount, command: readonly string[]): string[] {
  return ['unshare', ...flags('root'), '/bin/sh', '-c', overFile, 'cuddle-file', source, target, ...command]
}

/** What goes before a command so that it runs in the view of a process. */
export function joining(kind: Namespaces, pid: number): string[] {
  const user = kind === 'user' ? ['-U', '--preserve-credentials'] : []
  return ['nsenter', '-t', String(pid), ...user, '-m', '-r', '-w', '--']
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function field(path: string): string {
  return path.replace(/[\\ \t\n]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
