// Writes src/cluster/machinery/generated/*.json: the resources that the embedded cluster serves and the schemas of their
// kinds (types, list keys, merge keys, defaults, enums; no prose), one file per API package.
// Usage: node scripts/gen-schema.ts OPENAPI_V3.json SWAGGER.json
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const served = [
  '/v1',
  'apps/v1',
  'batch/v1',
  'networking.k8s.io/v1',
  'discovery.k8s.io/v1',
  'policy/v1',
  'autoscaling/v1',
  'autoscaling/v2',
  'coordination.k8s.io/v1',
  'rbac.authorization.k8s.io/v1',
  'storage.k8s.io/v1',
  'scheduling.k8s.io/v1',
  'node.k8s.io/v1',
  'admissionregistration.k8s.io/v1',
  'apiextensions.k8s.io/v1',
  'apiregistration.k8s.io/v1',
  'events.k8s.io/v1',
  'certificates.k8s.io/v1',
  'authentication.k8s.io/v1',
  'authorization.k8s.io/v1',
]

// The names kubectl's users type. The OpenAPI documents do not carry them.
const shortNames: Record<string, string[]> = {
  configmaps: ['cm'],
  endpoints: ['ep'],
  events: ['ev'],
  limitranges: ['limits'],
  namespaces: ['ns'],
  nodes: ['no'],
  persistentvolumeclaims: ['pvc'],
  persistentvolumes: ['pv'],
  pods: ['po'],
  replicationcontrollers: ['rc'],
  resourcequotas: ['quota'],
  serviceaccounts: ['sa'],
  services: ['svc'],
  daemonsets: ['ds'],
  deployments: ['deploy'],
  replicasets: ['rs'],
  statefulsets: ['sts'],
  horizontalpodautoscalers: ['hpa'],
  cronjobs: ['cj'],
  certificatesigningrequests: ['csr'],
  ingresses: ['ing'],
  networkpolicies: ['netpol'],
  poddisruptionbudgets: ['pdb'],
  priorityclasses: ['pc'],
  storageclasses: ['sc'],
  customresourcedefinitions: ['crd', 'crds'],
  servicecidrs: [],
  ipaddresses: ['ip'],
  volumeattributesclasses: ['vac'],
}
const apiExtensions = new Set(['admissionregistration.k8s.io', 'apiextensions.k8s.io', 'apiregistration.k8s.io'])
const inAll = new Set(
  'pods services replicationcontrollers daemonsets deployments replicasets statefulsets horizontalpodautoscalers cronjobs jobs'.split(
    ' ',
  ),
)
const verbOf: Record<string, string> = { post: 'create', put: 'update' }

const [, , openapiPath, swaggerPath] = process.argv
const v3: Record<string, any> = JSON.parse(readFileSync(openapiPath, 'utf8')).components.schemas
const swagger = JSON.parse(readFileSync(swaggerPath, 'utf8'))

interface Row {
  group: string
  version: string
  kind: string
  plural: string
  namespaced: boolean
  verbs: string[]
  shortNames?: string[]
  categories?: string[]
  scale?: boolean
  status?: boolean
  extra?: Record<string, { group: string; version: string; kind: string; verbs: string[] }>
}

const rows = new Map<string, Row>()
const subs: { row: string; sub: string; gvk: any; verb: string }[] = []
for (const [path, operations] of Object.entries<any>(swagger.paths)) {
  const match =
    /^\/(?:api|apis\/([^/]+))\/(v\d+)\/(?:(namespaces)\/\{namespace\}\/)?([a-z]+)(?:\/\{name\}(?:\/(\w+))?)?$/.exec(
      path,
    )
  if (!match) continue
  const [, group = '', version, inNamespace, plural, sub] = match
  if (!served.includes(`${group}/${version}`) || plural === 'watch' || plural === 'componentstatuses') continue
  const key = `${group}/${version}/${plural}`
  for (const [method, operation] of Object.entries<any>(operations)) {
    const action = operation['x-kubernetes-action']
    const gvk = operation['x-kubernetes-group-version-kind']
    if (!action || !gvk) continue
    const verb = verbOf[action] ?? action
    if (sub) {
      if (action !== 'connect') subs.push({ row: key, sub, gvk, verb })
      else subs.push({ row: key, sub, gvk, verb: verbOf[method] ?? method })
      continue
    }
    let row = rows.get(key)
    if (!row) rows.set(key, (row = { group, version, kind: gvk.kind, plural, namespaced: false, verbs: [] }))
    if (inNamespace) row.namespaced = true
    if (!row.verbs.includes(verb)) row.verbs.push(verb)
    if (verb === 'list' && !row.verbs.includes('watch')) row.verbs.push('watch')
  }
}
for (const { row: key, sub, gvk, verb } of subs) {
  const row = rows.get(key)
  if (!row || verb === 'options' || verb === 'head') continue
  if (sub === 'status') row.status = true
  else if (sub === 'scale') row.scale = true
  else {
    row.extra ??= {}
    row.extra[sub] ??= { group: gvk.group, version: gvk.version, kind: gvk.kind, verbs: [] }
    if (!row.extra[sub].verbs.includes(verb)) row.extra[sub].verbs.push(verb)
  }
}
for (const row of rows.values()) {
  row.verbs.sort()
  for (const extra of Object.values(row.extra ?? {})) extra.verbs.sort()
  if (shortNames[row.plural]) row.shortNames = row.group === 'events.k8s.io' ? ['ev'] : shortNames[row.plural]
  if (inAll.has(row.plural)) row.categories = ['all']
  if (apiExtensions.has(row.group)) row.categories = ['api-extensions']
}

/** `io.k8s.api.core.v1.Pod` → `core.v1.Pod`: package, version, name. */
function short(full: string): string {
  const parts = full.split('.')
  const name = parts.pop()!
  const version = /^v\d/.test(parts.at(-1)!) ? parts.pop()! : ''
  const pkg = full.startsWith('io.k8s.apimachinery.pkg.apis.meta') ? 'meta' : parts.at(-1)!
  return version ? `${pkg}.${version}.${name}` : `${pkg}.${name}`
}

const definitions: Record<string, Record<string, any>> = {}
const queue: string[] = []
const full = new Map<string, string>()
for (const name of [...Object.keys(swagger.definitions), ...Object.keys(v3)]) full.set(short(name), name)

function ref(pointer: string): string {
  const name = short(pointer.slice(pointer.lastIndexOf('/') + 1))
  queue.push(name)
  return name
}

function node(source: any): any {
  const out: any = {}
  const pointer = source.$ref ?? source.allOf?.[0]?.$ref
  if (pointer) out.ref = ref(pointer)
  if (source.type) out.type = source.type
  if (source.format) out.format = source.format
  if (source.properties)
    out.properties = Object.fromEntries(Object.entries(source.properties).map(([key, value]) => [key, node(value)]))
  if (source.additionalProperties) out.additional = node(source.additionalProperties)
  if (source.items) out.items = node({ ...source.items, default: undefined })
  if (source.required) out.required = source.required
  if (source.enum) out.enum = source.enum
  if (source.default !== undefined) out.default = source.default
  for (const [from, to] of [
    ['x-kubernetes-list-type', 'listType'],
    ['x-kubernetes-list-map-keys', 'listKeys'],
    ['x-kubernetes-map-type', 'mapType'],
    ['x-kubernetes-patch-merge-key', 'mergeKey'],
    ['x-kubernetes-patch-strategy', 'strategy'],
  ])
    if (source[from] !== undefined) out[to] = source[from]
  return out
}

const opaque: Record<string, any> = {
  'resource.Quantity': { format: 'quantity' },
  'intstr.IntOrString': { format: 'int-or-string' },
  'meta.v1.Time': { type: 'string', format: 'date-time' },
  'meta.v1.MicroTime': { type: 'string', format: 'micro-time' },
  // Whoever writes one owns it whole.
  'runtime.RawExtension': { type: 'object', preserveUnknown: true, mapType: 'atomic' },
  'meta.v1.FieldsV1': { type: 'object', preserveUnknown: true },
  'apiextensions.v1.JSON': { preserveUnknown: true },
  'apiextensions.v1.JSONSchemaPropsOrBool': { preserveUnknown: true },
  'apiextensions.v1.JSONSchemaPropsOrArray': { preserveUnknown: true },
  'apiextensions.v1.JSONSchemaPropsOrStringArray': { preserveUnknown: true },
}

const kinds: string[] = []
for (const row of rows.values()) {
  for (const gvk of [row, ...Object.values(row.extra ?? {})]) kinds.push(`${gvk.group}|${gvk.version}|${gvk.kind}`)
  if (row.scale) kinds.push('autoscaling|v1|Scale')
}
const kindNames: Record<string, string> = {}
for (const [name, definition] of Object.entries<any>(swagger.definitions)) {
  for (const gvk of definition['x-kubernetes-group-version-kind'] ?? []) {
    const key = `${gvk.group}|${gvk.version}|${gvk.kind}`
    if (kinds.includes(key) && !kindNames[key]) queue.push((kindNames[key] = short(name)))
  }
}
const done = new Set<string>()
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  if (done.has(name)) continue
  done.add(name)
  const source = v3[full.get(name)!] ?? swagger.definitions[full.get(name)!]
  const pkg = name.slice(0, name.lastIndexOf('.'))
  definitions[pkg] ??= {}
  definitions[pkg][name.slice(name.lastIndexOf('.') + 1)] = opaque[name] ?? node(source)
}

const target = new URL('../src/cluster/machinery/generated/', import.meta.url)
mkdirSync(target, { recursive: true })
for (const file of readdirSync(target)) rmSync(new URL(file, target))
const sorted = (record: Record<string, any>) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
const index = {
  resources: [...rows.values()].map((row) => ({
    ...row,
    schema: kindNames[`${row.group}|${row.version}|${row.kind}`],
  })),
  kinds: sorted(kindNames),
}
writeFileSync(new URL('index.json', target), `${JSON.stringify(index)}\n`)
for (const [pkg, record] of Object.entries(definitions))
  writeFileSync(new URL(`${pkg}.json`, target), `${JSON.stringify(sorted(record))}\n`)
console.log(`${rows.size} resources, ${done.size} schemas`)
