import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Who may import whom, through index.ts only (docs: ARCHITECTURE.md). */
const allowed: Record<string, readonly string[]> = {
  lib: [],
  spec: ['lib'],
  kube: ['lib'],
  operator: ['lib', 'kube'],
  manifests: ['lib', 'spec', 'kube'],
  beam: ['lib'],
  image: ['lib'],
  git: ['lib'],
  cluster: ['lib', 'kube', 'operator', 'image'],
  platform: ['lib', 'spec', 'kube', 'operator', 'manifests', 'beam', 'image', 'git'],
  cli: ['lib', 'spec', 'kube', 'operator', 'cluster', 'platform'],
  dashboard: ['lib', 'spec', 'kube', 'platform'],
}

/** Only the daemons start the cluster and the operator. */
const starters = new Set(
  ['control', 'control-embedded', 'control-external', 'control-platform', 'node'].map((name) => `src/cli/${name}.ts`),
)

const thirdParty: Record<string, readonly string[]> = {
  lib: [],
  spec: ['zod', 'yaml', 'croner'],
  kube: ['yaml'],
  operator: ['zod'],
  manifests: ['yaml'],
  image: ['tar-stream'],
  cluster: ['croner', 'yaml', '@marcbachmann/cel-js', 'dns-packet'],
  platform: ['zod', 'tar-stream'],
  cli: ['tar-stream'],
}

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

function files(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return files(path)
    return /\.tsx?$/.test(entry.name) ? [path] : []
  })
}

// What a module offers to tests of others is public: operator's testAxn.
const isTest = (path: string) => /\.test\.ts$|\/testing(\.ts$|\/)/.test(path) && path !== 'src/operator/testing.ts'
const sources = files(join(root, 'src')).map((path) => relative(root, path))
const production = sources.filter((path) => !isTest(path))
const code = new Map(production.map((path) => [path, strip(readFileSync(join(root, path), 'utf8'))]))

/** Comments and the insides of template strings are no code. */
function strip(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\\])\/\/[^\n]*/g, '$1')
}

function imports(path: string): Import[] {
  const text = code.get(path)!
  const found: Import[] = []
  for (const match of text.matchAll(
    /(?:^|\n)\s*(import|export)\s+(type\s)?[^'"\n;]*?(?:\{[^}]*\}[^'"\n]*)?from\s+['"]([^'"]+)['"]/g,
  )) {
    found.push({ from: path, to: match[3], typeOnly: match[2] !== undefined })
  }
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g))
    found.push({ from: path, to: match[1], typeOnly: false })
  for (const match of text.matchAll(/(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g))
    found.push({ from: path, to: match[1], typeOnly: false })
  return found
}

const moduleOf = (path: string) => path.split('/')[1]

test('modules import only those below them, through their index', () => {
  const wrong: string[] = []
  for (const path of production) {
    const from = moduleOf(path)
    for (const { to } of imports(path)) {
      if (to.startsWith('.')) {
        const target = relative(root, resolve(root, dirname(path), to))
        if (moduleOf(target) !== from) wrong.push(`${path} reaches into ${target}`)
      } else if (to.startsWith('#')) {
        const target = to.slice(1)
        if (target !== from && !allowed[from].includes(target)) wrong.push(`${path} imports ${to}`)
        if (from === 'cli' && (target === 'cluster' || target === 'operator') && !starters.has(path))
          wrong.push(`${path} imports ${to}`)
      } else if (!to.startsWith('node:')) {
        const name = to.startsWith('@') ? to.split('/').slice(0, 2).join('/') : to.split('/')[0]
        if (!thirdParty[from]?.includes(name)) wrong.push(`${path} imports the package ${name}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
})

test('node:http is taken from #lib, for an import of it loads undici into every process', () => {
  const wrong = production
    .flatMap(imports)
    .filter(({ to, typeOnly }) => /^node:https?$/.test(to) && !typeOnly)
    .map(({ from, to }) => `${from} imports ${to}`)
  assert.deepEqual(wrong, [])
})

test('spec and manifests do no I/O and never wait', () => {
  const wrong: string[] = []
  for (const path of production.filter((item) => /^src\/(spec|manifests)\//.test(item))) {
    for (const { to } of imports(path)) if (to.startsWith('node:')) wrong.push(`${path} imports ${to}`)
    if (/\bawait\b/.test(code.get(path)!)) wrong.push(`${path} awaits`)
  }
  assert.deepEqual(wrong, [])
})

test('manifests takes only types from kube', () => {
  const wrong = production
    .filter((path) => path.startsWith('src/manifests/'))
    .flatMap(imports)
    .filter(({ to, typeOnly }) => to === '#kube' && !typeOnly)
  assert.deepEqual(wrong, [])
})

test('time, chance, the environment and the console are dependencies', () => {
  const wrong: string[] = []
  for (const path of production.filter((item) => !/^src\/(lib|cli)\//.test(item))) {
    for (const name of ['process.env', 'Date.now(', 'Math.random(', 'setTimeout(', 'setInterval(', 'console.']) {
      if (code.get(path)!.includes(name)) wrong.push(`${path} uses ${name}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('only the entries read the environment', () => {
  const entries = new Set(['src/cli/main.ts', 'src/cli/daemon.ts'])
  const wrong = production
    .filter((path) => code.get(path)!.includes('process.env') || /\{ env \} = process/.test(code.get(path)!))
    .filter((path) => !entries.has(path))
  assert.deepEqual(wrong, [])
})

test('there is no import cycle, not even inside a module', () => {
  const graph = new Map<string, string[]>()
  for (const path of production) {
    const targets = imports(path).filter(({ to, typeOnly }) => to.startsWith('.') && !typeOnly)
    graph.set(
      path,
      targets.map(({ to }) => relative(root, resolve(root, dirname(path), to))),
    )
  }
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (path: string, trail: string[]) => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      return
    }
    state.set(path, 'open')
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) visit(path, [])
  assert.deepEqual(cycles, [])
})

test('testing folders serve tests only', () => {
  const wrong = production
    .flatMap(imports)
    .filter(({ from, to }) => /(^|\/)testing(\.ts$|\/|$)/.test(to) && from !== 'src/operator/index.ts')
  assert.deepEqual(wrong, [])
})
