import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseItems, readListHead } from './items.ts'

const managedFields = [{ manager: 'm"}]', fieldsV1: { 'f:spec': { 'k:{"name":"a]"}': { '.': {} } } } }]
const listOf = (items: unknown[], metadata: object = { resourceVersion: '7' }) =>
  JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items })
const read = (text: string) => [...parseItems(text, readListHead(text)!.items)]

test('the head of a list is read as soon as it is there', () => {
  const text = listOf([{ metadata: { name: 'a' } }], { resourceVersion: '7', continue: 'abc=', remainingItemCount: 3 })
  assert.equal(readListHead(text.slice(0, 60)), undefined)
  const head = readListHead(text.slice(0, 125))!
  assert.deepEqual(head.metadata, { resourceVersion: '7', continue: 'abc=', remainingItemCount: 3 })
  assert.equal(text.slice(head.items, head.items + 2), '{"')
  // As custom resources come from Go: whoever reads them has to read all.
  assert.equal(readListHead('{"apiVersion":"v1","items":[],"kind":"PodList","metadata":{}}'), undefined)
})

test('items are what JSON.parse makes of them, without the managedFields of their own metadata', () => {
  const items = [
    { metadata: { name: 'a', managedFields }, spec: { text: 'with "quotes", \\ and }]' } },
    { metadata: { managedFields, name: 'b' }, status: { ü: '✓ \u2028' } },
    { metadata: { managedFields }, managedFields },
    { metadata: { name: 'c', annotations: { managedFields: 'kept' } }, spec: { metadata: { managedFields } } },
    { spec: { managedFields }, metadata: { name: 'd', labels: { managedFields: '[' }, managedFields, uid: 'u' } },
    { data: { 'x,"managedFields":[': '"metadata":{"managedFields":[' }, metadata: { name: 'e' } },
    {},
  ]
  const wanted = structuredClone(items) as any[]
  for (const item of wanted) if (Array.isArray(item.metadata?.managedFields)) delete item.metadata.managedFields
  assert.deepEqual(read(listOf(items)), wanted)
  assert.deepEqual(read(listOf([])), [])
  const named = items.map((item) => ({ apiVersion: 'v1', kind: 'Pod', ...item }))
  assert.deepEqual(
    read(listOf(named)),
    wanted.map((item) => ({ apiVersion: 'v1', kind: 'Pod', ...item })),
  )
})

test('what looks like the end of an item or of managedFields, and is none, misleads nobody', () => {
  const claims = [{ metadata: { name: 'x' } }, { metadata: { name: 'y' } }]
  const items = Array.from({ length: 9 }, (_, index) => ({
    metadata: { name: `s${index}`, managedFields: index % 2 ? managedFields : [{ manager: 'm' }] },
    spec: index % 3 ? {} : { claims, template: { metadata: { managedFields } } },
  }))
  const wanted = structuredClone(items) as any[]
  for (const item of wanted) delete item.metadata.managedFields
  assert.deepEqual(read(listOf(items)), wanted)
})

test('a list that was cut is an error wherever it was cut', () => {
  const text = listOf([{ metadata: { name: 'a', managedFields } }, { metadata: { name: 'b' } }])
  const { items } = readListHead(text)!
  for (let length = items; length < text.length - 1; length++)
    assert.throws(() => [...parseItems(text.slice(0, length), items)], SyntaxError, text.slice(0, length))
})
