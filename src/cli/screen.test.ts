import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keysIn } from './keys.ts'
import { cutTo } from './screen.ts'

test('lines are cut to the width that is seen', () => {
  assert.equal(cutTo('abcdef', 4), 'abcd')
  assert.equal(cutTo('abc', 4), 'abc')
  assert.equal(cutTo('\x1b[1mabcdef\x1b[22m', 4), '\x1b[1mabcd\x1b[0m')
  assert.equal(cutTo('\x1b[1mabcd\x1b[22m', 4), '\x1b[1mabcd\x1b[22m')
  assert.equal(cutTo('日本語', 5), '日本')
  assert.equal(cutTo('e\u0301e\u0301x', 2), 'e\u0301e\u0301')
})

test('keys are told apart, however the terminal sends them', () => {
  assert.deepEqual(keysIn('j\x1b[A\x1bOB\x1b[5~\x1b[6~q\x03'), ['j', 'up', 'down', 'pageup', 'pagedown', 'q', '\x03'])
  assert.deepEqual(keysIn('\x1b[15~\x1b'), [])
})
