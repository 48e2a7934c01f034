import { zeroId } from './repository.ts'

export interface PushedRef {
  /** `refs/heads/main` */
  ref: string
  /** Object ids; all zeros: the ref did or will not exist. */
  old: string
  new: string
  kind: 'branch' | 'tag' | 'delete' | 'other'
}

export interface Push {
  app: string
  /** What `authenticate` returned. */
  user: string
  /** All that is updated. */
  refs: PushedRef[]
  /** The deploy branch among them. */
  deploy: PushedRef
  gitDir: string
  /** Git's quarantine: with these variables a git program sees the pushed objects, which are not part of the repository yet. */
  env: Record<string, string>
  /** `git push -o …` */
  options: string[]
  /** Shows a line to the pusher, as `remote: …`. */
  write(line: string): void
  /** Aborts when the pusher goes away. */
  signal: AbortSignal
}

export const deployBranches = ['refs/heads/main', 'refs/heads/master']

export type Verdict = { accept: boolean; lines: string[] } | { deploy: PushedRef; lines: string[] }

/** What is to be done with a push, by its refs alone. */
export function judge(refs: readonly PushedRef[]): Verdict {
  const deploy = deployBranches.map((name) => refs.find(({ ref }) => ref === name)).find((found) => found !== undefined)
  if (deploy?.kind === 'delete')
    return { accept: false, lines: [`${short(deploy.ref)} is what runs; it cannot be deleted`] }
  const others = refs.filter((ref) => ref.kind === 'branch' && ref !== deploy)
  const hidden = refs.find((ref) => ref.kind === 'other')
  if (hidden) return { accept: false, lines: [`${hidden.ref}: only branches and tags can be pushed`] }
  if (deploy) {
    const lines = others.map(
      ({ ref }) => `${short(ref)} is kept, but not deployed: Cuddle deploys ${short(deploy.ref)}`,
    )
    return { deploy, lines }
  }
  if (others.length > 0) {
    const name = short(others[0].ref)
    return { accept: false, lines: [`pushed to ${name}; Cuddle deploys main: git push cuddle ${name}:main`] }
  }
  return { accept: true, lines: refs.some((ref) => ref.kind === 'tag') ? ['tags are kept; nothing was deployed'] : [] }
}

/** The name of a ref as people say it. */
export function short(ref: string): string {
  return ref.replace(/^refs\/(heads|tags)\//, '')
}

/** Reads what the hook says about a push, line by line. */
export class PushReader {
  readonly refs: PushedRef[] = []
  readonly env: Record<string, string> = {}
  readonly options: string[] = []

  /** True when the line was the last one. */
  line(text: string): boolean {
    const space = text.indexOf(' ')
    const [word, rest] = space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)]
    if (word === 'ref') {
      const [old, id, ...name] = rest.split(' ')
      const ref = name.join(' ')
      this.refs.push({ ref, old, new: id, kind: kindOf(ref, id) })
    } else if (word === 'env') {
      const at = rest.indexOf(' ')
      if (rest.length > at + 1) this.env[rest.slice(0, at)] = rest.slice(at + 1)
    } else if (word === 'option') this.options.push(rest)
    return word === 'end'
  }
}

function kindOf(ref: string, id: string): PushedRef['kind'] {
  if (zeroId.test(id)) return 'delete'
  if (ref.startsWith('refs/heads/')) return 'branch'
  return ref.startsWith('refs/tags/') ? 'tag' : 'other'
}
