import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { type BeamNode, connect } from './distribution/index.ts'
import { evaluate, evaluateElixir } from './evaluate.ts'
import { atom, binary, map, tuple } from './term/index.ts'
import { startErl } from './testing/erl-node.ts'
import { missing } from './testing/missing.ts'

const skip = missing('erl')
const skipElixir = skip || missing('elixir')
const cleanups: (() => void | Promise<void>)[] = []
let node: BeamNode

before(async () => {
  if (skip) return
  node = await started([])
})

async function started(args: readonly string[]): Promise<BeamNode> {
  const { name, port, cookie } = await startErl({ after: (fn) => cleanups.push(fn) }, { args })
  const connection = await connect({ name, port, cookie, ourName: 'rem-console@127.0.0.1' })
  cleanups.unshift(() => connection.close())
  return connection
}

after(async () => {
  for (const cleanup of cleanups) await cleanup()
})

test('Erlang is evaluated with bindings and captured output', { skip }, async () => {
  assert.equal(await evaluate(node, 'lists:sum(L) + X.', { L: [1, 2, 3], X: 10 }), 16)
  let text = ''
  const options = { output: (part: string) => void (text += part) }
  const value = await evaluate(
    node,
    'io:format("~p and ~ts~n", [a, T]), {done, self() =/= T}',
    { T: binary('ü') },
    options,
  )
  assert.deepEqual(value, tuple(atom('done'), atom('true')))
  assert.equal(text, 'a and ü\n')
  assert.deepEqual(await evaluate(node, '% a comment\n#{a => 1} % and another'), map({ a: 1 }))
})

test('what does not parse or raises says where and why', { skip }, async () => {
  await assert.rejects(evaluate(node, '1 +'), { code: 'syntax-error', message: /in line 2.*syntax error/ })
  await assert.rejects(evaluate(node, '"open'), { code: 'syntax-error', message: /unterminated string/ })
  await assert.rejects(evaluate(node, '1 = 2'), { code: 'remote-error', message: /\{badmatch,2\}/ })
  await assert.rejects(evaluate(node, 'Unbound + 1'), { code: 'remote-error', message: /unbound/ })
  await assert.rejects(evaluate(node, 'timer:sleep(60000)', {}, { timeoutMs: 50 }), { code: 'call-timeout' })
})

test('Elixir is evaluated where it runs', { skip: skipElixir }, async () => {
  await assert.rejects(evaluateElixir(node, '1 + 1'), { code: 'no-elixir' })
  assert.ok(!(await node.hasElixir()))
  const path = execFileSync('elixir', ['-e', 'IO.write(:code.lib_dir(:elixir))']).toString()
  const start = 'ok = element(1, application:ensure_all_started(elixir))'
  const elixir = await started(['-pa', `${path}/ebin`, '-eval', start])
  assert.ok(await elixir.hasElixir())
  let text = ''
  const options = { output: (part: string) => void (text += part) }
  const value = await evaluateElixir(
    elixir,
    'IO.puts("hi #{name}"); Enum.map(1..3, & &1 * 2)',
    { name: binary('zoë') },
    options,
  )
  assert.deepEqual(value, [2, 4, 6])
  assert.equal(text, 'hi zoë\n')
  await assert.rejects(evaluateElixir(elixir, 'raise "no"'), { code: 'remote-error', message: /RuntimeError/ })
})
