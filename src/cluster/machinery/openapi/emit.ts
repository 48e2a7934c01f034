import { isObject } from '#lib'
import { put } from '../json.ts'
import { definition, index } from '../schemas.ts'
import type { ResourceInfo, Schema } from '../types.ts'

/** Which OpenAPI is written: the major versions differ in references, nullable and the special types. */
export type Dialect = 'v2' | 'v3'

const homes: Record<string, string> = {
  'meta.v1': 'io.k8s.apimachinery.pkg.apis.meta.v1',
  intstr: 'io.k8s.apimachinery.pkg.util.intstr',
  resource: 'io.k8s.apimachinery.pkg.api.resource',
  runtime: 'io.k8s.apimachinery.pkg.runtime',
  'apiextensions.v1': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
  'apiregistration.v1': 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
}

/** The official name of a definition: `core.v1.Pod` → `io.k8s.api.core.v1.Pod`. */
export function officialName(short: string): string {
  const at = short.lastIndexOf('.')
  const home = short.slice(0, at)
  return `${homes[home] ?? `io.k8s.api.${home}`}${short.slice(at)}`
}

/** A custom kind's definition is named backwards: `com.example.v1.Widget`. */
export function customName(info: Pick<ResourceInfo, 'group' | 'version' | 'kind'>): string {
  return `${info.group.split('.').reverse().join('.')}.${info.version}.${info.kind}`
}

/** Writes definitions and remembers which others they refer to. */
export class Emitter {
  readonly schemas: Record<string, any> = {}
  readonly dialect: Dialect
  private readonly gvks = new Map<string, { group: string; version: string; kind: string }[]>()

  constructor(dialect: Dialect) {
    this.dialect = dialect
    for (const [key, name] of Object.entries(index().kinds)) {
      const [group, version, kind] = key.split('|')
      const known = this.gvks.get(name) ?? []
      known.push({ group, kind, version } as any)
      this.gvks.set(name, known)
    }
  }

  private pointer(name: string): string {
    return this.dialect === 'v3' ? `#/components/schemas/${name}` : `#/definitions/${name}`
  }

  /** A reference to a built-in definition, which is written if it was not yet. */
  builtin(short: string): { $ref: string } {
    const name = officialName(short)
    if (!Object.hasOwn(this.schemas, name)) {
      this.schemas[name] = {}
      this.schemas[name] = this.body(definition(short), short)
    }
    return { $ref: this.pointer(name) }
  }

  /** A reference to a custom resource's definition. */
  custom(info: ResourceInfo): { $ref: string } {
    const name = customName(info)
    if (!Object.hasOwn(this.schemas, name)) {
      const source = info.openAPIV3Schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
      const schema = this.dialect === 'v3' ? { ...source } : toV2(source)
      const { apiVersion, kind, group, version } = {
        apiVersion: { type: 'string' },
        kind: info.kind,
        group: info.group,
        version: info.version,
      }
      schema.properties = {
        ...schema.properties,
        apiVersion,
        kind: { type: 'string' },
        metadata: this.property(definition('meta.v1.ObjectMeta')),
      }
      schema['x-kubernetes-group-version-kind'] = [{ group, kind, version }]
      this.schemas[name] = schema
    }
    return { $ref: this.pointer(name) }
  }

  private body(schema: Schema, short: string): any {
    const gvks = this.gvks.get(short)
    return { ...this.node(schema), ...(gvks && { 'x-kubernetes-group-version-kind': gvks }) }
  }

  private property(schema: Schema): any {
    if (schema.name === undefined) return this.node(schema)
    const ref = this.builtin(schema.name)
    const siblings = extensions(schema, true)
    if (Object.hasOwn(schema, 'default') && !Object.hasOwn(schema, 'name') && this.dialect === 'v3')
      siblings.default = schema.default
    if (Object.keys(siblings).length === 0) return ref
    return this.dialect === 'v3' ? { ...siblings, allOf: [ref] } : { ...ref, ...siblings }
  }

  private node(schema: Schema): any {
    const out: any = {}
    const v2 = this.dialect === 'v2'
    if (schema.format === 'quantity')
      return v2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] }
    if (schema.format === 'int-or-string')
      return v2
        ? { type: 'string', format: 'int-or-string' }
        : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
    if (schema.type) out.type = schema.type
    if (schema.format) out.format = schema.format === 'micro-time' ? 'date-time' : schema.format
    if (schema.properties) {
      out.properties = {}
      for (const key in schema.properties) put(out.properties, key, this.property(schema.properties[key]))
    }
    if (schema.additional && schema.additional !== true) out.additionalProperties = this.property(schema.additional)
    if (schema.items) out.items = this.property(schema.items)
    if (schema.required) out.required = schema.required
    if (!v2 && schema.enum) out.enum = schema.enum
    if (!v2 && schema.default !== undefined) out.default = schema.default
    return Object.assign(out, extensions(schema, false))
  }
}

function extensions(schema: Schema, ownOnly: boolean): Record<string, any> {
  const out: Record<string, any> = {}
  const take = (field: keyof Schema, name: string) => {
    if (ownOnly && (Object.hasOwn(schema, 'name') || !Object.hasOwn(schema, field))) return
    if (schema[field] !== undefined) out[name] = schema[field]
  }
  take('listType', 'x-kubernetes-list-type')
  take('listKeys', 'x-kubernetes-list-map-keys')
  take('mapType', 'x-kubernetes-map-type')
  take('mergeKey', 'x-kubernetes-patch-merge-key')
  take('strategy', 'x-kubernetes-patch-strategy')
  return out
}

const v3Only = new Set(['nullable', 'anyOf', 'oneOf', 'not', 'allOf', 'x-kubernetes-validations', 'default'])

// What OpenAPI v2 cannot say is left out, so that old clients do not refuse what the server takes.
function toV2(source: any): any {
  if (!isObject(source)) return {}
  if (source.nullable) return {}
  if (source['x-kubernetes-int-or-string']) return { 'x-kubernetes-int-or-string': true }
  const out: Record<string, any> = {}
  for (const key of Object.keys(source)) if (!v3Only.has(key)) out[key] = source[key]
  if (source['x-kubernetes-preserve-unknown-fields']) {
    delete out.properties
    delete out.items
    return out
  }
  if (isObject(source.properties)) {
    out.properties = {}
    for (const key of Object.keys(source.properties)) put(out.properties, key, toV2(source.properties[key]))
  }
  if (isObject(source.items)) out.items = toV2(source.items)
  if (isObject(source.additionalProperties)) out.additionalProperties = toV2(source.additionalProperties)
  return out
}
