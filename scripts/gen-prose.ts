// Writes src/cluster/api/openapi/prose.json.br: what the official OpenAPI documents say about each kind and field that the
// embedded cluster serves, for `kubectl explain`. The texts are those of Kubernetes (Apache-2.0), compressed because few
// people ask. Run after gen-schema.ts. Usage: node scripts/gen-prose.ts OPENAPI_V3.json SWAGGER.json
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'
import { publicName } from '../src/cluster/api/openapi/definitions.ts'

const [, , openapiPath, swaggerPath] = process.argv
const sources = [
  JSON.parse(readFileSync(openapiPath, 'utf8')).components.schemas,
  JSON.parse(readFileSync(swaggerPath, 'utf8')).definitions,
]
const generated = new URL('../src/cluster/machinery/generated/', import.meta.url)

/** `[of the type, of its fields]` by the public name of the type. */
const prose: Record<string, [string, Record<string, string>]> = {}

function note(name: string): void {
  const source = sources.find((source) => source[name])?.[name]
  if (!source) return
  const fields = Object.entries<any>(source.properties ?? {}).filter(([, field]) => field.description)
  prose[name] = [
    source.description ?? '',
    Object.fromEntries(fields.map(([field, { description }]) => [field, description])),
  ]
}

for (const file of readdirSync(generated).sort()) {
  if (file === 'index.json') continue
  const pkg = file.replace(/\.json$/, '')
  for (const name of Object.keys(JSON.parse(readFileSync(new URL(file, generated), 'utf8')))) {
    note(publicName(`${pkg}.${name}`))
    note(`${publicName(`${pkg}.${name}`)}List`)
  }
}
const text = Buffer.from(JSON.stringify(prose))
const params = { [constants.BROTLI_PARAM_SIZE_HINT]: text.length }
const packed = brotliCompressSync(text, { params })
writeFileSync(new URL('../src/cluster/api/openapi/prose.json.br', import.meta.url), packed)
console.log(`${Object.keys(prose).length} types, ${text.length} bytes, ${packed.length} compressed`)
