import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compiledHelper } from './generated/helper.ts'
import { helperName } from './helper.ts'

test('the compiled helper is that of the source', () => {
  assert.equal(compiledHelper.name, helperName(), 'run node scripts/gen-hot-helper.ts')
})
