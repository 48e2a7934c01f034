import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exec } from '#lib'
import { startErl } from './testing/erl-node.ts'
import { missing } from './testing/missing.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

test('the program in the guide runs', { skip: missing('erl') }, async (t) => {
  const guide = readFileSync(join(root, 'docs/guide/beam-client.md'), 'utf8')
  const [, program] = /```js\n([\s\S]*?)```/.exec(guide)!
  const { name, port, cookie } = await startErl(t)
  const args = ['--input-type=module', '--no-warnings', '-', name, String(port), cookie]
  const env = { PATH: process.env.PATH }
  const ran = await exec(process.execPath, args, { cwd: root, env, input: program!, timeoutMs: 60_000 })
  assert.equal(ran.code, 0, ran.stderr)
  assert.match(ran.stdout, /^\[ 3, 2, 1 \]\nerror badarg\n\[ 1, \d+ \]\n#\{squares => \[1,4,9\]\}\n5000 rows\n\S+\n$/)
})
