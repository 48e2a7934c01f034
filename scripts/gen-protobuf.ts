// Writes src/cluster/api/protobuf/generated.json: how the served kinds look on the wire as protobuf, as one line of fields per
// message. Numbers and types come from the official generated.proto files, JSON names and what is left out when it is zero from
// the tags of the Go structs beside them; no prose.
// Usage: node scripts/gen-protobuf.ts DIRECTORY… (the Go modules k8s.io/api, apimachinery, apiextensions-apiserver, kube-aggregator)
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const prefixes = [
  'k8s.io.apimachinery.pkg.apis.',
  'k8s.io.apimachinery.pkg.api.',
  'k8s.io.apimachinery.pkg.util.',
  'k8s.io.apimachinery.pkg.',
  'k8s.io.apiextensions_apiserver.pkg.apis.',
  'k8s.io.kube_aggregator.pkg.apis.',
  'k8s.io.api.',
]
const scalars: Record<string, string> = {
  string: 's',
  bool: 'b',
  bytes: 'y',
  int32: 'i',
  int64: 'i',
  uint32: 'i',
  uint64: 'i',
  double: 'd',
}
/** What the body of a request can be besides the resources themselves. */
const extraKinds: Record<string, string> = { '*|*|DeleteOptions': 'meta.v1.DeleteOptions' }

interface Field {
  number: number
  name: string
  type: string
  repeated: boolean
  map: boolean
}
interface Tag {
  json: string
  omitempty: boolean
  pointer: boolean
}

const messages = new Map<string, Field[]>()
const tags = new Map<string, Map<number, Tag>>()
const slices = new Set<string>()

for (const directory of process.argv.slice(2)) {
  const files = readdirSync(directory, { recursive: true }) as string[]
  for (const file of files) if (file.endsWith('generated.proto')) readPackage(join(directory, file))
}

function short(name: string): string {
  const full = name.replace(/^\./, '')
  const prefix = prefixes.find((one) => full.startsWith(one))
  return prefix ? full.slice(prefix.length) : full
}

function readPackage(path: string): void {
  const text = readFileSync(path, 'utf8').replace(/\/\/[^\n]*/g, '')
  const pkg = short(/^package ([\w.]+);/m.exec(text)![1])
  for (const [, name, body] of text.matchAll(/^message (\w+) \{([\s\S]*?)^\}/gm)) {
    const fields: Field[] = []
    for (const match of body.matchAll(
      /(optional|repeated) (\.?[\w.]+) (\w+) = (\d+);|map<string, (\.?[\w.]+)> (\w+) = (\d+);/g,
    )) {
      const [, label, plain, plainName, plainNumber, value, mapName, mapNumber] = match
      const type = plain ?? value
      fields.push({
        number: Number(plainNumber ?? mapNumber),
        name: plainName ?? mapName,
        type: scalars[type] ?? (type.startsWith('.') ? short(type) : `${pkg}.${type}`),
        repeated: label === 'repeated',
        map: value !== undefined,
      })
    }
    messages.set(`${pkg}.${name}`, fields)
  }
  for (const file of readdirSync(dirname(path))) {
    if (!file.endsWith('.go') || /_test\.go$|^generated\.|^zz_generated/.test(file)) continue
    readTypes(pkg, readFileSync(join(dirname(path), file), 'utf8'))
  }
}

function readTypes(pkg: string, text: string): void {
  for (const [, name, body] of text.matchAll(/^type (\w+) struct \{([\s\S]*?)^\}/gm)) {
    const found = new Map<number, Tag>()
    for (const [, type, json, number] of body.matchAll(
      /^\s+(?:\w+\s+)?(\S+)\s+`[^`]*?json:"([^"]*)"[^`]*?protobuf:"\w+,(\d+)[^"]*"/gm,
    )) {
      const [jsonName, ...options] = json.split(',')
      found.set(Number(number), {
        json: jsonName,
        omitempty: options.includes('omitempty'),
        pointer: type.startsWith('*'),
      })
    }
    tags.set(`${pkg}.${name}`, found)
  }
  for (const [, name] of text.matchAll(/^type (\w+) \[\]string$/gm)) slices.add(`${pkg}.${name}`)
}

function line(name: string): string {
  if (slices.has(name)) return '[]'
  return messages
    .get(name)!
    .map(({ number, name: field, type, repeated, map }) => {
      const tag = tags.get(name)?.get(number)
      const scalar = type.length === 1 && !repeated && !map
      const dropped = tag?.omitempty && !tag.pointer && scalar ? '?' : ''
      return `${number} ${tag?.json ?? field}${dropped} ${repeated ? '*' : map ? '%' : ''}${type}`
    })
    .join()
}

const index = JSON.parse(readFileSync(join(root, 'src/cluster/machinery/generated/index.json'), 'utf8'))
const kinds: Record<string, string> = {}
for (const [key, name] of Object.entries<string>({ ...index.kinds, ...extraKinds }))
  if (messages.has(name)) kinds[key] = name
const out: Record<string, string> = {}
const queue = Object.values(kinds)
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  if (name in out) continue
  out[name] = line(name)
  for (const { type } of messages.get(name)!) if (type.length > 1) queue.push(type)
}
const sorted = (record: Record<string, string>) => Object.fromEntries(Object.entries(record).sort())
const target = join(root, 'src/cluster/api/protobuf/generated.json')
if (!existsSync(dirname(target))) throw new Error(`${dirname(target)} is not there`)
writeFileSync(target, `${JSON.stringify({ kinds: sorted(kinds), messages: sorted(out) }, null, 1)}\n`)
