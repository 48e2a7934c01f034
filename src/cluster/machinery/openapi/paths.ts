import type { ResourceInfo } from '../types.ts'
import type { Dialect, Emitter } from './emit.ts'

type Parameter = [name: string, type: 'string' | 'boolean' | 'integer']

const writing: Parameter[] = [
  ['dryRun', 'string'],
  ['fieldManager', 'string'],
  ['fieldValidation', 'string'],
]
const listing: Parameter[] = [
  ['allowWatchBookmarks', 'boolean'],
  ['continue', 'string'],
  ['fieldSelector', 'string'],
  ['labelSelector', 'string'],
  ['limit', 'integer'],
  ['resourceVersion', 'string'],
  ['resourceVersionMatch', 'string'],
  ['sendInitialEvents', 'boolean'],
  ['timeoutSeconds', 'integer'],
  ['watch', 'boolean'],
]
const deleting: Parameter[] = [
  ['dryRun', 'string'],
  ['gracePeriodSeconds', 'integer'],
  ['orphanDependents', 'boolean'],
  ['propagationPolicy', 'string'],
]

interface Verb {
  method: string
  action: string
  parameters: Parameter[]
  body?: boolean
}
const collection: Record<string, Verb> = {
  list: { method: 'get', action: 'list', parameters: listing },
  create: { method: 'post', action: 'post', parameters: writing, body: true },
  deletecollection: { method: 'delete', action: 'deletecollection', parameters: [...listing, ...deleting] },
}
const single: Record<string, Verb> = {
  get: { method: 'get', action: 'get', parameters: [] },
  update: { method: 'put', action: 'put', parameters: writing, body: true },
  patch: { method: 'patch', action: 'patch', parameters: [...writing, ['force', 'boolean']], body: true },
  delete: { method: 'delete', action: 'delete', parameters: deleting },
}
const jsonTypes = ['application/json', 'application/yaml']

interface Gvk {
  group: string
  version: string
  kind: string
}

function query([name, type]: Parameter, dialect: Dialect): any {
  return dialect === 'v3'
    ? { name, in: 'query', schema: { type, uniqueItems: true } }
    : { name, in: 'query', type, uniqueItems: true }
}

function inPath(name: string, dialect: Dialect): any {
  const base = { name, in: 'path', required: true }
  return dialect === 'v3'
    ? { ...base, schema: { type: 'string', uniqueItems: true } }
    : { ...base, type: 'string', uniqueItems: true }
}

function operation(verb: Verb, info: ResourceInfo, gvk: Gvk, ref: unknown, dialect: Dialect, types: string[]): any {
  const where = `${info.group || 'core'}_${info.version}`.replaceAll('.', '_')
  const id = `${verb.action}${info.namespaced ? 'Namespaced' : ''}${where.replace(/(^|_)(\w)/g, (_, __, c) => c.toUpperCase())}${gvk.kind}`
  const common = {
    operationId: id,
    tags: [where],
    'x-kubernetes-action': verb.action,
    'x-kubernetes-group-version-kind': { group: gvk.group, kind: gvk.kind, version: gvk.version },
  }
  // Old clients only look for the options of writes; the rest would double a document that they read whole.
  const wanted = dialect === 'v3' || verb.body ? verb.parameters : []
  const parameters = wanted.map((parameter) => query(parameter, dialect))
  const schema = verb.action === 'patch' ? { type: 'object' } : ref
  if (dialect === 'v2') {
    if (verb.body) parameters.unshift({ name: 'body', in: 'body', required: true, schema })
    return {
      ...common,
      consumes: verb.action === 'patch' ? types : ['*/*'],
      produces: jsonTypes,
      parameters,
      responses: { 200: { description: 'OK', schema: ref } },
      schemes: ['https'],
    }
  }
  const content = (list: string[], value: unknown) => Object.fromEntries(list.map((type) => [type, { schema: value }]))
  return {
    ...common,
    parameters,
    ...(verb.body && {
      requestBody: { required: true, content: content(verb.action === 'patch' ? types : ['*/*'], schema) },
    }),
    responses: { 200: { description: 'OK', content: content(jsonTypes, ref) } },
  }
}

/** The paths of one resource with their operations: what clients look up the schema and the options of a request by. */
export function resourcePaths(
  info: ResourceInfo,
  emitter: Emitter,
  ref: unknown,
  refOf: (gvk: Gvk) => unknown,
): Record<string, any> {
  const { dialect } = emitter
  const patches = [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(info.custom ? [] : ['application/strategic-merge-patch+json']),
    'application/apply-patch+yaml',
  ]
  const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`
  const gvk: Gvk = { group: info.group, version: info.version, kind: info.kind }
  const out: Record<string, any> = {}
  const add = (path: string, table: Record<string, Verb>, verbs: string[], target: Gvk, schema: unknown) => {
    const item: any = {}
    for (const name of verbs)
      if (table[name]) item[table[name].method] = operation(table[name], info, target, schema, dialect, patches)
    if (Object.keys(item).length === 0) return
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => inPath(match[1], dialect))
    out[path] = { ...item, parameters: [...names, query(['pretty', 'string'], dialect)] }
  }
  const base = info.namespaced ? `${root}/namespaces/{namespace}/${info.plural}` : `${root}/${info.plural}`
  add(base, collection, info.verbs, gvk, ref)
  if (info.namespaced)
    add(
      `${root}/${info.plural}`,
      collection,
      info.verbs.filter((verb) => verb === 'list'),
      gvk,
      ref,
    )
  add(`${base}/{name}`, single, info.verbs, gvk, ref)
  const part = ['get', 'update', 'patch']
  if (info.subresources.status) add(`${base}/{name}/status`, single, part, gvk, ref)
  if (info.subresources.scale) {
    const scale = { group: 'autoscaling', version: 'v1', kind: 'Scale' }
    add(`${base}/{name}/scale`, single, part, scale, refOf(scale))
  }
  for (const [name, other] of Object.entries(info.otherSubresources)) {
    if (name === 'proxy' || !refOf(other)) continue
    const verbs = other.verbs.includes('create') ? ['create'] : other.verbs
    add(`${base}/{name}/${name}`, verbs[0] === 'create' ? collection : single, verbs, other, refOf(other))
  }
  return out
}
