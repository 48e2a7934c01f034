import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearVerbs } from './near.ts'
import { verbs } from './verbs.ts'

test('an unknown command leads to the one that was meant', () => {
  const cases: [string, string[]][] = [
    ['upp', ['up']],
    ['rolback', ['rollback']],
    ['scale', ['ps:scale']],
    ['set', ['config:set']],
    ['apps:create', ['create']],
    ['releases:rollback', ['rollback']],
    ['secrets:set', ['config:set']],
    ['ssh', ['run -- sh']],
    ['secrets', ['config']],
    ['remote', ['console']],
    ['cookie', ['cookie:rotate']],
    ['p', ['ps', 'ps:scale', 'ps:resize', 'ps:restart', 'plan']],
    ['xyzzy', []],
  ]
  for (const [word, meant] of cases) assert.deepEqual(nearVerbs(word, Object.keys(verbs)), meant, word)
})
