import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crds } from '../generated/crds.ts'
import { definitions } from '../resources.ts'
import { says } from './install.ts'

test('the generated definitions are those of the schemas', () => {
  const made = definitions.map((definition) => JSON.parse(JSON.stringify(definition.crd())))
  assert.deepEqual(crds, made, 'run: node scripts/gen-crds.ts')
})

test('an object says what is wanted when only defaults were added', () => {
  const wanted = { spec: { names: { kind: 'App' }, versions: [{ name: 'v1', served: true }] } }
  assert.ok(says(structuredClone(wanted), wanted))
  const defaulted = {
    metadata: { uid: '1' },
    spec: {
      names: { kind: 'App', listKind: 'AppList' },
      versions: [{ name: 'v1', served: true, storage: true }],
      conversion: {},
    },
  }
  assert.ok(says(defaulted, wanted))
  for (const other of [
    undefined,
    {},
    { spec: { names: { kind: 'Other' }, versions: [{ name: 'v1', served: true }] } },
    { spec: { names: { kind: 'App' }, versions: [] } },
    { spec: { names: { kind: 'App' }, versions: [{ name: 'v1', served: true }, { name: 'v2' }] } },
    { spec: { names: { kind: 'App' }, versions: { 0: { name: 'v1', served: true } } } },
  ])
    assert.ok(!says(other, wanted))
})
