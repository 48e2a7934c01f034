import type { ResourceInfo, Schema } from '../../machinery/index.ts'
import { schemaOf } from '../../machinery/index.ts'
import type { Prose } from './prose.ts'

export type Json = Record<string, any>

const prefixes: Record<string, string> = {
  'meta.v1': 'io.k8s.apimachinery.pkg.apis.meta.v1',
  'apiextensions.v1': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
  'apiregistration.v1': 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
  resource: 'io.k8s.apimachinery.pkg.api.resource',
  intstr: 'io.k8s.apimachinery.pkg.util.intstr',
  runtime: 'io.k8s.apimachinery.pkg.runtime',
}

/** `core.v1.PodSpec` by the name that Kubernetes publishes it under. */
export function publicName(name: string): string {
  const at = name.lastIndexOf('.')
  const pkg = name.slice(0, at)
  return `${prefixes[pkg] ?? `io.k8s.api.${pkg}`}${name.slice(at)}`
}

/** The name of a kind's definition. */
export function definitionName(info: ResourceInfo): string {
  if (info.custom) return `${info.group.split('.').reverse().join('.')}.${info.version}.${info.kind}`
  return publicName(info.schema.name!)
}

/** Turns schemas into OpenAPI definitions (all that are reached are collected), for v2 or v3. */
export class Definitions {
  readonly collected: Record<string, Json> = {}
  readonly #prefix: string
  readonly #v3: boolean
  readonly #prose: Prose

  constructor(v3: boolean, prose: Prose) {
    this.#v3 = v3
    this.#prose = prose
    this.#prefix = v3 ? '#/components/schemas/' : '#/definitions/'
  }

  /** Adds the definition of a kind and what it refers to. */
  add(info: ResourceInfo): void {
    const gvk = [{ group: info.group, version: info.version, kind: info.kind }]
    const name = definitionName(info)
    if (info.custom) this.collected[name] = { ...this.#custom(info), 'x-kubernetes-group-version-kind': gvk }
    else {
      this.#reference(info.schema)
      this.collected[name]['x-kubernetes-group-version-kind'] = gvk
    }
    this.collected[`${name}List`] = this.#list(info, name)
  }

  #list(info: ResourceInfo, item: string): Json {
    const said = this.#prose[`${item}List`] ?? this.#prose['io.k8s.api.core.v1.PodList']
    const about = (field: string) => (said?.[1][field] ? { description: said[1][field] } : {})
    return {
      description: info.custom || !this.#prose[`${item}List`] ? `${info.listKind} is a list of ${info.kind}` : said![0],
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion: { type: 'string', ...about('apiVersion') },
        kind: { type: 'string', ...about('kind') },
        metadata: { type: 'object', ...about('metadata') },
        items: { type: 'array', items: { $ref: this.#prefix + item } },
      },
      'x-kubernetes-group-version-kind': [{ group: info.group, version: info.version, kind: info.listKind }],
    }
  }

  /** A custom resource is shown as its author wrote it; v2 cannot say everything that v3 can. */
  #custom(info: ResourceInfo): Json {
    const written = structuredClone(info.openAPIV3Schema ?? { type: 'object' })
    const schema = this.#v3 ? written : downgrade(written)
    const pod = schemaOf('', 'v1', 'Pod')!
    schema['type'] = 'object'
    schema['properties'] = {
      ...schema['properties'],
      apiVersion: this.#field(pod, 'apiVersion'),
      kind: this.#field(pod, 'kind'),
      metadata: this.#field(pod, 'metadata'),
    }
    return schema
  }

  /** A field of a definition, with what is said about it. */
  #field(owner: Schema, key: string): Json {
    const schema = owner.properties![key]
    const text = owner.name === undefined ? undefined : this.#prose[publicName(owner.name)]?.[1][key]
    const written = this.#reference(schema)
    if (text === undefined) return written
    if (!this.#v3 || !('$ref' in written)) return { description: text, ...written }
    return { description: text, allOf: [{ $ref: written['$ref'] }] }
  }

  #reference(schema: Schema): Json {
    const name = schema.name
    if (name === undefined || !name.includes('.')) return this.#inline(schema)
    const title = publicName(name)
    if (!(title in this.collected)) {
      this.collected[title] = {}
      const source = Object.hasOwn(schema, 'name') ? schema : (Object.getPrototypeOf(schema) as Schema)
      const text = this.#prose[title]?.[0]
      this.collected[title] = { ...(text && { description: text }), ...this.#inline(source) }
    }
    const ref = { $ref: this.#prefix + title }
    const extras = Object.hasOwn(schema, 'name') ? {} : this.#facets(schema, true)
    if (Object.keys(extras).length === 0) return ref
    return this.#v3 ? { allOf: [ref], ...extras } : { ...ref, ...extensions(extras) }
  }

  #inline(schema: Schema): Json {
    const out: Json = this.#facets(schema, false)
    if (schema.format === 'quantity') {
      return this.#v3 ? { ...out, oneOf: [{ type: 'string' }, { type: 'number' }] } : { ...out, type: 'string' }
    }
    if (schema.format === 'int-or-string') {
      const { type: _, ...rest } = out
      return this.#v3
        ? { ...rest, format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
        : { ...rest, type: 'string', format: 'int-or-string' }
    }
    if (schema.type) out['type'] = schema.type
    if (schema.format) out['format'] = schema.format === 'micro-time' ? 'date-time' : schema.format
    if (schema.properties) {
      out['properties'] = {}
      for (const key in schema.properties) out['properties'][key] = this.#field(schema, key)
    }
    if (schema.items) out['items'] = this.#reference(schema.items)
    if (schema.additional === true) out['additionalProperties'] = {}
    else if (schema.additional) out['additionalProperties'] = this.#reference(schema.additional)
    if (schema.required?.length) out['required'] = schema.required
    return out
  }

  /** What may stand beside a reference. `own` = only what the schema itself says, not what it inherits. */
  #facets(schema: Schema, own: boolean): Json {
    const out: Json = {}
    const take = (field: keyof Schema, name: string) => {
      const value = own && !Object.hasOwn(schema, field) ? undefined : schema[field]
      if (value !== undefined) out[name] = value
    }
    take('default', 'default')
    take('enum', 'enum')
    take('listType', 'x-kubernetes-list-type')
    take('listKeys', 'x-kubernetes-list-map-keys')
    if (!schema.preserveUnknown) take('mapType', 'x-kubernetes-map-type')
    take('mergeKey', 'x-kubernetes-patch-merge-key')
    take('strategy', 'x-kubernetes-patch-strategy')
    return out
  }
}

/** Only the vendor extensions may stand beside a v2 reference. */
function extensions(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name.startsWith('x-')))
}

const v2Fields = new Set([
  'type',
  'format',
  'description',
  'default',
  'enum',
  'required',
  'properties',
  'items',
  'additionalProperties',
  'pattern',
  'maximum',
  'minimum',
  'maxLength',
  'minLength',
  'maxItems',
  'minItems',
])

/** A v3 schema in v2's words; where a subtree's fields are free, nothing is said about it (as apiextensions' ToStructuralOpenAPIV2). */
function downgrade(schema: Json): Json {
  if (schema['x-kubernetes-int-or-string']) return { 'x-kubernetes-int-or-string': true }
  if (schema['x-kubernetes-preserve-unknown-fields']) {
    return schema['type'] ? { type: schema['type'], 'x-kubernetes-preserve-unknown-fields': true } : {}
  }
  const out: Json = {}
  for (const key in schema) {
    const value = schema[key]
    if (key.startsWith('x-kubernetes-') && key !== 'x-kubernetes-validations') out[key] = value
    else if (!v2Fields.has(key) || value === null) continue
    else if (key === 'properties') {
      out[key] = Object.fromEntries(Object.entries(value as Json).map(([name, one]) => [name, downgrade(one as Json)]))
    } else if ((key === 'items' || key === 'additionalProperties') && typeof value === 'object')
      out[key] = downgrade(value)
    else out[key] = value
  }
  return out
}
