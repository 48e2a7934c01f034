import { isObject } from '#lib'
import { forbidden, invalid, notSupported, required } from '../causes.ts'
import { maxDepth } from '../json.ts'
import type { Cause } from '../types.ts'
import { dns1035, dnsLabel, dnsSubdomain } from '../validate/names.ts'
import { compileRule } from './cel.ts'
import { pruneAndDefault } from './prune.ts'
import { compilePattern } from './regexp.ts'
import { fromOpenApi } from './schema.ts'
import { validateValue } from './validate.ts'

const types = ['object', 'array', 'string', 'integer', 'number', 'boolean']
const columnTypes = ['integer', 'number', 'string', 'boolean', 'date']

/**
 * What is wrong with a CustomResourceDefinition: names, versions, and whether each schema is structural (KEP-1027), its
 * defaults valid, its rules compilable. Never throws. The object is one that prepareCreate or prepareUpdate gave.
 */
export function crdProblems(crd: Record<string, any>): Cause[] {
  const { spec } = crd
  if (!isObject(spec)) return [required('spec')]
  const causes: Cause[] = []
  nameProblems(crd, causes)
  const versions: any[] = Array.isArray(spec.versions) ? spec.versions : []
  const names = versions.map((version) => version?.name)
  if (new Set(names).size < names.length)
    causes.push(invalid('spec.versions', versions.map(goVersion), 'must contain unique version names'))
  const storage = versions.filter((version) => version?.storage === true).length
  if (storage !== 1)
    causes.push(
      invalid('spec.versions', versions.map(goVersion), 'must have exactly one version marked as storage version'),
    )
  if (crd['status']?.storedVersions) causes.push(...storedProblems(versions, crd['status'].storedVersions ?? []))
  if (spec.preserveUnknownFields === true)
    causes.push(invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'))
  if (spec.conversion?.strategy === 'Webhook' && !spec.conversion.webhook?.clientConfig)
    causes.push(required('spec.conversion.webhook.clientConfig', 'required when strategy is set to Webhook'))
  for (const [i, version] of versions.entries()) versionProblems(version, i, versions.length === 1, causes)
  return causes
}

/** A version under the names of Go's fields; what all versions share is not shown with each. */
function goVersion(version: any) {
  return {
    Name: version?.name ?? '',
    Served: version?.served === true,
    Storage: version?.storage === true,
    Deprecated: version?.deprecated === true,
    DeprecationWarning: version?.deprecationWarning ?? null,
    Schema: null,
    Subresources: null,
    AdditionalPrinterColumns: null,
    SelectableFields: null,
  }
}

function storedProblems(versions: readonly any[], stored: readonly string[]): Cause[] {
  const field = 'status.storedVersions'
  if (stored.length === 0) return [invalid(field, null, 'must have at least one stored version')]
  const storage = versions.findLast((version) => version?.storage === true)?.name
  if (storage === undefined || stored.includes(storage)) return []
  return [invalid(field, stored, `must have the storage version ${storage}`)]
}

function nameProblems(crd: Record<string, any>, causes: Cause[]): void {
  const { spec } = crd
  const names = spec.names ?? {}
  const check = (field: string, value: string | undefined, rule: (name: string) => string[]) => {
    if (!value) causes.push(required(field))
    else for (const problem of rule(value)) causes.push(invalid(field, value, problem))
  }
  check('spec.group', spec.group, dnsSubdomain)
  if (spec.group && !spec.group.includes('.'))
    causes.push(invalid('spec.group', spec.group, 'should be a domain with at least one dot'))
  if (!spec.scope) causes.push(required('spec.scope'))
  else if (!['Cluster', 'Namespaced'].includes(spec.scope))
    causes.push(notSupported('spec.scope', spec.scope, ['Cluster', 'Namespaced']))
  check('spec.names.plural', names.plural, dns1035)
  check('spec.names.singular', names.singular, dns1035)
  const mixed = (kind: string) =>
    dns1035(kind.toLowerCase()).map((problem) => `may have mixed case, but should otherwise match: ${problem}`)
  check('spec.names.kind', names.kind, mixed)
  check('spec.names.listKind', names.listKind, mixed)
  if (names.kind && names.kind === names.listKind)
    causes.push(invalid('spec.names.listKind', names.listKind, 'kind and listKind may not be the same'))
  for (const [i, name] of (names.shortNames ?? []).entries())
    for (const problem of dns1035(name)) causes.push(invalid(`spec.names.shortNames[${i}]`, name, problem))
  const wanted = `${names.plural}.${spec.group}`
  if (names.plural && spec.group && crd.metadata?.name !== wanted)
    causes.push(invalid('metadata.name', crd.metadata?.name ?? '', 'must be spec.names.plural+"."+spec.group'))
}

function versionProblems(version: any, i: number, only: boolean, causes: Cause[]): void {
  const path = `spec.versions[${i}]`
  if (!version?.name) causes.push(required(`${path}.name`))
  else for (const problem of dnsLabel(version.name)) causes.push(invalid(`${path}.name`, version.name, problem))
  const scale = version?.subresources?.scale
  if (scale) {
    for (const [field, prefix] of [
      ['specReplicasPath', '.spec.'],
      ['statusReplicasPath', '.status.'],
    ]) {
      if (!scale[field]) causes.push(required(`${path}.subresources.scale.${field}`))
      else if (!scale[field].startsWith(prefix))
        causes.push(
          invalid(
            `${path}.subresources.scale.${field}`,
            scale[field],
            `should be a json path under ${prefix.slice(0, -1)}`,
          ),
        )
    }
  }
  for (const [j, column] of (version?.additionalPrinterColumns ?? []).entries()) {
    const at = `${path}.additionalPrinterColumns[${j}]`
    if (!column.name) causes.push(required(`${at}.name`))
    if (!columnTypes.includes(column.type))
      causes.push(invalid(`${at}.type`, column.type ?? '', `must be one of ${columnTypes.join(',')}`))
    if (!column.jsonPath?.startsWith('.'))
      causes.push(invalid(`${at}.jsonPath`, column.jsonPath ?? '', 'must be a simple json path starting with .'))
  }
  const schema = version?.schema?.openAPIV3Schema
  const at = only ? 'spec.validation.openAPIV3Schema' : `${path}.schema.openAPIV3Schema`
  if (!isObject(schema)) {
    causes.push(required(`${path}.schema.openAPIV3Schema`))
    return
  }
  const before = causes.length
  if (schema.type !== 'object')
    causes.push(
      schema.type
        ? invalid(`${at}.type`, schema.type, 'must be object at the root')
        : required(`${at}.type`, 'must not be empty at the root'),
    )
  structural(schema, at, causes, 0, true)
  if (causes.length === before) defaultProblems(schema, at, causes, 0)
}

function structural(schema: any, path: string, causes: Cause[], depth: number, root = false): void {
  if (causes.length > 50) return
  if (depth > maxDepth) {
    causes.push(forbidden(path, 'schema is nested too deeply'))
    return
  }
  const preserve = schema['x-kubernetes-preserve-unknown-fields'] === true
  const intOrString = schema['x-kubernetes-int-or-string'] === true
  if (!schema.type && !root && !intOrString && !preserve) {
    const what = path.endsWith('.items')
      ? 'must not be empty for specified array items'
      : 'must not be empty for specified object fields'
    causes.push(required(`${path}.type`, what))
  } else if (schema.type && !types.includes(schema.type)) causes.push(notSupported(`${path}.type`, schema.type, types))
  if (schema.$ref) causes.push(forbidden(`${path}.$ref`, '$ref is not supported'))
  if (schema.uniqueItems === true)
    causes.push(
      forbidden(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    )
  if (schema.properties && schema.additionalProperties)
    causes.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
  if (schema.additionalProperties === false)
    causes.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'))
  if (schema.type === 'array' && !isObject(schema.items)) causes.push(required(`${path}.items`, 'must be specified'))
  if (schema['x-kubernetes-list-type'] === 'map' && !schema['x-kubernetes-list-map-keys']?.length)
    causes.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'))
  for (const key of schema['x-kubernetes-list-map-keys'] ?? []) {
    const keySchema = schema.items?.properties?.[key]
    if (!keySchema)
      causes.push(
        invalid(
          `${path}.x-kubernetes-list-map-keys`,
          schema['x-kubernetes-list-map-keys'],
          `entries must all be names of item properties`,
        ),
      )
    else if (keySchema.default === undefined && !schema.items.required?.includes(key))
      causes.push(
        required(
          `${path}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      )
  }
  if (schema.pattern !== undefined) patternProblem(schema.pattern, `${path}.pattern`, causes)
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries())
    ruleProblem(rule, `${path}.x-kubernetes-validations[${i}]`, causes)
  for (const key of Object.keys(schema.properties ?? {}))
    structural(schema.properties[key] ?? {}, `${path}.properties[${key}]`, causes, depth + 1)
  if (isObject(schema.items)) structural(schema.items, `${path}.items`, causes, depth + 1)
  if (isObject(schema.additionalProperties))
    structural(schema.additionalProperties, `${path}.additionalProperties`, causes, depth + 1)
  for (const junctor of ['allOf', 'anyOf', 'oneOf'])
    for (const [i, part] of (schema[junctor] ?? []).entries())
      nested(part, `${path}.${junctor}[${i}]`, causes, depth + 1, intOrString)
  if (isObject(schema.not)) nested(schema.not, `${path}.not`, causes, depth + 1, intOrString)
}

// Inside allOf, anyOf, oneOf and not only value validations may stand.
function nested(schema: any, path: string, causes: Cause[], depth: number, intOrString: boolean): void {
  if (!isObject(schema) || depth > maxDepth) return
  if (schema.type && !intOrString) causes.push(forbidden(`${path}.type`, 'must be empty to be structural'))
  for (const field of ['default', 'nullable', 'additionalProperties'])
    if (schema[field] !== undefined && schema[field] !== false)
      causes.push(
        forbidden(
          `${path}.${field}`,
          field === 'default' ? 'must be undefined to be structural' : 'must be empty to be structural',
        ),
      )
  for (const key of Object.keys(schema.properties ?? {}))
    nested(schema.properties[key], `${path}.properties[${key}]`, causes, depth + 1, false)
  if (isObject(schema.items)) nested(schema.items, `${path}.items`, causes, depth + 1, false)
}

function patternProblem(pattern: unknown, path: string, causes: Cause[]): void {
  if (typeof pattern !== 'string') return
  try {
    compilePattern(pattern)
  } catch (error) {
    const why = `must be a valid regular expression, but isn't: error parsing regexp: ${(error as Error).message}`
    causes.push(invalid(path, pattern.slice(0, 1000), why))
  }
}

function ruleProblem(rule: any, path: string, causes: Cause[]): void {
  if (!isObject(rule) || typeof rule.rule !== 'string' || rule.rule.trim() === '') {
    causes.push(required(`${path}.rule`, 'rule is not specified'))
    return
  }
  const program = compileRule(rule.rule)
  if (program instanceof Error)
    causes.push(invalid(`${path}.rule`, rule.rule, `compilation failed: ${program.message}`))
  if (rule.message && /[\n\r]/.test(rule.message))
    causes.push(invalid(`${path}.message`, rule.message, 'message must not contain line breaks'))
}

// A default must be what pruning and validation would leave of it.
function defaultProblems(schema: any, path: string, causes: Cause[], depth: number): void {
  if (depth > maxDepth || !isObject(schema)) return
  if (schema.default !== undefined) {
    const compiled = fromOpenApi(schema)
    const unknown: string[] = []
    const value = pruneAndDefault(compiled, schema.default, unknown)
    for (const field of unknown)
      causes.push(invalid(`${path}.default`, schema.default, `must not have unknown fields: ${field}`))
    const found: Cause[] = []
    validateValue(compiled, value, '', found)
    for (const cause of found)
      causes.push({ ...cause, field: cause.field ? `${path}.default.${cause.field}` : `${path}.default` })
  }
  for (const key of Object.keys(schema.properties ?? {}))
    defaultProblems(schema.properties[key], `${path}.properties[${key}]`, causes, depth + 1)
  defaultProblems(schema.items, `${path}.items`, causes, depth + 1)
  defaultProblems(schema.additionalProperties, `${path}.additionalProperties`, causes, depth + 1)
}
