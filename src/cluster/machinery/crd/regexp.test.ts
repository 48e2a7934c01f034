import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePattern, PatternError } from './regexp.ts'

const cases: [pattern: string, matching: string[], other: string[]][] = [
  ['', ['', 'anything'], []],
  ['b', ['abc'], ['ac']],
  ['^a|b$', ['ax', 'xb'], ['xax']],
  ['^(red|green)-[0-9]{2,3}$', ['red-12', 'green-123'], ['red-1', 'red-1234', 'blue-12']],
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$', ['a', 'a-b.c0'], ['-a', 'a.', 'A']],
  ['^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\.)+$', ['example.com.'], [`${'a'.repeat(64)}.`]],
  ['^\\d+(ns|us|µs|ms|s|m|h)$', ['5ms', '1µs'], ['ms', '5 ms']],
  ['(?i)^YES$', ['yes', 'Yes'], ['no']],
  ['^(?i:a)b$', ['Ab'], ['AB']],
  ['^[^/\\s]+/\\S*$', ['a/b', 'a/'], ['a b/', '/']],
  ['^[\\w.-]+@[[:alpha:]]+$', ['x_y.z-1@Home'], ['x@1']],
  ['^[]a]$', [']', 'a'], ['b']],
  ['^[a-]$', ['-', 'a'], ['b']],
  ['\\bcat\\b', ['a cat!'], ['concat']],
  ['^.{2}$', ['ab', '😀x'], ['a', 'abc', 'a\n']],
  ['^\\p{Lu}\\pL*$', ['Äb'], ['äb']],
  ['^\\x41\\x{1F600}$', ['A😀'], ['A']],
  ['^\\Qa.b\\E$', ['a.b'], ['axb']],
  ['^(?P<year>\\d{4})-(?<month>\\d{2})$', ['2026-01'], ['26-01']],
  ['\\Aab\\z', ['ab'], ['xab', 'abx']],
  ['^a{2}$', ['aa'], ['a', 'aaa']],
  ['^a{,2}$', ['a{,2}'], ['aa']],
  ['^(a*)*$', ['', 'aaa'], ['ab']],
  ['^[\\W]$', ['-', 'ä'], ['a', '_']],
]

test("patterns are read as Go's", () => {
  for (const [pattern, matching, other] of cases) {
    const matcher = compilePattern(pattern)
    for (const text of matching) assert.ok(matcher.test(text), `${pattern} matches ${JSON.stringify(text)}`)
    for (const text of other) assert.ok(!matcher.test(text), `${pattern} does not match ${JSON.stringify(text)}`)
  }
})

test('what Go refuses is refused', () => {
  for (const pattern of [
    '(',
    ')',
    '[',
    '[z-a]',
    '*',
    'a**',
    '\\1',
    '(?=a)',
    '(?<!a)b',
    'a{1001}',
    '\\k',
    '(?P<1>a)',
    '\\',
  ])
    assert.throws(() => compilePattern(pattern), PatternError, pattern)
  assert.throws(() => compilePattern('((a{100}){100}){100}'), PatternError)
  assert.throws(() => compilePattern('('.repeat(5000) + ')'.repeat(5000)), PatternError)
})

test('no pattern takes for ever', () => {
  const text = `${'a'.repeat(2000)}!`
  for (const pattern of ['^(a+)+$', '^(a|a)*$', '(x+x+)+y', '^(a?){500}a{500}$', '^((a{1,30}){1,30})$', 'a*a*a*a*a*b'])
    assert.equal(compilePattern(pattern).test(text), false, pattern)
})
