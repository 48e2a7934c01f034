import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sizes } from './fields.ts'
import { readSize } from './size.ts'

test('a size is a name, or amounts over what there was', () => {
  const read = (...words: string[]) => readSize(words, sizes.small)
  assert.deepEqual(read('large'), { value: { cpu: '1', memory: '1Gi' } })
  assert.deepEqual(read('cpu=0.5'), { value: { cpu: '500m', memory: '256Mi' } })
  assert.deepEqual(read('memory=1024Mi', 'cpu=2'), { value: { cpu: '2', memory: '1Gi' } })
  const refusals: [string[], RegExp][] = [
    [['larg'], /"larg" is no size/],
    [['cpu=many'], /cpu: "many" is no CPU amount/],
    [['cpu='], /cpu: "" is no CPU amount/],
    [['memory=512m'], /memory: "512m" is less than 8Mi/],
    [['cpu=1', 'cpu=2'], /cpu is given twice/],
    [['large', 'cpu=2'], /"large" is no size/],
  ]
  for (const [words, message] of refusals) {
    const said = read(...words)
    assert.ok('message' in said, words.join(' '))
    assert.match(said.message, message)
  }
})
