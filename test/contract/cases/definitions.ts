import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Client } from '../client.ts'
import { schemaOf } from '../objects.ts'

const quiet = { record: false }
const thing = (c: Client, spec: unknown, name = 'a') => ({
  apiVersion: `${c.group}/v1`,
  kind: 'Thing',
  metadata: { name },
  spec,
})
const specOf = (properties: object, more: object = {}) => schemaOf({ spec: { type: 'object', properties, ...more } })
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

contract('a definition as it is answered', async (c) => {
  await c.define(
    'Thing',
    {
      ...specOf({ size: { type: 'integer' } }),
      additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
    },
    { shortNames: ['th'] },
  )
  const { body } = await c.get(`${definitions}/things.${c.group}`)
  assert.deepEqual(body.status.storedVersions, ['v1'])
})

contract('defaults of a definition', async (c) => {
  const things = await c.define(
    'Thing',
    specOf({
      size: { type: 'integer', default: 3 },
      deep: { type: 'object', default: {}, properties: { on: { type: 'boolean', default: true } } },
      shallow: { type: 'object', properties: { on: { type: 'boolean', default: true } } },
      list: { type: 'array', items: { type: 'object', properties: { port: { type: 'integer', default: 80 } } } },
      nothing: { type: 'string', nullable: true, default: 'x' },
    }),
  )
  await c.post(things, thing(c, {}))
  await c.post(things, thing(c, { size: null, shallow: {}, list: [{}, { port: 1 }], nothing: null }, 'b'))
  await c.post(things, { apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'c' } })
  const { body } = await c.patch('merge', `${things}/a`, { spec: { size: null, deep: null } })
  assert.deepEqual(body.spec, { size: 3, deep: { on: true }, nothing: 'x' })
})

contract('what a definition does not know is pruned', async (c) => {
  const things = await c.define(
    'Thing',
    specOf({
      known: { type: 'string' },
      open: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { closed: { type: 'object', properties: { a: { type: 'string' } } } },
      },
      embedded: {
        type: 'object',
        'x-kubernetes-embedded-resource': true,
        'x-kubernetes-preserve-unknown-fields': true,
      },
      either: { 'x-kubernetes-int-or-string': true },
    }),
  )
  const { body } = await c.post(things, {
    ...thing(c, {
      known: 'x',
      other: 1,
      open: { any: { thing: [1] }, closed: { a: 'x', b: 'y' } },
      embedded: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', odd: 1 }, spec: { a: 1 } },
      either: '50%',
    }),
    extra: true,
  })
  assert.equal(body.spec.other, undefined)
  await c.post(`${things}?fieldValidation=Strict`, thing(c, { known: 'x', other: 1, open: { closed: { b: 1 } } }, 'b'))
  await c.post(things, thing(c, { embedded: { spec: {} }, either: 1.5 }, 'c'))
  await c.post(things, thing(c, { either: 5 }, 'd'))
})

contract('validation by schema', async (c) => {
  const things = await c.define(
    'Thing',
    specOf(
      {
        number: { type: 'integer', minimum: 1, maximum: 10, multipleOf: 2 },
        real: { type: 'number', exclusiveMinimum: true, minimum: 0 },
        word: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]+$' },
        choice: { type: 'string', enum: ['red', 'blue'] },
        list: { type: 'array', minItems: 1, maxItems: 2, items: { type: 'string' } },
        map: { type: 'object', maxProperties: 1, additionalProperties: { type: 'integer' } },
        date: { type: 'string', format: 'date-time' },
        small: { type: 'integer', format: 'int32' },
        one: {
          type: 'object',
          properties: { a: { type: 'string' }, b: { type: 'string' } },
          oneOf: [{ required: ['a'] }, { required: ['b'] }],
        },
        any: { type: 'integer', anyOf: [{ minimum: 5 }, { maximum: 1 }] },
        not: { type: 'string', not: { enum: ['no'] } },
      },
      { required: ['word'] },
    ),
  )
  const bad: [string, object][] = [
    ['missing', {}],
    ['types', { word: 5, number: 'x', list: {}, map: [], choice: null }],
    ['bounds', { word: 'abc', number: 11, real: 0 }],
    ['low', { word: 'abc', number: 0 }],
    ['multiple', { word: 'abc', number: 3 }],
    ['short', { word: 'a' }],
    ['long', { word: 'abcde' }],
    ['pattern', { word: 'AB' }],
    ['enum', { word: 'ab', choice: 'green' }],
    ['items', { word: 'ab', list: [] }],
    ['more', { word: 'ab', list: ['a', 'b', 'c'] }],
    ['map', { word: 'ab', map: { a: 1, b: 2 } }],
    ['value', { word: 'ab', map: { a: 'x' } }],
    ['date', { word: 'ab', date: 'yesterday' }],
    ['one', { word: 'ab', one: {} }],
    ['both', { word: 'ab', one: { a: '1', b: '2' } }],
    ['any', { word: 'ab', any: 3 }],
    ['not', { word: 'ab', not: 'no' }],
    ['float', { word: 'ab', number: 2.5 }],
  ]
  for (const [name, spec] of bad) assert.equal((await c.post(things, thing(c, spec, name))).code, 422, name)
  assert.equal(
    (
      await c.post(
        things,
        thing(
          c,
          {
            word: 'abc',
            number: 4,
            real: 0.5,
            list: ['x'],
            any: 7,
            one: { a: 'x' },
            date: '2026-01-01T00:00:00Z',
            small: 5,
          },
          'good',
        ),
      )
    ).code,
    201,
  )
  await c.post(things, { ...thing(c, 'text'), metadata: { name: 'text' } })
})

contract('rules in CEL', async (c) => {
  const things = await c.define(
    'Thing',
    specOf(
      {
        min: { type: 'integer' },
        max: { type: 'integer' },
        name: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'is immutable' }] },
        list: {
          type: 'array',
          maxItems: 5,
          items: { type: 'object', properties: { k: { type: 'string', maxLength: 10 } } },
          'x-kubernetes-validations': [
            { rule: 'self.all(x, self.exists_one(y, x.k == y.k))', message: 'keys are unique' },
          ],
        },
        host: {
          type: 'string',
          maxLength: 60,
          'x-kubernetes-validations': [
            {
              rule: "self.matches('^[a-z.]+$')",
              messageExpression: "'bad host ' + self",
              reason: 'FieldValueForbidden',
            },
          ],
        },
        field: { type: 'object', properties: { a: { type: 'string' } } },
      },
      {
        'x-kubernetes-validations': [
          { rule: '!has(self.min) || !has(self.max) || self.min <= self.max', message: 'min is at most max' },
          { rule: "!has(self.field) || self.field.a != 'x'", fieldPath: '.field.a', message: 'not x' },
        ],
      },
    ),
  )
  assert.equal(
    (await c.post(things, thing(c, { min: 1, max: 2, name: 'n', list: [{ k: 'a' }, { k: 'b' }], host: 'a.b' }))).code,
    201,
  )
  await c.post(things, thing(c, { min: 3, max: 2 }, 'b'))
  await c.post(things, thing(c, { list: [{ k: 'a' }, { k: 'a' }] }, 'b'))
  await c.post(things, thing(c, { host: 'A' }, 'b'))
  await c.post(things, thing(c, { field: { a: 'x' } }, 'b'))
  await c.post(things, thing(c, { min: 'x', max: 2, host: 'A' }, 'b'))
  assert.equal((await c.patch('merge', `${things}/a`, { spec: { name: 'other' } })).code, 422)
  await c.patch('merge', `${things}/a`, { spec: { max: 9 } })
})

contract('what was invalid before may stay so', async (c) => {
  const things = await c.define('Thing', specOf({ a: { type: 'string' }, b: { type: 'string' } }))
  await c.post(things, thing(c, { a: 'long text', b: 'x' }), quiet)
  const tightened = [
    { op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/a/maxLength', value: 3 },
  ]
  await c.patch('json', `${definitions}/things.${c.group}`, tightened, quiet)
  await c.until(
    `${definitions}/things.${c.group}`,
    ({ body }) => body.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.a.maxLength === 3,
    quiet,
  )
  // The schema takes hold a moment after it is stored.
  const deadline = Date.now() + 5_000
  while ((await c.post(`${things}?dryRun=All`, thing(c, { a: 'long' }, 'probe'), quiet)).code !== 422) {
    assert.ok(Date.now() < deadline, 'the new schema holds')
  }
  const kept = await c.patch('merge', `${things}/a`, { spec: { b: 'y' } })
  assert.equal(kept.code, 200)
  const changed = await c.patch('merge', `${things}/a`, { spec: { a: 'other text' } })
  assert.equal(changed.code, 422)
})

contract('definitions that are refused', async (c) => {
  const base = {
    group: c.group,
    scope: 'Namespaced',
    names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
  }
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }
  const define = (spec: object, name = `things.${c.group}`) =>
    c.post(definitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name },
      spec,
    })
  await define({ ...base, versions: [version] }, 'wrong.name')
  await define({ ...base, versions: [] })
  await define({ ...base, versions: [{ ...version, storage: false }] })
  await define({ ...base, versions: [version, { ...version, name: 'v2' }] })
  await define({ ...base, versions: [version, { ...version, storage: false }] })
  await define({ ...base, versions: [{ ...version, schema: undefined }] })
  await define({ ...base, versions: [{ ...version, schema: { openAPIV3Schema: { properties: { a: {} } } } }] })
  await define({
    ...base,
    versions: [{ ...version, schema: { openAPIV3Schema: { type: 'object', properties: { a: { type: 'array' } } } } }],
  })
  await define({
    ...base,
    versions: [
      {
        ...version,
        schema: { openAPIV3Schema: { type: 'object', properties: { a: { type: 'integer', default: 'x' } } } },
      },
    ],
  })
  await define({
    ...base,
    versions: [
      {
        ...version,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self.nope(' }] } },
          },
        },
      },
    ],
  })
  await define({ ...base, scope: 'Galactic', versions: [version] })
  await define({ ...base, names: { ...base.names, kind: 'thing things' }, versions: [version] })
  await define({ ...base, group: 'nodots', versions: [version] }, 'things.nodots')
})

contract('two versions of one definition', async (c) => {
  const schema = specOf({ a: { type: 'string' } })
  const things = await c.define(
    'Thing',
    {},
    {},
    {
      versions: [
        { name: 'v1', served: true, storage: false, ...schema },
        { name: 'v2', served: true, storage: true, ...schema, additionalPrinterColumns: [] },
        { name: 'v1beta1', served: false, storage: false, ...schema },
      ],
    },
  )
  await c.post(things, thing(c, { a: 'x' }))
  const later = things.replace('/v1/', '/v2/')
  const { body } = await c.until(`${later}/a`, ({ code }) => code === 200)
  assert.equal(body.apiVersion, `${c.group}/v2`)
  await c.get(things.replace('/v1/', '/v1beta1/'))
  await c.get(`/apis/${c.group}`)
  await c.patch('merge', `${later}/a`, { spec: { a: 'y' } })
  await c.get(`${things}/a`)
})

contract('a definition goes with its objects', async (c) => {
  const things = await c.define('Thing', specOf({}))
  await c.post(things, thing(c, {}), quiet)
  await c.delete(`${definitions}/things.${c.group}`, undefined, {
    pick: ({ kind, metadata }) => [kind, metadata?.finalizers],
  })
  await c.until(`${definitions}/things.${c.group}`, ({ code }) => code === 404)
  await c.until(things, ({ code }) => code === 404)
})

contract('the metadata of custom objects', async (c) => {
  const things = await c.define('Thing', specOf({}))
  await c.post(things, { ...thing(c, {}), metadata: { name: 'a', labels: { ok: 'yes' }, unknown: 1 } })
  await c.post(things, { ...thing(c, {}), metadata: { name: 'b', labels: { ok: 5 } } })
  await c.post(things, { ...thing(c, {}), metadata: { name: 'B' } })
  await c.post(things, { ...thing(c, {}), metadata: { generateName: 'made-' } })
  await c.post(things, { kind: 'Thing', metadata: { name: 'c' } })
  await c.post(things, { apiVersion: `${c.group}/v1`, metadata: { name: 'c' } })
  await c.post(things, { ...thing(c, {}), kind: 'Gadget' })
  await c.post(things, { ...thing(c, {}), apiVersion: `${c.group}/v2` })
  await c.get(things)
})
