import { z } from 'zod'
import { defaults } from './app-spec.ts'
import { sizes } from './fields.ts'
import { specFile } from './schema.ts'

/** The JSON Schema (2020-12) of cuddle.yaml, for editors. */
export function specJsonSchema(): Record<string, any> {
  const schema = z.toJSONSchema(specFile, { io: 'input', unrepresentable: 'any' })
  return { ...schema, title: 'cuddle.yaml', description: 'How an app runs on Cuddle. Every key is optional.' }
}

export interface FieldDoc {
  /** Key, with `NAME` for names that the developer chooses. */
  key: string
  type: string
  description: string
  default: string
}

/** Keys whose parts get rows of their own; the others are said more briefly in one. */
const detailed = new Set(['processes', 'release', 'cron', 'health', 'beam', 'build'])

const fallback: Record<string, string> = {
  app: 'the name it was created with',
  processes: 'Procfile, else detected',
  release: 'none',
  scale: String(defaults.scale.min),
  size: defaults.size,
  health: 'the port accepts connections',
  cron: 'none',
  addons: 'none',
  domains: 'none',
  env: 'none',
  storage: 'none',
  patches: 'none',
  'processes.NAME.health': '`health` for `web`',
  'processes.NAME.storage': '`storage` for `web`',
  'processes.NAME.drain': 'the top-level `drain`',
  'processes.NAME.strategy': 'the top-level `strategy`',
  'release.size': 'the top-level `size`',
  'cron.NAME.size': 'the top-level `size`',
  drain: `${defaults.drain}s`,
  strategy: '`rolling`; `recreate` with storage',
  'processes.NAME.port': `${defaults.port} for \`web\``,
  'processes.NAME.scale': String(defaults.scale.min),
  'processes.NAME.size': 'the top-level `size`',
  'health.interval': `${defaults.health.interval}s`,
  'health.timeout': `${defaults.health.timeout}s`,
  'health.failures': String(defaults.health.failures),
  'health.start': `${defaults.health.start}s`,
  'release.timeout': '10m',
  'cron.NAME.timezone': defaults.timezone,
  'cron.NAME.timeout': '1h',
  'beam.cluster': String(defaults.beam.cluster),
  'beam.port': String(defaults.beam.port),
  'beam.cookie': defaults.beam.cookie,
  'build.dir': '`.`',
}

/** The rows of the reference page, from the schema. */
export function specReference(): { fields: FieldDoc[]; sizes: Record<string, { cpu: string; memory: string }> } {
  const fields: FieldDoc[] = []
  walk(specJsonSchema(), '', fields)
  return { fields, sizes }
}

function walk(schema: Record<string, any>, path: string, fields: FieldDoc[]): void {
  for (const [key, field] of Object.entries<Record<string, any>>(schema.properties ?? {})) {
    const name = path === '' ? key : `${path}.${key}`
    fields.push({
      key: name,
      type: typeOf(field),
      description: describe(field),
      default: fallback[name] ?? '',
    })
    if (detailed.has(name)) descend(field, name, fields)
  }
}

function descend(field: Record<string, any>, name: string, fields: FieldDoc[]): void {
  for (const branch of [field, ...(field.anyOf ?? [])]) {
    if (branch.properties) walk(branch, name, fields)
    else if (branch.additionalProperties?.properties || branch.additionalProperties?.anyOf) {
      descend(branch.additionalProperties, `${name}.NAME`, fields)
    } else if (branch.items) descend(branch.items, `${name}[]`, fields)
  }
}

function describe(field: Record<string, any>): string {
  if (field.description) return field.description
  return field.additionalProperties?.description ?? field.items?.description ?? ''
}

function typeOf(field: Record<string, any>): string {
  if (field.const !== undefined) return `\`${field.const}\``
  if (field.enum) return field.enum.map((value: unknown) => `\`${value}\``).join(', ')
  if (field.anyOf) return [...new Set<string>(field.anyOf.map(typeOf))].join(' or ')
  if (Array.isArray(field.type)) return field.type.map((type: string) => typeOf({ type })).join(' or ')
  return words[field.type as string] ?? 'any'
}

const words: Record<string, string> = {
  array: 'list',
  object: 'map',
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'true or false',
}

/** The rows as a Markdown table. */
export function referenceTable(): string {
  const rows = specReference().fields.map(({ key, type, description, default: value }) => {
    const cells = [`\`${key}\``, type, description, value]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| Key | Is | What it says | Default |', '|---|---|---|---|', ...rows].join('\n')
}
