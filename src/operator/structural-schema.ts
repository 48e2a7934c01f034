import { equal, isObject } from '#lib'

type Schema = Record<string, any>

/** What a CRD's schema may say of one value (apiextensions/v1 JSONSchemaProps, structural part). */
const kept = [
  'type',
  'title',
  'description',
  'format',
  'nullable',
  'default',
  'enum',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
]

const anything = { 'x-kubernetes-preserve-unknown-fields': true }

/**
 * Turns JSON Schema (OpenAPI 3.0 flavour) into a structural schema (kubernetes.io, "Specifying a structural schema"):
 * every value has one type, unions become what their members share, and what cannot be said so is left open.
 */
export function structuralSchema(schema: unknown): Schema {
  if (!isObject(schema) || '$ref' in schema) return anything
  const union = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(union)) return { ...structuralUnion(union), ...describe(schema) }
  if (Array.isArray(schema['allOf']))
    return { ...mergeObjects(schema['allOf'].map(structuralSchema)), ...describe(schema) }
  if (schema['type'] === undefined) return { ...describe(schema), ...extensions(schema), ...anything }

  const clean: Schema = {}
  for (const key of kept) if (schema[key] !== undefined) clean[key] = schema[key]
  // JavaScript's limits of exact integers are no limits of the author's
  if (clean['minimum'] === Number.MIN_SAFE_INTEGER) delete clean['minimum']
  if (clean['maximum'] === Number.MAX_SAFE_INTEGER) delete clean['maximum']
  // Go's regular expressions know no look-around
  if (typeof schema['pattern'] === 'string' && !/\(\?(?:[=!]|<[=!])/.test(schema['pattern']))
    clean['pattern'] = schema['pattern']
  if (schema['type'] === 'array') clean['items'] = structuralSchema(schema['items'])
  if (schema['type'] === 'object') Object.assign(clean, structuralObject(schema))
  return { ...clean, ...extensions(schema) }
}

function structuralObject({ properties, additionalProperties }: Schema): Schema {
  if (isObject(properties)) {
    const fields = Object.entries(properties).map(([name, value]) => [name, structuralSchema(value)])
    // fields that the schema does not know are pruned, as always in Kubernetes, unless it lets them in
    return { properties: Object.fromEntries(fields), ...(isObject(additionalProperties) && anything) }
  }
  if (isObject(additionalProperties) && Object.keys(additionalProperties).length > 0)
    return { additionalProperties: structuralSchema(additionalProperties) }
  return anything
}

function structuralUnion(members: unknown[]): Schema {
  const schemas = members.filter((member) => !(isObject(member) && member['type'] === 'null')).map(structuralSchema)
  const nullable = schemas.length < members.length ? { nullable: true } : {}
  const types = new Set(schemas.map(({ type }) => type))
  if (schemas.length === 1) return { ...schemas[0], ...nullable }
  if (equal([...types].sort(), ['integer', 'string'])) return { 'x-kubernetes-int-or-string': true, ...nullable }
  if (types.size > 1 || types.has(undefined)) return { ...anything, ...nullable }
  const [type] = types
  if (type === 'object') return { ...mergeObjects(schemas), ...nullable }
  const enums = schemas.map((schema) => schema['enum'])
  if (enums.every(Array.isArray)) return { type, enum: [...new Set(enums.flat())], ...nullable }
  return type === 'array' ? { type, items: anything, ...nullable } : { type, ...nullable }
}

/** An object that has every member's fields and requires what all of them require. */
function mergeObjects(schemas: Schema[]): Schema {
  const properties: Schema = {}
  let required: string[] | undefined
  for (const schema of schemas) {
    for (const [name, value] of Object.entries<Schema>(schema['properties'] ?? {})) {
      const before = Object.hasOwn(properties, name) ? properties[name] : undefined
      properties[name] = before && !equal(before, value) ? structuralUnion([before, value]) : value
    }
    const own: string[] = schema['required'] ?? []
    required = required ? required.filter((name) => own.includes(name)) : own
  }
  const open = schemas.some((schema) => schema['x-kubernetes-preserve-unknown-fields'])
  return { type: 'object', properties, ...(required?.length && { required }), ...(open && anything) }
}

function describe({ description, default: value }: Schema): Schema {
  return { ...(description && { description }), ...(value !== undefined && { default: value }) }
}

function extensions(schema: Schema): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key.startsWith('x-kubernetes-')))
}
