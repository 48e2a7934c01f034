import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSpec } from './index.ts'

function beam(lines: string): any {
  const result = parseSpec(`processes: {web: bin/shop start}\nbeam:\n${lines}`, { file: 'cuddle.yaml' })
  return result.ok ? result.spec.beam : result.problems.map(({ message }) => message).join('; ')
}

test('vm.args and sys.config stand in the spec as they stand in a release', () => {
  const { vmArgs, sysConfig } = beam(
    '  vmArgs: |\n    # many processes\n    +P 500000\n    -env X y\n  sysConfig: |\n    [{kernel, [{logger_level, warning}]}]\n',
  )
  assert.equal(vmArgs, '# many processes\n+P 500000\n-env X y\n')
  assert.equal(sysConfig, '[{kernel, [{logger_level, warning}]}].\n')
})

test('what only looks like a bracket is none', () => {
  const text = `[{a, "]}"}, {b, $]}, {c, '[x', <<"{">>}, % ]\n    {d, "\\""}].`
  assert.equal(beam(`  sysConfig: |\n    ${text}\n`).sysConfig, `${text.replace('\n    ', '\n')}\n`)
})

test('mistakes are found before anything is deployed', () => {
  assert.match(beam('  vmArgs: "-setcookie secret"'), /-setcookie is the platform’s to set/)
  assert.match(beam('  vmArgs: "P 1000"'), /"P 1000" is no flag/)
  assert.match(beam('  sysConfig: "[{a, 1}"'), /a \[ is not closed/)
  assert.match(beam('  sysConfig: "[{a, 1]]"'), /a \] closes nothing/)
  assert.match(beam('  sysConfig: "{a, 1}"'), /no Erlang list/)
  assert.match(beam("  sysConfig: '[{a, \"x}].'"), /a " is not closed/)
  assert.match(beam('  handover: "not a module"'), /is no module/)
  assert.match(beam('  handover: Shop.Handover'), /needs a cluster to hand over to/)
  assert.match(
    beam('  cluster: true\n  handover: shop_handover\ndrain: 3s'),
    /drain of web is too short for a handover/,
  )
})
