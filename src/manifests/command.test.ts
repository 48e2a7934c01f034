import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { argv } from './index.ts'

for (const [line, expected] of [
  ['bin/shop start', 'exec bin/shop start'],
  ['  node server.js ', 'exec node server.js'],
  ['bin/setup && bin/worker', 'bin/setup && exec bin/worker'],
  ['cd web; npm start', 'cd web; exec npm start'],
  ['A=1 B="x y" bin/x', 'A=1 B="x y" exec bin/x'],
  ['bin/x "a && b; c" \'d | e\'', 'exec bin/x "a && b; c" \'d | e\''],
  ['bin/x 2>&1', 'exec bin/x 2>&1'],
  ['bin/x a\\;b', 'exec bin/x a\\;b'],
  ['exec bin/x', 'exec bin/x'],
  // What may mean something else with exec in front stays as it is.
  ['bin/x | tee log', 'bin/x | tee log'],
  ['bin/x || bin/y', 'bin/x || bin/y'],
  ['bin/x &', 'bin/x &'],
  ['if true; then bin/x; fi', 'if true; then bin/x; fi'],
  ['(cd a && bin/x)', '(cd a && bin/x)'],
  ['bin/x $(bin/y)', 'bin/x $(bin/y)'],
  ['bin/x "unfinished', 'bin/x "unfinished'],
  ['cat <<E\nx\nE', 'cat <<E\nx\nE'],
  ['cd web && export A=1', 'cd web && export A=1'],
  ['A=1', 'A=1'],
  ['bin/x;', 'bin/x;'],
] as const) {
  test(`a line for the shell: ${line.replaceAll('\n', ' ')}`, () =>
    assert.deepEqual(argv(line), ['/bin/sh', '-c', expected]))
}

test('a list of words is run as it is', () => {
  assert.deepEqual(argv(['bin/shop', 'eval', 'a && b']), ['bin/shop', 'eval', 'a && b'])
})

for (const line of [
  'A="1 2" B=3 sh -c \'echo $A $B\'',
  'cd / && A=1; pwd',
  'true; printf "%s|" "a;b" \'c&&d\'',
  'echo x 2>&1',
]) {
  test(`the shell does the same with exec in it: ${line}`, () => {
    const [shell, ...args] = argv(line)
    const run = (script: string[]) => execFileSync(shell, script, { encoding: 'utf8' })
    assert.match(args[1], /exec /)
    assert.equal(run(args), run(['-c', line]))
  })
}
