import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinResources, crdProblems, prepareCreate, prepareUpdate, resourceFromCrd, table } from '../index.ts'

const crds = builtinResources().find((info) => info.kind === 'CustomResourceDefinition')!

function crd(properties: any, version: any = {}, spec: any = {}): any {
  const { object, causes, malformed } = prepareCreate(crds, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
          ...version,
        },
      ],
      ...spec,
    },
  })
  assert.equal(malformed, undefined)
  assert.deepEqual(causes, [])
  return object
}
const widget = (spec: any, name = 'a') => ({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name }, spec })
const create = (properties: any, spec: any) => prepareCreate(resourceFromCrd(crd(properties), 'v1'), widget(spec))
const messages = (causes: any[]) => causes.map((cause) => `${cause.field}: ${cause.message}`)

test('a definition becomes a resource', () => {
  const info = resourceFromCrd(crd({}, { subresources: { status: {} } }), 'v1')
  assert.deepEqual(
    [
      info.kind,
      info.listKind,
      info.plural,
      info.singular,
      info.shortNames,
      info.categories,
      info.namespaced,
      info.subresources,
    ],
    ['Widget', 'WidgetList', 'widgets', 'widget', ['wd'], ['all'], true, { status: true }],
  )
  assert.throws(() => resourceFromCrd(crd({}), 'v2'), /has no version v2/)
})

test('custom resources are pruned and defaulted', () => {
  const { object, unknown, causes } = create(
    {
      color: { type: 'string' },
      replicas: { type: 'integer', default: 1 },
      nested: { type: 'object', default: {}, properties: { on: { type: 'boolean', default: true } } },
      free: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { known: { type: 'object', properties: {} } },
      },
      list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string', default: 'b' } } } },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { x: { type: 'integer' } } } },
    },
    {
      color: 'red',
      foo: 1,
      replicas: null,
      free: { any: [1], known: { gone: 1 } },
      list: [{}, { a: 'c', d: 1 }],
      map: { k: { x: 1, y: 2 } },
    },
  )
  assert.deepEqual(causes, [])
  assert.deepEqual(object.spec, {
    color: 'red',
    replicas: 1,
    nested: { on: true },
    free: { any: [1], known: {} },
    list: [{ a: 'b' }, { a: 'c' }],
    map: { k: { x: 1 } },
  })
  assert.deepEqual(unknown.toSorted(), ['spec.foo', 'spec.free.known.gone', 'spec.list[1].d', 'spec.map.k.y'])
})

test('values are validated with the API server’s messages', () => {
  for (const [property, value, ...wanted] of [
    [
      { type: 'string', enum: ['red', 'blue'] },
      'green',
      'spec.p: Unsupported value: "green": supported values: "red", "blue"',
    ],
    [{ type: 'integer' }, 'x', 'spec.p: Invalid value: "string": spec.p in body must be of type integer: "string"'],
    [
      { type: 'array', items: { type: 'string' } },
      [null],
      'spec.p[0]: Invalid value: "null": spec.p[0] in body must be of type string: "null"',
    ],
    [
      { type: 'integer', maximum: 10 },
      20,
      'spec.p: Invalid value: 20: spec.p in body should be less than or equal to 10',
    ],
    [
      { type: 'integer', minimum: 1 },
      0,
      'spec.p: Invalid value: 0: spec.p in body should be greater than or equal to 1',
    ],
    [{ type: 'string', pattern: '^a+$' }, 'b', 'spec.p: Invalid value: "b": spec.p in body should match \'^a+$\''],
    [{ type: 'string', maxLength: 2 }, 'abc', 'spec.p: Too long: may not be more than 2 bytes'],
    [
      { type: 'string', minLength: 2 },
      'a',
      'spec.p: Invalid value: "a": spec.p in body should be at least 2 chars long',
    ],
    [
      { type: 'string', format: 'date-time' },
      'x',
      'spec.p: Invalid value: "x": spec.p in body must be of type date-time: "x"',
    ],
    [
      { type: 'array', maxItems: 1, items: { type: 'integer' } },
      [1, 2],
      'spec.p: Too many: 2: must have at most 1 item',
    ],
    [
      { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      ['a', 'a'],
      'spec.p[1]: Duplicate value: "a"',
    ],
    [{ type: 'object', required: ['q'], properties: { q: { type: 'string' } } }, {}, 'spec.p.q: Required value'],
    [
      { 'x-kubernetes-int-or-string': true },
      true,
      'spec.p: Invalid value: "boolean": spec.p in body must be of type integer,string: "boolean"',
    ],
    [
      { type: 'string', anyOf: [{ pattern: '^a' }, { pattern: '^b' }] },
      'c',
      'spec.p: Invalid value: "c": spec.p in body should match \'^a\'',
      '<nil>: Invalid value: "": "spec.p" must validate at least one schema (anyOf)',
    ],
    [
      { type: 'string', oneOf: [{ pattern: '^a' }, { pattern: 'b$' }] },
      'ab',
      '<nil>: Invalid value: "": "spec.p" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ],
    [
      { type: 'string', not: { enum: ['a'] } },
      'a',
      '<nil>: Invalid value: "": "spec.p" must not validate the schema (not)',
    ],
  ] as [any, any, ...string[]][])
    assert.deepEqual(messages(create({ p: property }, { p: value }).causes), wanted)
  assert.deepEqual(create({ p: { type: 'string', nullable: true } }, { p: null }).object['spec'], { p: null })
  assert.deepEqual(create({ p: { type: 'string' } }, { p: null }).object['spec'], {})
  assert.deepEqual(create({ p: { 'x-kubernetes-int-or-string': true } }, { p: '25%' }).causes, [])
})

test('unchanged invalid values do not stop an update', () => {
  const loose = prepareCreate(
    resourceFromCrd(crd({ n: { type: 'integer' }, m: { type: 'integer' } }), 'v1'),
    widget({ n: 50, m: 1 }),
  ).object
  const strict = resourceFromCrd(crd({ n: { type: 'integer', maximum: 10 }, m: { type: 'integer' } }), 'v1')
  assert.deepEqual(prepareUpdate(strict, widget({ n: 50, m: 2 }), loose).causes, [])
  assert.equal(prepareUpdate(strict, widget({ n: 51, m: 2 }), loose).causes.length, 1)
})

test('rules in CEL run on objects that are valid otherwise', () => {
  const properties = {
    min: { type: 'integer' },
    max: { type: 'integer' },
    name: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'name is immutable' }] },
    tags: { type: 'array', items: { type: 'string' } },
  }
  const definition = crd(properties)
  definition.spec.versions[0].schema.openAPIV3Schema.properties.spec['x-kubernetes-validations'] = [
    {
      rule: '!has(self.min) || self.min <= self.max',
      messageExpression: '"min " + string(self.min) + " is above max"',
    },
    { rule: '!has(self.tags) || self.tags.all(t, t.startsWith("a"))' },
  ]
  assert.deepEqual(crdProblems(definition), [])
  const info = resourceFromCrd(definition, 'v1')
  assert.deepEqual(prepareCreate(info, widget({ min: 1, max: 2, tags: ['ab'] })).causes, [])
  assert.deepEqual(messages(prepareCreate(info, widget({ min: 3, max: 2, tags: ['b'] })).causes), [
    'spec: Invalid value: min 3 is above max',
    'spec: Invalid value: failed rule: !has(self.tags) || self.tags.all(t, t.startsWith("a"))',
  ])
  assert.deepEqual(messages(prepareCreate(info, widget({ min: 'x', max: 2 })).causes), [
    'spec.min: Invalid value: "string": spec.min in body must be of type integer: "string"',
    '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  ])
  const old = prepareCreate(info, widget({ name: 'x' })).object
  assert.deepEqual(messages(prepareUpdate(info, widget({ name: 'y' }), old).causes), [
    'spec.name: Invalid value: "y": name is immutable',
  ])
  assert.deepEqual(prepareUpdate(info, widget({ name: 'x', min: 1, max: 1 }), old).causes, [])
})

test('definitions that are not structural are refused', () => {
  const at = 'spec.validation.openAPIV3Schema'
  const problems = (properties: any, version?: any, spec?: any) => messages(crdProblems(crd(properties, version, spec)))
  assert.deepEqual(crdProblems(crd({ a: { type: 'string' } })), [])
  for (const [properties, message] of [
    [
      { a: {} },
      `${at}.properties[spec].properties[a].type: Required value: must not be empty for specified object fields`,
    ],
    [{ a: { type: 'array' } }, `${at}.properties[spec].properties[a].items: Required value: must be specified`],
    [
      { a: { type: 'text' } },
      `${at}.properties[spec].properties[a].type: Unsupported value: "text": supported values: "object", "array", "string", "integer", "number", "boolean"`,
    ],
    [
      { a: { type: 'object', properties: { b: { type: 'string' } }, additionalProperties: { type: 'string' } } },
      `${at}.properties[spec].properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      { a: { type: 'string', anyOf: [{ type: 'string' }] } },
      `${at}.properties[spec].properties[a].anyOf[0].type: Forbidden: must be empty to be structural`,
    ],
    [
      { a: { type: 'integer', default: 'x' } },
      `${at}.properties[spec].properties[a].default: Invalid value: "string":  in body must be of type integer: "string"`,
    ],
  ] as [any, string][])
    assert.deepEqual(problems(properties), [message])
  assert.deepEqual(problems({}, { schema: undefined }), ['spec.versions[0].schema.openAPIV3Schema: Required value'])
  assert.deepEqual(problems({}, { storage: false }), [
    'spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one version marked as storage version',
  ])
  assert.deepEqual(problems({}, {}, { group: 'nodots' }), [
    'spec.group: Invalid value: "nodots": should be a domain with at least one dot',
    'metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group',
  ])
  assert.match(
    problems({ a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self ==' }] } })[0],
    /rule: Invalid value: "self ==": compilation failed/,
  )
})

test('hostile custom resources', () => {
  const { object, unknown } = create(
    { m: { type: 'object', additionalProperties: { type: 'string' } } },
    JSON.parse('{"__proto__":{"x":1},"m":{"__proto__":"y"}}'),
  )
  assert.deepEqual(unknown, ['spec.__proto__'])
  assert.equal(Object.hasOwn(object.spec.m, '__proto__'), true)
  let deep: any = 'end'
  for (let i = 0; i < 5000; i++) deep = [deep]
  const free = create({ free: { 'x-kubernetes-preserve-unknown-fields': true } }, { free: deep })
  assert.equal(free.malformed, 'exceeded max depth')
  const many = create(
    { n: { type: 'array', items: { type: 'integer' } } },
    { n: Array.from({ length: 100_000 }, () => 'x') },
  )
  assert.equal(many.causes.length, 100)
})

test('metadata is decoded and checked as everywhere', () => {
  const info = resourceFromCrd(crd({}), 'v1')
  assert.match(
    messages(prepareCreate(info, widget({}, 'Bad_Name')).causes)[0],
    /^metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist/,
  )
  const labels = prepareCreate(info, { ...widget({}), metadata: { name: 'a', labels: { a: 1 } } })
  assert.match(labels.malformed!, /cannot unmarshal number into Go struct field ObjectMeta.labels of type string/)
})

test('kubectl get shows the printer columns', () => {
  const columns = [
    { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', priority: 1 },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ]
  const info = resourceFromCrd(crd({}, { additionalPrinterColumns: columns }), 'v1')
  const now = Date.parse('2026-01-01T00:01:10Z')
  const object = {
    metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas: 3 },
    status: {
      conditions: [
        { type: 'X', status: 'False' },
        { type: 'Ready', status: 'True' },
      ],
    },
  }
  const { columnDefinitions, rows } = table(info, [object], { now })
  assert.deepEqual(rows[0].cells, ['a', 3, null, 'True', '70s'])
  assert.deepEqual(columnDefinitions[1], {
    name: 'Replicas',
    type: 'integer',
    format: '',
    description: 'Custom resource definition column (in JSONPath format): .spec.replicas',
    priority: 0,
  })
  assert.deepEqual(table(resourceFromCrd(crd({}), 'v1'), [object], { now }).rows[0].cells, ['a', '70s'])
})
