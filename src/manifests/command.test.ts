import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argv } from './command.ts'

test('a shell line reaches the shell as it was written, whatever Kubernetes makes of dollars', () => {
  const cases: [string, string][] = [
    ['echo $PORT', 'exec echo $PORT'],
    ['echo $$; sleep 1', 'echo $$$; exec sleep 1'],
    ['echo $(date)', 'echo $$(date)'],
  ]
  for (const [line, expected] of cases) assert.equal(argv(line)[2], expected)
  assert.deepEqual(argv(['bin/app', '$(POD_IP)']), ['bin/app', '$(POD_IP)'])
})
