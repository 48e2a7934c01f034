import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compareResourceVersions,
  controllerOf,
  keyOf,
  labelSelector,
  matches,
  matchesLabels,
  ownerReference,
  parseKey,
} from './index.ts'

test('label selectors match as metav1.LabelSelectorAsSelector', () => {
  const labels = { app: 'shop', tier: 'web' }
  const expression = (key: string, operator: string, values?: string[]) => ({
    matchExpressions: [{ key, operator, ...(values && { values }) }],
  })
  assert.equal(matches(undefined, labels), false)
  assert.equal(matches({}, labels), true)
  assert.equal(matches({ matchLabels: { app: 'shop' } }, labels), true)
  assert.equal(matches({ matchLabels: { app: 'shop' } }, undefined), false)
  assert.equal(matches(expression('tier', 'In', ['web', 'db']), labels), true)
  assert.equal(matches(expression('zone', 'In', ['a']), labels), false)
  assert.equal(matches(expression('zone', 'NotIn', ['a']), labels), true)
  assert.equal(matches(expression('tier', 'NotIn', ['web']), labels), false)
  assert.equal(matches(expression('tier', 'Exists'), labels), true)
  assert.equal(matches(expression('tier', 'DoesNotExist'), labels), false)
  assert.equal(matches(expression('constructor', 'Exists'), labels), false)
  assert.equal(matches(expression('tier', 'Gt', ['1']), labels), false)
  assert.equal(matchesLabels({}, labels), true)
})

test('a selector is written as the query has it', () => {
  assert.equal(labelSelector({ app: 'shop', tier: 'web' }), 'app=shop,tier=web')
  assert.equal(
    labelSelector({
      matchLabels: { app: 'shop' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'zone', operator: 'NotIn', values: ['c'] },
        { key: 'x', operator: 'Exists' },
        { key: 'y', operator: 'DoesNotExist' },
      ],
    }),
    'app=shop,tier in (a,b),zone notin (c),x,!y',
  )
})

test('keys, owners and resourceVersions', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'shop', uid: 'u' } }
  assert.equal(keyOf(owner), 'shop/web')
  assert.deepEqual(parseKey('shop/web'), { namespace: 'shop', name: 'web' })
  assert.deepEqual(parseKey('node-0'), { name: 'node-0' })
  const child = { metadata: { ownerReferences: [ownerReference(owner, { controller: false }), ownerReference(owner)] } }
  assert.equal(controllerOf(child)?.controller, true)
  assert.ok(compareResourceVersions('9', '10') < 0)
  assert.ok(compareResourceVersions('99999999999999999999', '99999999999999999998') > 0)
  assert.ok(compareResourceVersions(undefined, '1') < 0)
})
