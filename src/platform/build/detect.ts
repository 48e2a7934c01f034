import { CuddleError } from '#lib'
import type { Listing } from './listing.ts'
import type { BuildKind } from './types.ts'

const marks: { file: string; kind: BuildKind; title: string }[] = [
  { file: 'mix.exs', kind: 'elixir', title: 'Elixir' },
  { file: 'rebar.config', kind: 'erlang', title: 'Erlang' },
  { file: 'package.json', kind: 'node', title: 'Node.js' },
  { file: 'Procfile', kind: 'procfile', title: 'Procfile' },
]

const known: Record<string, string> = {
  'requirements.txt': 'Python',
  'pyproject.toml': 'Python',
  Gemfile: 'Ruby',
  'go.mod': 'Go',
  'Cargo.toml': 'Rust',
  'pom.xml': 'Java',
  'build.gradle': 'Java',
  'composer.json': 'PHP',
  Dockerfile: 'Docker',
}

/** What an app is, by the files at its root; the first of mix.exs, rebar.config, package.json, Procfile decides. */
export function detect(listing: Listing): { kind: BuildKind; reason: string; title: string } {
  for (const { file, kind, title } of marks) {
    if (listing.has(file)) return { kind, reason: `found ${file}`, title }
  }
  if (listing.size === 0) throw new CuddleError('nothing-to-build', 'the source is empty: there is nothing to build')
  const looked = marks.map((mark) => `${mark.file} (${mark.title})`).join(', ')
  const details = [`looked at the root for ${looked}`]
  const nested = [...listing.keys()].find((path) => marks.some((mark) => path.endsWith(`/${mark.file}`)))
  if (nested) details.push(`there is ${nested}, but an app must be at the root of what is pushed`)
  const other = Object.keys(known).find((file) => listing.has(file))
  if (other)
    details.push(`${other} suggests ${known[other]}, which is not built here: add a Procfile that starts the app`)
  throw new CuddleError('nothing-to-build', 'no app was recognised in the source', {
    details,
    hint: nested
      ? `push the folder itself: git subtree push --prefix ${nested.slice(0, nested.lastIndexOf('/'))} cuddle main`
      : 'add a Procfile, for example: web: ./server --port $PORT',
  })
}
