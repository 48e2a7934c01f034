import { readFileSync } from 'node:fs'
import type { Schema } from './types.ts'

type Raw = Schema & { ref?: string }

const packages = new Map<string, Record<string, Raw>>()
const definitions = new Map<string, Schema>()

function load(file: string): any {
  return JSON.parse(readFileSync(new URL(`./generated/${file}.json`, import.meta.url), 'utf8'))
}

/** The generated index: resources and the definition of each kind. Read once. */
export const index: () => { resources: any[]; kinds: Record<string, string> } = (() => {
  let loaded: any
  return () => (loaded ??= load('index'))
})()

/**
 * A built-in definition by its short name (`core.v1.PodSpec`), references followed. A package's file is read when its first
 * definition is asked for. Throws for names that do not exist: they only come from the generated files.
 */
export function definition(name: string): Schema {
  const known = definitions.get(name)
  if (known) return known
  const at = name.lastIndexOf('.')
  const pkg = name.slice(0, at)
  let record = packages.get(pkg)
  if (!record) packages.set(pkg, (record = load(pkg) as Record<string, Raw>))
  const raw = record[name.slice(at + 1)]
  if (!raw) throw new Error(`no definition ${name} in the generated schema`)
  const schema: Schema = Object.assign(raw, { name })
  definitions.set(name, schema)
  follow(raw)
  return schema
}

/** The schema of a built-in kind, subresource kinds (Scale, Eviction, TokenRequest …) included. */
export function schemaOf(group: string, version: string, kind: string): Schema | undefined {
  const name = index().kinds[`${group}|${version}|${kind}`]
  return name === undefined ? undefined : definition(name)
}

// A reference with siblings (a default, a strategy) becomes an object whose prototype is the definition, which also works while
// the definition is still being filled (schemas are cyclic).
function resolve(node: Raw): Schema {
  if (node.ref === undefined) {
    follow(node)
    return node
  }
  const target = definition(node.ref)
  const { ref: _, ...siblings } = node
  return Object.keys(siblings).length === 0 ? target : Object.assign(Object.create(target), siblings)
}

function follow(node: Raw): void {
  if (node.properties) {
    const properties: Record<string, Schema> = Object.create(null)
    for (const key in node.properties) properties[key] = resolve(node.properties[key])
    node.properties = properties
  }
  if (node.items) node.items = resolve(node.items)
  if (node.additional && node.additional !== true) node.additional = resolve(node.additional)
}
